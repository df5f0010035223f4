package pidf

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
)

// ErrInvalid is what every error of Parse wraps; its text can be shown to the publisher.
var ErrInvalid = errors.New("invalid presence document")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Before RFC 3863 the namespace had these names; the structure was the same.
var aliases = [...]string{
	"urn:ietf:params:xml:ns:cpim-pidf",
	"urn:ietf:params:xml:ns:cpim-pidf:",
}

// Parse reads a presence document. RFC 4479 §5 asks for tolerance: order of
// elements, ids and unknown elements are not judged. It must be well-formed,
// have an entity, and what decides whether someone is reachable must be readable.
func Parse(body []byte, lim xmlscan.Limits) (*Document, error) {
	d, err := scan(body, lim)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !d.Is(0, Namespace, "presence") {
		return nil, invalid("the root element is not presence of %s", Namespace)
	}
	entity, _ := d.Attr(0, "", "entity")
	entity = strings.TrimSpace(entity)
	if entity == "" {
		return nil, invalid("presence has no entity")
	}
	if aor, err := sipuri.AOR(entity); err == nil {
		entity = aor
	}
	doc := &Document{Entity: entity, Src: d.Src, Doc: d}
	for i := range d.Children(0) {
		doc.add(i)
	}
	for _, t := range doc.Tuples {
		if err := checkTuple(d, t); err != nil {
			return nil, err
		}
	}
	if err := doc.prepare(); err != nil {
		return nil, err
	}
	return doc, nil
}

// Compact lets go of the index of a document that is kept, most of what it takes. It
// must not be shared yet. Composition goes by what was made ready, and makes the index
// anew where that does not do.
func (doc *Document) Compact() { doc.Doc = nil }

// scanned returns the index, made anew for a compact document.
func (doc *Document) scanned() *xmlscan.Doc {
	if doc.Doc != nil {
		return doc.Doc
	}
	d, err := xmlscan.Scan(doc.Src, xmlscan.Limits{Bytes: len(doc.Src)})
	if err != nil { // cannot be: it was scanned before
		return &xmlscan.Doc{Elements: make([]xmlscan.Element, 1)}
	}
	return d
}

// DeviceIDs are the devices that a document speaks of (RFC 4479 §3.5), as DeviceKey
// has them, in order.
func (doc *Document) DeviceIDs() []string { return doc.devices }

// DeviceKey is the comparable form of a deviceID or an instance.
func DeviceKey(s string) string { return urn(s) }

// scan indexes body, with the old name of the namespace replaced.
func scan(body []byte, lim xmlscan.Limits) (*xmlscan.Doc, error) {
	d, err := xmlscan.Scan(body, lim)
	if err != nil {
		return nil, err
	}
	for _, alias := range aliases {
		if d.Elements[0].Space == alias {
			text := string(body)
			for _, q := range [...]string{`"`, `'`} {
				text = strings.ReplaceAll(text, q+alias+q, q+Namespace+q)
			}
			return xmlscan.Scan([]byte(text), lim)
		}
	}
	return d, nil
}

// add files the child element i of the root under its kind. Unknown elements of
// PIDF itself cannot be shown to anyone and are left out.
func (doc *Document) add(i int) {
	e := &doc.Doc.Elements[i]
	c := Component{Elem: i}
	switch (xmlscan.Name{Local: e.Local, Space: e.Space}) {
	case xmlscan.Name{Local: "tuple", Space: Namespace}:
		c.Kind = Tuple
	case xmlscan.Name{Local: "note", Space: Namespace}:
		c.Kind = Note
	case xmlscan.Name{Local: "person", Space: DataModel}:
		c.Kind = Person
	case xmlscan.Name{Local: "device", Space: DataModel}:
		c.Kind = Device
	default:
		if e.Space == Namespace {
			return
		}
		c.Kind = Other
	}
	if c.Kind == Tuple || c.Kind == Person || c.Kind == Device {
		c.ID, _ = doc.Doc.Attr(i, "", "id")
		c.PublishedID = c.ID
	}
	list := doc.componentsOf(c.Kind)
	*list = append(*list, c)
}

// componentsOf picks the list of one kind.
func (doc *Document) componentsOf(k Kind) *[]Component {
	return [...]*[]Component{
		Tuple: &doc.Tuples, Note: &doc.Notes, Person: &doc.Persons, Device: &doc.Devices, Other: &doc.Others,
	}[k]
}

// checkTuple refuses what cannot be put right without guessing (RFC 3863 §4.1.2-§4.1.4).
func checkTuple(d *xmlscan.Doc, t Component) error {
	for _, once := range [...]string{"status", "contact", "timestamp"} {
		if count(d, t.Elem, once) > 1 {
			return invalid("tuple %q has more than one %s", t.ID, once)
		}
	}
	status := child(d, t.Elem, Namespace, "status")
	if status < 0 {
		return nil
	}
	if count(d, status, "basic") > 1 {
		return invalid("tuple %q has more than one basic", t.ID)
	}
	if b := child(d, status, Namespace, "basic"); b >= 0 {
		if v := trimmed(d, b); v != "open" && v != "closed" {
			return invalid("tuple %q: basic is neither open nor closed", t.ID)
		}
	}
	return nil
}

// child returns the first child of element i with the given name, or -1.
func child(d *xmlscan.Doc, i int, space, local string) int {
	for c := range d.Children(i) {
		if d.Is(c, space, local) {
			return c
		}
	}
	return -1
}

func count(d *xmlscan.Doc, i int, local string) (n int) {
	for c := range d.Children(i) {
		if d.Is(c, Namespace, local) {
			n++
		}
	}
	return n
}

func trimmed(d *xmlscan.Doc, i int) string { return strings.TrimSpace(d.Text(i)) }

// instant reads an xs:dateTime; without a zone it is taken as UTC.
func instant(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if strings.IndexByte(s, ',') >= 0 { // which package time would take for a point
		return time.Time{}, false
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
