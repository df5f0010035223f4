package usage

import "rollcall/internal/xmlscan"

// GroupUsageList is the usage org.openmobilealliance.group-usage-list (OMA XDM):
// resource lists of the groups that a user is in. The lists have names and hold
// entries and further lists only.
func GroupUsageList() *Usage {
	lists := ResourceLists()
	return &Usage{
		AUID:           "org.openmobilealliance.group-usage-list",
		MIMEType:       "application/vnd.oma.group-usage-list+xml",
		DefaultNS:      nsResourceLists,
		Namespaces:     []string{nsResourceLists},
		FixedDocuments: func(path string) bool { return path == "index" },
		Validate: func(d *xmlscan.Doc) *Conflict {
			if c := lists.Validate(d); c != nil {
				return c
			}
			return checkGroups(d, 0)
		},
	}
}

func checkGroups(d *xmlscan.Doc, parent int) *Conflict {
	for child := range d.Children(parent) {
		e := &d.Elements[child]
		if e.Space != nsResourceLists {
			continue
		}
		switch e.Local {
		case "list":
			if _, named := d.Attr(child, "", "name"); !named {
				return constraint(d, child, "the name attribute is required")
			}
			if c := checkGroups(d, child); c != nil {
				return c
			}
		case "entry-ref", "external":
			return constraint(d, child, show(d, child)+" is not allowed")
		}
	}
	return nil
}
