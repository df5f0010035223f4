package rls

import (
	"context"

	"rollcall/internal/eventfilter"
	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
	"rollcall/sip/presence"
)

// narrowed is what is remembered of a member whose documents go through a filter
// with triggers.
type narrowed struct {
	shown presence.View // what the watcher was told of last, before it was filtered
	next  presence.View // what it may be told of now
}

// filterable reports whether a SUBSCRIBE to the list may bring event filters.
func (l *list) filterable() bool { return l.pkg.Event() == presence.Event && !l.at.recipients }

// readFilters takes over the filters of the newest SUBSCRIBE (RFC 4660 §4.1).
func (l *list) readFilters() error {
	if !l.filterable() {
		return nil
	}
	filters, err := presence.ReadFilters(l.sub, l.filters)
	if err == nil {
		l.filters = filters
	}
	return err
}

// filter is the one that documents of m go through, nil when there is none. One
// for a domain is for the server of that domain, which we may be.
func (m *member) filter() *eventfilter.Filter {
	set := m.list.root().filters
	if set == nil {
		return nil
	}
	domain := ""
	if m.kind == local {
		_, domain = sipuri.Split(m.uri)
	}
	var lists []string
	for l := m.list; l.in != nil; l = l.in.list {
		lists = append(lists, l.in.uri)
	}
	return set.For(m.uri, domain, lists...)
}

// view is what the watcher is to be told of m now; ok is false when that is not
// worth telling. With news it is told because of something else as well.
func (m *member) view(version uint32, news bool) (v event.View, ok bool) {
	ctx, watcher := context.Background(), m.list.sub.Watcher
	f := m.filter()
	if f == nil {
		m.narrowed = nil
		return m.members().View(ctx, m.uri, watcher, version), true
	}
	var raw presence.View
	if p, ours := m.members().(presentities); ours {
		raw = p.Presence.View(ctx, m.uri, watcher)
	} else {
		raw = presence.Received(m.members().View(ctx, m.uri, watcher, version))
	}
	if !f.HasTriggers() {
		m.narrowed = nil
	} else if m.narrowed == nil {
		m.narrowed = new(narrowed)
	}
	var shown presence.View
	if m.narrowed != nil {
		shown, m.narrowed.next = m.narrowed.shown, raw
	}
	// RFC 4660 §5.3.1: the first one goes by no trigger.
	first := news || !m.told.instance || m.told.state != event.Active
	out, ok := raw.Through(f, &shown, first)
	return event.View{State: out.State, Reason: out.Reason, ContentType: pidf.ContentType, Body: out.Body, Tag: out.Tag}, ok
}
