package policy

import (
	"slices"
	"strings"

	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
)

// Apply returns the document as the transformation shows it. What is shown
// stands there byte for byte; the white space before what is not goes with it, so
// that hidden components leave no trace. The result must not be modified.
func (t *Transformation) Apply(c *pidf.Composed) []byte {
	if t.grant.isAll() {
		return c.Body
	}
	in := c.Index()
	f := filter{grant: &t.grant, doc: in.Doc}
	f.components(in.Tuples, f.tupleVisible)
	persons := f.components(in.Persons, f.personVisible)
	f.components(in.Devices, f.deviceVisible)
	// RFC 4479 §5: a note of the presence element is about the person.
	if persons == 0 || !f.provides(attrNote) {
		f.drop(in.Notes)
	}
	if !t.grant.everything {
		f.drop(in.Others)
	}
	return f.splice()
}

// filter collects the parts of a document that are left out.
type filter struct {
	grant *grant
	doc   *xmlscan.Doc
	cuts  []span
}

type span struct{ start, end int32 }

// components filters the components of one kind and returns how many are visible.
func (f *filter) components(list []pidf.Component, visible func(pidf.Component) bool) int {
	n := 0
	for _, c := range list {
		if !visible(c) {
			f.cutElement(c.Elem)
			continue
		}
		n++
		if !f.grant.everything {
			f.attributes(c)
		}
	}
	return n
}

func (f *filter) drop(list []pidf.Component) {
	for _, c := range list {
		f.cutElement(c.Elem)
	}
}

// RFC 5025 §3.3.1.1-§3.3.1.3.

func (f *filter) deviceVisible(c pidf.Component) bool {
	s := &f.grant.devices
	if f.selected(s, c) {
		return true
	}
	return len(s.uris) > 0 && has(s.uris, comparableURI(f.text(c.Elem, pidf.DataModel, "deviceID")))
}

func (f *filter) personVisible(c pidf.Component) bool { return f.selected(&f.grant.persons, c) }

func (f *filter) tupleVisible(c pidf.Component) bool {
	s := &f.grant.services
	if f.selected(s, c) {
		return true
	}
	if len(s.uris) == 0 && len(s.schemes) == 0 {
		return false
	}
	contact := f.text(c.Elem, pidf.Namespace, "contact")
	if contact == "" {
		return false
	}
	if has(s.uris, comparableURI(contact)) {
		return true
	}
	scheme, ok := schemeOf(contact)
	return ok && has(s.schemes, scheme)
}

// selected looks at what all kinds of component have: class and occurrence-id,
// which is the id as it was published.
func (f *filter) selected(s *selection, c pidf.Component) bool {
	if s.all || c.PublishedID != "" && has(s.ids, c.PublishedID) {
		return true
	}
	if len(s.classes) == 0 {
		return false
	}
	for child := range f.doc.Children(c.Elem) {
		if f.doc.Is(child, pidf.RPID, "class") && has(s.classes, strings.TrimSpace(f.doc.Text(child))) {
			return true
		}
	}
	return false
}

// schemeOf returns the scheme of a URI as written, also of one that is
// percent-encoded as a whole.
func schemeOf(uri string) (string, bool) {
	i := strings.IndexAny(uri, ":%")
	if i <= 0 {
		return "", false
	}
	if uri[i] == '%' {
		if _, err := sipuri.AOR(uri); err != nil || !strings.EqualFold(uri[i:min(i+3, len(uri))], "%3a") {
			return "", false
		}
	}
	return uri[:i], true
}

// permissions are the elements that have a permission of their own.
var permissions = map[name]attribute{
	{pidf.RPID, "activities"}:    attrActivities,
	{pidf.RPID, "class"}:         attrClass,
	{pidf.RPID, "mood"}:          attrMood,
	{pidf.RPID, "place-is"}:      attrPlaceIs,
	{pidf.RPID, "place-type"}:    attrPlaceType,
	{pidf.RPID, "privacy"}:       attrPrivacy,
	{pidf.RPID, "relationship"}:  attrRelationship,
	{pidf.RPID, "sphere"}:        attrSphere,
	{pidf.RPID, "status-icon"}:   attrStatusIcon,
	{pidf.RPID, "time-offset"}:   attrTimeOffset,
	{pidf.Namespace, "note"}:     attrNote,
	{pidf.DataModel, "note"}:     attrNote,
	{pidf.DataModel, "deviceID"}: attrDeviceID,
}

