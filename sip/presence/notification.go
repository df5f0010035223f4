package presence

import (
	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
)

// notification makes of a view what the watcher is sent.
func (src *source) notification(v View, full bool) (event.View, bool) {
	_, domain := sipuri.Split(src.sub.Resource)
	filter := src.filters.For(src.sub.Resource, domain)
	raw := v
	v, ok := raw.Through(filter, &src.shown, full)
	if !ok {
		return event.View{}, false
	}
	if src.shown = (View{}); filter != nil && filter.HasTriggers() {
		src.shown = raw
	}
	ev := event.View{State: v.State, Reason: v.Reason, ContentType: pidf.ContentType, Body: v.Body, Tag: v.Tag}
	switch {
	case len(v.Body) == 0 || !src.sub.Prefers(partialType, pidf.ContentType): // RFC 5263 §4.3
		src.chain = chain{}
		return ev, true
	case !full && src.chain.view.Tag == v.Tag:
		return event.View{}, false
	}
	// RFC 5263 §4.4: the first version is 1.
	if body := src.chain.next(&v, src.sub.NextVersion()+1, full); body != nil {
		ev.ContentType, ev.Body = partialType, body
	}
	return ev, true
}

// chain is what a watcher with partial notifications has: the document that later
// ones are told against (RFC 5263 §4.4).
type chain struct {
	view View
	// It was sent with one of these versions. A version that is handed out again
	// was not sent, and neither was what had it.
	from, to uint32
}

// next returns the body of the next notification about v, and keeps v.
func (c *chain) next(v *View, version uint32, full bool) []byte {
	known := len(c.view.Body) > 0 && c.from < version && version <= c.to+1
	var doc *versioned
	if known && !full {
		doc = v.forms.pidfDiff(&c.view)
	}
	if doc == nil {
		if doc = v.forms.pidfFull(); doc == nil {
			return nil
		}
	}
	if known && c.view.Tag == v.Tag {
		c.to = version
	} else {
		*c = chain{view: *v, from: version, to: version}
	}
	return doc.at(version)
}
