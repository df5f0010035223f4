package policy

import (
	"strings"

	"rollcall/internal/xmlscan"
)

// attribute is a permission for one kind of information within a component.
type attribute uint16

// RFC 5025 §3.3.2.
const (
	attrActivities attribute = 1 << iota
	attrClass
	attrDeviceID
	attrMood
	attrNote
	attrPlaceIs
	attrPlaceType
	attrPrivacy
	attrRelationship
	attrSphere
	attrStatusIcon
	attrTimeOffset
)

// userInput is how much of user-input is provided; the highest of all rules wins.
type userInput uint8

const (
	inputNone userInput = iota
	inputBare
	inputThresholds
	inputFull
)

type name struct{ space, local string }

// selection says which components of one kind are visible. RFC 5025 §3.3.1.
type selection struct {
	all     bool
	classes map[string]struct{}
	ids     map[string]struct{} // occurrence-id
	uris    map[string]struct{} // service-uri or deviceID, canonical
	schemes map[string]struct{}
}

// grant is what the transformations of rules provide together.
type grant struct {
	services, persons, devices selection

	attributes attribute
	input      userInput
	unknown    map[name]struct{}
	everything bool // provide-all-attributes
}

// provideAll is the grant of everything.
func provideAll() *grant {
	all := selection{all: true}
	return &grant{services: all, persons: all, devices: all, everything: true}
}

func (g *grant) isAll() bool {
	return g.everything && g.services.all && g.persons.all && g.devices.all
}

// add unites g with other: sets by union, booleans by OR, levels by maximum
// (RFC 4745 §10.2).
func (g *grant) add(other *grant) {
	g.services.add(&other.services)
	g.persons.add(&other.persons)
	g.devices.add(&other.devices)
	g.attributes |= other.attributes
	g.input = max(g.input, other.input)
	g.unknown = union(g.unknown, other.unknown)
	g.everything = g.everything || other.everything
}

func (s *selection) add(other *selection) {
	s.all = s.all || other.all
	s.classes = union(s.classes, other.classes)
	s.ids = union(s.ids, other.ids)
	s.uris = union(s.uris, other.uris)
	s.schemes = union(s.schemes, other.schemes)
}

func union[K comparable](dst, src map[K]struct{}) map[K]struct{} {
	if dst == nil && len(src) > 0 {
		dst = make(map[K]struct{}, len(src))
	}
	for k := range src {
		dst[k] = struct{}{}
	}
	return dst
}

func insert[K comparable](set map[K]struct{}, key K) map[K]struct{} {
	if set == nil {
		set = make(map[K]struct{})
	}
	set[key] = struct{}{}
	return set
}

// booleans are the permissions that are true or false.
var booleans = map[string]attribute{
	"provide-activities":   attrActivities,
	"provide-class":        attrClass,
	"provide-deviceID":     attrDeviceID,
	"provide-mood":         attrMood,
	"provide-note":         attrNote,
	"provide-place-is":     attrPlaceIs,
	"provide-place-type":   attrPlaceType,
	"provide-privacy":      attrPrivacy,
	"provide-relationship": attrRelationship,
	"provide-sphere":       attrSphere,
	"provide-status-icon":  attrStatusIcon,
	"provide-time-offset":  attrTimeOffset,
}

// addTransformations reads a transformations element. Permissions of other
// namespaces are ignored (RFC 4745 §8).
func (g *grant) addTransformations(doc *xmlscan.Doc, elem int) {
	for child := range doc.Children(elem) {
		if doc.Elements[child].Space == nsPresence {
			g.addPermission(doc, child)
		}
	}
}

func (g *grant) addPermission(doc *xmlscan.Doc, elem int) {
	local := doc.Elements[elem].Local
	if bit, ok := booleans[local]; ok {
		if truth(doc, elem) {
			g.attributes |= bit
		}
		return
	}
	switch local {
	case "provide-services":
		g.services.read(doc, elem, "all-services", "service-uri")
	case "provide-persons":
		g.persons.read(doc, elem, "all-persons", "")
	case "provide-devices":
		g.devices.read(doc, elem, "all-devices", "deviceID")
	case "provide-user-input":
		g.input = max(g.input, inputLevel(trimmed(doc, elem)))
	case "provide-all-attributes":
		g.everything = true
	case "provide-unknown-attribute":
		n, _ := doc.Attr(elem, "", "name")
		space, _ := doc.Attr(elem, "", "ns")
		if n != "" && truth(doc, elem) {
			key := name{strings.Clone(strings.TrimSpace(space)), strings.Clone(strings.TrimSpace(n))}
			g.unknown = insert(g.unknown, key)
		}
	}
}

// read takes the members of provide-services, -persons or -devices.
func (s *selection) read(doc *xmlscan.Doc, elem int, all, uri string) {
	for child := range doc.Children(elem) {
		e := &doc.Elements[child]
		if e.Space != nsPresence {
			continue
		}
		value := trimmed(doc, child)
		switch {
		case e.Local == all:
			s.all = true
		case e.Local == "class":
			s.classes = insert(s.classes, value)
		case e.Local == "occurrence-id":
			s.ids = insert(s.ids, value)
		case e.Local == uri && uri != "":
			s.uris = insert(s.uris, comparableURI(value))
		case e.Local == "service-uri-scheme" && uri == "service-uri":
			s.schemes = insert(s.schemes, value)
		}
	}
}

func inputLevel(s string) userInput {
	switch s {
	case "bare":
		return inputBare
	case "thresholds":
		return inputThresholds
	case "full":
		return inputFull
	}
	return inputNone
}

// truth reads an xs:boolean.
func truth(doc *xmlscan.Doc, elem int) bool {
	s := trimmed(doc, elem)
	return s == "true" || s == "1"
}

func trimmed(doc *xmlscan.Doc, elem int) string {
	return strings.Clone(strings.Trim(doc.Text(elem), " \t\r\n"))
}
