package presence

import (
	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
)

// notification makes of a view what the watcher is sent.
func (src *source) notification(v View, full bool) (event.View, bool) {
	partial := src.sub.Prefers(partialType, pidf.ContentType) // RFC 5263 §4.3
	if src.wanted == nil && !partial {
		return v.whole(), true
	}
	want := src.selection()
	_, domain := sipuri.Split(src.sub.Resource)
	filter := want.filters.For(src.sub.Resource, domain)
	raw := v
	v, ok := raw.Through(filter, &want.shown, full)
	if !ok {
		return event.View{}, false
	}
	if want.shown = (View{}); filter != nil && filter.HasTriggers() {
		want.shown = raw
	}
	switch {
	case len(v.Body) == 0 || !partial:
		want.chain = chain{}
		return v.whole(), true
	case !full && want.chain.view.Tag == v.Tag:
		return event.View{}, false
	}
	ev := v.whole()
	// RFC 5263 §4.4: the first version is 1.
	if body := want.chain.next(&v, src.sub.NextVersion()+1, full); body != nil {
		ev.ContentType, ev.Body = partialType, body
	}
	return ev, true
}

// whole is v as a document of RFC 3863.
func (v View) whole() event.View {
	return event.View{State: v.State, Reason: v.Reason, ContentType: pidf.ContentType, Body: v.Body, Tag: v.Tag}
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
