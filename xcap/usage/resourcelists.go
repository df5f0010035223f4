package usage

import (
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

const nsResourceLists = "urn:ietf:params:xml:ns:resource-lists"

// ResourceLists is the resource-lists usage (RFC 4826 §3.4).
func ResourceLists() *Usage {
	s := newSchema(name{nsResourceLists, "resource-lists"}, nil, resourceListDeclarations())
	return &Usage{
		AUID:       "resource-lists",
		MIMEType:   "application/resource-lists+xml",
		DefaultNS:  nsResourceLists,
		Namespaces: []string{nsResourceLists},
		Validate: func(d *xmlscan.Doc) *Conflict {
			if c := s.validate(d); c != nil {
				return c
			}
			if exists := duplicatesInLists(d, nil, 0, nsResourceLists); len(exists) > 0 {
				return notUnique(exists)
			}
			return checkReferences(d, 0)
		},
	}
}

// resourceListDeclarations is the schema of RFC 4826 §3.2.
func resourceListDeclarations() declarations {
	root := group(nsResourceLists, element(nsResourceLists, "list", listType()).anyNumber())
	return declarations{{nsResourceLists, "resource-lists"}: root}
}

// listType is the type of list elements; rls-services has one of its own name.
func listType() *elementType {
	displayName := element(nsResourceLists, "display-name", simple(nsResourceLists, anyString, xmlLang)).optional()
	foreign := others(nsResourceLists).anyNumber()
	member := func(attr attribute) *elementType {
		t := group(nsResourceLists, sequence(displayName, foreign), attr)
		t.anyAttr = true
		return t
	}
	list := &elementType{space: nsResourceLists, anyAttr: true, attrs: []attribute{optional("name", anyString)}}
	list.model = sequence(
		displayName,
		oneOf(
			element(nsResourceLists, "list", list),
			element(nsResourceLists, "external", member(optional("anchor", anyURI))),
			element(nsResourceLists, "entry", member(required("uri", anyURI))),
			element(nsResourceLists, "entry-ref", member(required("ref", anyURI))),
		).anyNumber(),
		foreign,
	)
	return list
}

// Entries counts the entries of all lists in a document.
func Entries(d *xmlscan.Doc) int {
	n := 0
	for i := range d.Elements {
		if d.Is(i, nsResourceLists, "entry") {
			n++
		}
	}
	return n
}

// uniqueAttr is what tells the members of a list apart (RFC 4826 §3.4.5).
var uniqueAttr = map[string]string{"list": "name", "entry": "uri", "entry-ref": "ref", "external": "anchor"}

// maxExists bounds the fields that one conflict names.
const maxExists = 16

// duplicatesInLists appends the fields under element parent that repeat one of
// a sibling. RFC 4826 §3.4.5: case-sensitive string comparison, within one parent.
func duplicatesInLists(d *xmlscan.Doc, exists []Exists, parent int, defaultNS string) []Exists {
	type field struct{ element, value string }
	seen := make(map[field]bool, childCount(d, parent))
	for child := range d.Children(parent) {
		if len(exists) >= maxExists {
			return exists
		}
		e := &d.Elements[child]
		attr := uniqueAttr[e.Local]
		if e.Space != nsResourceLists || attr == "" {
			continue
		}
		if value, ok := d.Attr(child, "", attr); ok {
			f := field{e.Local, value}
			if seen[f] {
				x := Exists{Field: fieldSelector(d, child, attr, defaultNS)}
				if e.Local == "list" {
					x.AltValues = []string{freeListName(d, parent, value)}
				}
				exists = append(exists, x)
			}
			seen[f] = true
		}
		if e.Local == "list" {
			exists = duplicatesInLists(d, exists, child, defaultNS)
		}
	}
	return exists
}

func childCount(d *xmlscan.Doc, parent int) (n int) {
	for range d.Children(parent) {
		n++
	}
	return n
}

// freeListName is a name like value that no list under parent has.
func freeListName(d *xmlscan.Doc, parent int, value string) string {
	taken := map[string]bool{}
	for child := range d.Children(parent) {
		if v, ok := d.Attr(child, "", "name"); ok {
			taken[v] = true
		}
	}
	for n := 2; ; n++ {
		if candidate := value + "-" + strconv.Itoa(n); !taken[candidate] {
			return candidate
		}
	}
}

func notUnique(exists []Exists) *Conflict {
	phrase := "a value that must be unique among its siblings occurs twice"
	if len(exists) > 1 {
		phrase = strconv.Itoa(len(exists)) + " values that must be unique among their siblings occur more than once"
	}
	return &Conflict{Element: UniquenessFailure, Phrase: phrase, Exists: exists}
}

// checkReferences checks the references in the lists under element parent. RFC
// 4826 §3.4.5: only their form matters, nothing is looked up.
func checkReferences(d *xmlscan.Doc, parent int) *Conflict {
	for child := range d.Children(parent) {
		e := &d.Elements[child]
		if e.Space != nsResourceLists {
			continue
		}
		switch e.Local {
		case "list":
			if c := checkReferences(d, child); c != nil {
				return c
			}
		case "entry-ref":
			if ref, _ := d.Attr(child, "", "ref"); !relativePath(ref) {
				return constraint(d, child, "the ref must be a path relative to the XCAP root, such as resource-lists/users/…, not "+quote(ref))
			}
		case "external":
			if anchor, _ := d.Attr(child, "", "anchor"); !httpURI(anchor) {
				return constraint(d, child, "the anchor must be an absolute HTTP URI, not "+quote(anchor))
			}
		}
	}
	return nil
}

func constraint(d *xmlscan.Doc, i int, phrase string) *Conflict {
	return &Conflict{Element: ConstraintFailure, Phrase: readablePath(d, i) + ": " + phrase}
}

// relativePath reports whether a reference is a relative-path reference (RFC
// 3986 §4.2) with something in it: no scheme, no leading slash.
func relativePath(ref string) bool {
	ref = collapse(ref)
	first, _, _ := strings.Cut(ref, "/")
	lower := strings.ToLower(first)
	return first != "" && !strings.Contains(first, ":") &&
		!strings.Contains(lower, "%3a") && !strings.HasPrefix(lower, "%2f")
}

// httpURI reports whether a reference is an absolute HTTP URI. Clients are seen
// to percent-encode the whole of it.
func httpURI(ref string) bool {
	ref = strings.ToLower(collapse(ref))
	for _, scheme := range []string{"http", "https"} {
		rest, ok := strings.CutPrefix(ref, scheme)
		if !ok {
			continue
		}
		if r, ok := strings.CutPrefix(rest, ":"); ok {
			rest = r
		} else if rest, ok = strings.CutPrefix(rest, "%3a"); !ok {
			continue
		}
		if r, ok := strings.CutPrefix(strings.ReplaceAll(rest, "%2f", "/"), "//"); ok && r != "" && r[0] != '/' {
			return true
		}
	}
	return false
}
