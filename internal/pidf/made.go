package pidf

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"rollcall/internal/xmlscan"
)

// OfflineTupleID is the id of the tuple in the document of a presentity of whom
// nothing is known.
func OfflineTupleID(aor string) string { return "t" + digest(aor) }

// Offline is the document of someone of whom nothing is known, which is also
// what a politely blocked watcher sees (RFC 5025 §3.2.1).
func Offline(aor, tupleID string) []byte {
	b := openDocument(nil, aor)
	b = offlineTuple(b, aor, tupleID)
	return closeDocument(b)
}

func offlineTuple(b []byte, aor, id string) []byte {
	return plainTuple(b, id, "closed", "", "", aor)
}

// plainTuple appends a tuple that the server itself vouches for.
func plainTuple(b []byte, id, basic, instance, priority, contact string) []byte {
	b = append(b, `<tuple id="`...)
	b = xmlscan.EscapeAttr(b, id)
	b = append(b, `"><status><basic>`...)
	b = append(b, basic...)
	b = append(b, `</basic></status>`...)
	if instance != "" {
		b = append(b, `<dm:deviceID xmlns:dm="`+DataModel+`">`...)
		b = xmlscan.Escape(b, instance)
		b = append(b, `</dm:deviceID>`...)
	}
	b = append(b, `<contact`...)
	if priority != "" {
		b = append(b, ` priority="`...)
		b = append(b, priority...)
		b = append(b, '"')
	}
	b = append(b, '>')
	b = xmlscan.Escape(b, contact)
	return append(b, `</contact></tuple>`...)
}

// registered makes the tuples of registrations that no published tuple covers.
func (c *composing) registered(parts []part) []part {
	if len(c.Registrations) == 0 {
		return nil
	}
	var published []string
	for i := range parts {
		if p := &parts[i]; p.Kind == Tuple {
			if p.device == "" || p.closed {
				return nil
			}
			published = append(published, p.device)
		}
	}
	regs := slices.Clone(c.Registrations)
	slices.SortFunc(regs, func(a, b Registration) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(b.Q, a.Q), cmp.Compare(a.ID, b.ID))
	})
	var out []part
	shown := make(map[string]bool)
	for i := range regs {
		r := &regs[i]
		r.Contact, r.Instance = printable(r.Contact), printable(r.Instance)
		key := urn(r.Instance)
		if c.horizon.over(r.Expires) || shown[key] || slices.Contains(published, key) || key == "" && len(published) > 0 {
			continue
		}
		shown[key] = true
		if r.Contact == "" {
			r.Contact = c.AOR
		}
		out = append(out, part{piece: &piece{Component: Component{Kind: Tuple}}, reg: r, ordinal: len(out), source: FromRegistration})
	}
	return out
}

// priority writes q as RFC 3863 §4.1.5 wants it; the highest is the default.
func priority(q int) string {
	if q < 0 || q >= 1000 {
		return ""
	}
	return strconv.FormatFloat(float64(q)/1000, 'f', -1, 64)
}

// caller is the person of whom only a call is known.
func caller() *piece {
	const open, id = `<dm:person xmlns:dm="` + DataModel + `" xmlns:rpid="` + RPID + `" id="`, "phone"
	const text = open + id + `"><rpid:activities><rpid:on-the-phone/></rpid:activities></dm:person>`
	return &piece{
		Component: Component{Kind: Person}, text: []byte(text),
		ids: []place{{from: int32(len(open)), to: int32(len(open + id)), id: id, own: true}},
	}
}

// withCall adds to the activities element that b has from a place on that there is
// a call, unless it says so (RFC 4480 §3.2). elem is that element in its source.
// What nobody knows is known then.
func withCall(b []byte, from int, d *xmlscan.Doc, elem int) []byte {
	e := &d.Elements[elem]
	name := "<on-the-phone/>"
	if e.Prefix != "" {
		name = "<" + e.Prefix + ":on-the-phone/>"
	}
	unknown := -1
	for i := range d.Children(elem) {
		switch {
		case d.Is(i, RPID, "on-the-phone"):
			return b
		case d.Is(i, RPID, "unknown"):
			unknown = i
		}
	}
	text := b[from:]
	if e.SelfClosing {
		b = append(bytes.TrimSuffix(b, []byte("/>")), '>')
		return endTag(append(b, name...), e)
	}
	at, end := bytes.LastIndex(text, []byte("</")), 0
	end = at
	if unknown >= 0 {
		if i := bytes.Index(text, d.Bytes(unknown)); i >= 0 {
			at, end = i, i+len(d.Bytes(unknown))
		}
	}
	return slices.Concat(b[:from], text[:at], []byte(name), text[end:])
}
