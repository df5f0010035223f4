package pidf

import (
	"time"

	"rollcall/internal/xmlscan"
)

// horizon tells what is over at an instant and collects the next one at which
// something will be.
type horizon struct {
	now  time.Time
	next time.Time
	met  bool // something that begins or ends was met
}

// over reports whether t has come; if not, t is a boundary. A zero t never comes.
func (h *horizon) over(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	if !t.After(h.now) {
		return true
	}
	if h.next.IsZero() || t.Before(h.next) {
		h.next = t
	}
	return false
}

// expired reports whether the time of element i is over: that of an RPID
// element with its until (RFC 4480 §3.2), that of a timed status, which must
// never cover the present, already with its from (RFC 4481 §3).
func (h *horizon) expired(d *xmlscan.Doc, i int) bool {
	switch d.Elements[i].Space {
	case RPID:
		return h.reached(d, i, "until")
	case TimedStatus:
		return d.Elements[i].Local == "timed-status" && (h.reached(d, i, "from") || h.reached(d, i, "until"))
	}
	return false
}

// ahead reports whether the time of element i has still to come: watchers are told
// of it, but it decides nothing yet (RFC 4480 §3.2).
func (h *horizon) ahead(d *xmlscan.Doc, i int) bool {
	v, _ := d.Attr(i, "", "from")
	from, ok := instant(v)
	h.met = h.met || ok
	return ok && !h.over(from)
}

// omits reports whether element i is left out: it is over, or a timestamp
// nobody can read.
func (h *horizon) omits(d *xmlscan.Doc, i int) bool {
	if e := &d.Elements[i]; e.Local == "timestamp" && ofPresence(e.Space) {
		_, ok := instant(d.Text(i))
		return !ok
	}
	return h.expired(d, i)
}

// reached reports whether the instant that an attribute names has come.
func (h *horizon) reached(d *xmlscan.Doc, i int, attr string) bool {
	v, ok := d.Attr(i, "", attr)
	if !ok {
		return false
	}
	t, ok := instant(v)
	h.met = h.met || ok
	return ok && h.over(t)
}

// timedStatus returns the basic element of the timed status of a tuple that covers
// the present; of several that which began last. It is -1 when there is none.
func timedStatus(d *xmlscan.Doc, tuple int, h *horizon) int {
	found := -1
	var began time.Time
	for i := range d.Children(tuple) {
		if !d.Is(i, TimedStatus, "timed-status") || !h.reached(d, i, "from") || h.reached(d, i, "until") {
			continue
		}
		v, _ := d.Attr(i, "", "from")
		from, _ := instant(v)
		for c := range d.Children(i) {
			if !d.Is(c, TimedStatus, "basic") && !d.Is(c, Namespace, "basic") {
				continue
			}
			if v := trimmed(d, c); (v == "open" || v == "closed") && !from.Before(began) {
				found, began = c, from
			}
		}
	}
	return found
}

// promote makes a timed status whose time has come the status of the tuple (RFC
// 4481 §3). from is its basic element, or negative.
func (b *builder) promote(from int) {
	if from < 0 {
		return
	}
	d := b.d
	value := trimmed(d, from)
	b.promoted = `<basic xmlns="` + Namespace + `">` + value + `</basic>`
	status := child(d, b.Elem, Namespace, "status")
	if status < 0 {
		return
	}
	s := &d.Elements[status]
	if basic := child(d, status, Namespace, "basic"); basic >= 0 {
		e := &d.Elements[basic]
		b.src.edits = append(b.src.edits, edit{from: e.StartEnd, to: e.EndStart, text: []byte(value)})
	} else if s.SelfClosing {
		text := append([]byte{'>'}, b.promoted...)
		b.src.edits = append(b.src.edits, edit{from: s.StartEnd - 2, to: s.End, text: endTag(text, s)})
	} else {
		b.src.edits = append(b.src.edits, edit{from: s.StartEnd, to: s.StartEnd, text: []byte(b.promoted)})
	}
}
