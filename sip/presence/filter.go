package presence

import (
	"errors"

	"rollcall/internal/eventfilter"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// ReadFilters returns the event filters in force with the newest SUBSCRIBE (RFC
// 4660 §5.2): those that it brought on top of those before. The body that stays with
// the subscription becomes that of all of them. Errors are final responses.
func ReadFilters(sub *event.Subscription, before *eventfilter.Set) (*eventfilter.Set, error) {
	if len(sub.Body) == 0 {
		return nil, nil
	}
	if sub.ContentType != eventfilter.ContentType {
		// RFC 3261 §8.2.3
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: eventfilter.ContentType}}}
	}
	update, err := eventfilter.Parse(sub.Body, Event, sub.Resource)
	if err != nil {
		return nil, badFilter(sub.Resource, err)
	}
	if !sub.BodyNew {
		before = nil // it has been stored with all of them
	}
	set, err := before.Merge(update)
	if err != nil {
		return nil, badFilter(sub.Resource, err)
	}
	if sub.BodyNew {
		sub.Body = nil
		if set != nil {
			sub.Body = set.Append(nil)
		}
	}
	return set, nil
}

// badFilter is the answer to filters that are not accepted, with the reason (RFC
// 4660 §5.4).
func badFilter(resource string, err error) error {
	var e *eventfilter.Error
	if !errors.As(err, &e) {
		return err
	}
	_, host := sipuri.Split(resource)
	return &event.Refusal{Status: 488, Headers: []wire.Header{wire.Warning(host, e.Text)}}
}

// Received is the view that another server gave of one of its presentities.
func Received(v event.View) View {
	r := View{State: v.State, Reason: v.Reason, Body: v.Body, Tag: v.Tag}
	if len(v.Body) > 0 {
		r.forms = &forms{body: v.Body}
	}
	return r
}

// Through returns what a filter leaves of v; nil leaves everything. ok is false
// when the change from what was shown before is not to be told; full asks for v
// whatever the change is. What a watcher may not see has been taken out before, and
// is as if it had never been there (RFC 4660 §5.3).
func (v View) Through(f *eventfilter.Filter, shown *View, full bool) (out View, ok bool) {
	if f == nil || v.forms == nil {
		return v, true
	}
	if f.HasTriggers() && !full && !v.news(f, shown) {
		return View{}, false
	}
	out = v
	if f.Key() != "" {
		out = v.forms.filter(f)
	}
	if f.HasTriggers() {
		out.Tag += "." + v.Tag // a trigger is news, whatever is delivered
	}
	return out, true
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
