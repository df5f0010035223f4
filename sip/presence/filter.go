package presence

import (
	"errors"
	"strings"

	"rollcall/internal/eventfilter"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// readFilters takes over the event filters that the newest SUBSCRIBE brought, if
// any (RFC 4660 §5.2). The body that stays with the subscription is that of all
// filters in force.
func (src *source) readFilters() error {
	sub := src.sub
	if len(sub.Body) == 0 {
		src.filters = nil
		return nil
	}
	if sub.ContentType != eventfilter.ContentType {
		// RFC 3261 §8.2.3
		return &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: eventfilter.ContentType}}}
	}
	update, err := eventfilter.Parse(sub.Body, Event, sub.Resource)
	if err != nil {
		return badFilter(sub.Resource, err)
	}
	inForce := src.filters
	if !sub.BodyNew {
		inForce = nil // it has been stored with all of them
	}
	set, err := inForce.Merge(update)
	if err != nil {
		return badFilter(sub.Resource, err)
	}
	if src.filters = set; sub.BodyNew {
		sub.Body = nil
		if set != nil {
			sub.Body = set.Append(nil)
		}
	}
	return nil
}

// badFilter is the answer to filters that are not accepted, with the reason (RFC
// 4660 §5.4).
func badFilter(resource string, err error) error {
	var e *eventfilter.Error
	if !errors.As(err, &e) {
		return err
	}
	_, host := sipuri.Split(resource)
	text := strings.Map(func(c rune) rune {
		switch {
		case c == '"' || c == '\\':
			return '\''
		case c < ' ' || c > '~':
			return ' '
		}
		return c
	}, e.Text)
	return &event.Refusal{Status: 488, Headers: []wire.Header{{Name: "Warning", Value: "399 " + host + ` "` + text + `"`}}}
}

// Filter returns what a filter leaves of v; nil leaves everything. What a watcher
// may not see has been taken out before, and is as if it had never been there (RFC
// 4660 §5.3.1).
func (v View) Filter(f *eventfilter.Filter) View {
	if f == nil || f.Key() == "" || v.forms == nil {
		return v
	}
	return v.forms.filter(f)
}

// news reports whether the change from an older view to v is one that the watcher
// wants to hear of (RFC 4660 §5.3.2).
func (v *View) news(f *eventfilter.Filter, old *View) bool {
	if old.forms == nil || v.forms == nil {
		return true
	}
	if old.Tag == v.Tag {
		return false
	}
	before, now := old.forms.document(), v.forms.document()
	return before == nil || now == nil || f.Triggered(before, now)
}
