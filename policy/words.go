package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// attributeWords says in plain words what the permissions for attributes show.
var attributeWords = [...]struct {
	attribute attribute
	words     string
}{
	{attrActivities, "activities"},
	{attrMood, "mood"},
	{attrNote, "notes"},
	{attrPlaceIs, "properties of the place"},
	{attrPlaceType, "kind of place"},
	{attrPrivacy, "privacy of the place"},
	{attrRelationship, "relationship of others who answer"},
	{attrSphere, "sphere (work, home)"},
	{attrStatusIcon, "status icon"},
	{attrTimeOffset, "time zone"},
	{attrClass, "class"},
	{attrDeviceID, "which device a service is on"},
}

// inputWords are by the level of provide-user-input.
var inputWords = [...]string{
	inputBare:       "whether the device is in use",
	inputThresholds: "whether the device is in use, and from when on it counts as idle",
	inputFull:       "whether the device is in use, and since when not",
}

// operatorWords says what the operator of the domain decided.
func operatorWords(rule string, g Group, h Handling) string {
	who := [...]string{
		SameDomain: "people of the owner's domain", OtherDomains: "people of other domains", Nobody: "watchers without an identity",
	}[g]
	switch rule {
	case "no-document":
		return fmt.Sprintf("The operator of the server decided what that means for %s: %s.", who, h)
	case "no-rule":
		return fmt.Sprintf("The operator of the server decided how %s are treated then: %s.", who, h)
	case "floor":
		return fmt.Sprintf("The operator of the server decided that %s are treated no worse than this, whatever the owner's rules say: %s.", who, h)
	}
	return fmt.Sprintf("The operator of the server decided that %s are treated no better than this, whatever the owner's rules say: %s.", who, h)
}

// Words says in plain words what the transformation shows.
func (t *Transformation) Words() []string {
	g := &t.grant
	if g.isAll() {
		return []string{"everything"}
	}
	lines := []string{
		g.services.words("all ways to reach the owner", "no ways to reach the owner", "ways to reach the owner"),
		g.persons.words("the person", "nothing about the person", "the person"),
		g.devices.words("all devices", "no devices", "devices"),
	}
	if g.everything {
		return append(lines, "of these, all details")
	}
	var details []string
	for _, a := range attributeWords {
		if g.attributes&a.attribute != 0 {
			details = append(details, a.words)
		}
	}
	if g.input != inputNone {
		details = append(details, inputWords[g.input])
	}
	var unknown []string
	for n := range g.unknown {
		unknown = append(unknown, fmt.Sprintf("<%s> of %s", n.local, n.space))
	}
	slices.Sort(unknown)
	details = append(details, unknown...)
	if len(details) == 0 {
		return append(lines, "of these, no details: only addresses, open or closed, and times")
	}
	return append(lines, "of these: "+strings.Join(details, ", "))
}

func (s *selection) words(all, none, some string) string {
	if s.all {
		return all
	}
	var parts []string
	for _, p := range [...]struct {
		words string
		set   map[string]struct{}
	}{
		{"of class ", s.classes}, {"with the id ", s.ids}, {"with the address ", s.uris}, {"with addresses of the scheme ", s.schemes},
	} {
		if len(p.set) > 0 {
			parts = append(parts, p.words+named(p.set))
		}
	}
	if len(parts) == 0 {
		return none
	}
	return some + ": only those " + strings.Join(parts, " or ")
}

// listName is a reference as a person would name it: by the name of the list.
func listName(anchor string) string {
	text := anchor
	if decoded, err := url.PathUnescape(anchor); err == nil {
		text = decoded
	}
	document, node, ok := strings.Cut(text, "/~~/")
	i := strings.LastIndex(node, "[@name=")
	if !ok || i < 0 {
		return anchor
	}
	name := strings.Trim(strings.TrimSuffix(node[i+len("[@name="):], "]"), `"'`)
	if j := strings.Index(document, "/resource-lists/"); j >= 0 {
		document = document[j+1:]
	}
	return fmt.Sprintf("the list %q (%s)", name, document)
}
