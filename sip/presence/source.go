package presence

import (
	"rollcall/internal/eventfilter"
	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/sip/event"
	"rollcall/sip/winfo"
)

// source is one subscription to presence.
type source struct {
	s      *Service
	sub    *event.Subscription
	state  event.State // last decided
	wanted *selected   // nil, as nearly always: whole documents as they are
}

// selected is what a watcher has to do with that does not take whole documents as
// they are.
type selected struct {
	chain   chain // of partial notifications
	filters *eventfilter.Set
	shown   View // last, before it was filtered, if there are triggers
}

// View implements event.Source.
func (src *source) View(full bool) (event.View, bool) {
	v := src.s.View(src.s.ctx, src.sub.Resource, src.sub.Watcher)
	if src.sub.Simple {
		v = v.simple(src.sub.Resource)
	}
	src.state = v.State
	if v.State != event.Terminated {
		src.list(v.State)
	}
	ev, ok := src.notification(v, full)
	return src.spelled(ev), ok
}

// State implements event.Stated.
func (src *source) State() event.State {
	return src.s.View(src.s.ctx, src.sub.Resource, src.sub.Watcher).State
}

// Refreshed implements event.Source: what the newest SUBSCRIBE asks for must be
// there to be given (RFC 6665 §4.1.2.1, RFC 3261 §8.2.3).
func (src *source) Refreshed() error {
	if !src.sub.Accepts(pidf.ContentType) && !src.sub.Accepts(partialType) && !src.sub.Accepts(pidf.AliasType) {
		return &event.Refusal{Status: 406}
	}
	var before *eventfilter.Set
	if src.wanted != nil {
		before = src.wanted.filters
	}
	filters, err := ReadFilters(src.sub, before)
	if err != nil {
		return err
	}
	if filters != nil || src.wanted != nil {
		src.selection().filters = filters
	}
	return nil
}

// selection returns what there is of wanted.
func (src *source) selection() *selected {
	if src.wanted == nil {
		src.wanted = &selected{}
	}
	return src.wanted
}

// Record implements event.Recorder: that somebody asks to be let in must last. From
// here on the subscription counts, before an older one of the same watcher may end.
func (src *source) Record(b *store.Batch) {
	if p := src.s.find(src.sub.Resource); p != nil && src.state != event.Terminated {
		p.record(src.watcher(), src.state, b)
	}
}

// Ended implements event.Source.
func (src *source) Ended(reason string, b *store.Batch) {
	if p := src.s.find(src.sub.Resource); p != nil {
		p.depart(winfo.ID(src.sub.ID), reason, b)
	}
}

// forget ends what is left of a subscription that a restart finds blocked.
func (src *source) forget() {
	if p := src.s.find(src.sub.Resource); p != nil && src.sub.Restored {
		p.admit(src.watcher(), event.Terminated)
	}
}

// list puts the watcher on the list, or moves it on. A poll by one who is let in
// is not worth telling (RFC 3857 §4.7.2).
func (src *source) list(shown event.State) {
	if src.sub.Fetch && shown == event.Active {
		return
	}
	p := src.s.find(src.sub.Resource)
	if p == nil {
		return
	}
	p.admit(src.watcher(), shown)
}

// watcher is this subscription as its watcher's entry has it.
func (src *source) watcher() winfo.Member {
	sub := src.sub
	return winfo.Member{Watcher: store.Watcher{
		Presentity: sub.Resource, Event: Event, ID: winfo.ID(sub.ID), Watcher: sub.Watcher,
		DisplayName: sub.DisplayName, Status: winfo.Pending, Cause: "subscribe",
		Since: sub.Created, Expires: sub.Expires,
	}}
}