// attributes filters the children of a visible component.
func (f *filter) attributes(c pidf.Component) {
	for child := range f.doc.Children(c.Elem) {
		switch {
		case f.fixed(c.Kind, child):
			if f.doc.Is(child, pidf.Namespace, "status") {
				f.status(child)
			}
		case f.doc.Is(child, pidf.RPID, "user-input"):
			f.userInput(child)
		default:
			f.attribute(child)
		}
	}
}

// fixed reports whether a child is visible whenever its component is.
// RFC 5025 §3.3.2.
func (f *filter) fixed(kind pidf.Kind, elem int) bool {
	e := &f.doc.Elements[elem]
	switch (name{e.Space, e.Local}) {
	case name{pidf.Namespace, "status"}, name{pidf.Namespace, "contact"}, name{pidf.RPID, "service-class"}:
		return kind == pidf.Tuple
	case name{pidf.Namespace, "timestamp"}, name{pidf.DataModel, "timestamp"}:
		return true
	case name{pidf.DataModel, "deviceID"}:
		return kind == pidf.Device
	}
	return false
}

// status filters the extensions of a tuple's status as attributes of the tuple.
func (f *filter) status(elem int) {
	for child := range f.doc.Children(elem) {
		if !f.doc.Is(child, pidf.Namespace, "basic") {
			f.attribute(child)
		}
	}
}

// attribute cuts an element unless its own permission or, if it has none, that
// for unknown attributes provides it. Notes inside it go with it.
func (f *filter) attribute(elem int) {
	e := &f.doc.Elements[elem]
	n := name{e.Space, e.Local}
	if bit, ok := permissions[n]; ok {
		if !f.provides(bit) {
			f.cutElement(elem)
		}
		return
	}
	if _, ok := f.grant.unknown[n]; !ok {
		f.cutElement(elem)
	}
}

// userInput applies provide-user-input. RFC 5025 §3.3.2.12 calls the time
// attribute since, RFC 4480 §3.15 last-input.
func (f *filter) userInput(elem int) {
	if f.grant.input == inputNone {
		f.cutElement(elem)
		return
	}
	for _, a := range f.doc.Attributes(elem) {
		switch a.Local {
		case "idle-threshold":
			if f.grant.input < inputThresholds {
				f.cut(a.Start, a.End)
			}
		case "last-input", "since":
			if f.grant.input < inputFull {
				f.cut(a.Start, a.End)
			}
		}
	}
}

func (f *filter) provides(bit attribute) bool {
	return f.grant.everything || f.grant.attributes&bit != 0
}

func (f *filter) cutElement(elem int) {
	e := &f.doc.Elements[elem]
	f.cut(e.Start, e.End)
}

// cut leaves out a part and the white space before it.
func (f *filter) cut(start, end int32) {
	for start > 0 && strings.IndexByte(" \t\r\n", f.doc.Src[start-1]) >= 0 {
		start--
	}
	f.cuts = append(f.cuts, span{start, end})
}

func (f *filter) splice() []byte {
	slices.SortFunc(f.cuts, func(a, b span) int { return int(a.start) - int(b.start) })
	src := f.doc.Src
	out := make([]byte, 0, len(src))
	at := int32(0)
	for _, c := range f.cuts {
		out = append(out, src[at:c.start]...)
		at = c.end
	}
	return append(out, src[at:]...)
}

// text returns the text of the first child of that name.
func (f *filter) text(elem int, space, local string) string {
	for child := range f.doc.Children(elem) {
		if f.doc.Is(child, space, local) {
			return strings.TrimSpace(f.doc.Text(child))
		}
	}
	return ""
}

func has[K comparable](set map[K]struct{}, key K) bool {
	_, ok := set[key]
	return ok
}
