package reg

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// source is one subscription to registrations.
type source struct {
	s        *event.Subscription
	contacts func(aor string) []Contact
	begun    bool      // a document was made
	had      bool      // one of them named a contact
	told     []Contact // what the subscriber knows, by ID
}

// The events of a contact, RFC 3680 §5.1.
const (
	registered   = "registered"
	refreshed    = "refreshed"
	shortened    = "shortened"
	expired      = "expired"
	deactivated  = "deactivated"
	unregistered = "unregistered"
)

// View implements event.Source.
func (r *source) View(full bool) (event.View, bool) {
	now := time.Now()
	current := slices.Clone(r.contacts(r.s.Resource))
	slices.SortFunc(current, byID)
	full = full || !r.begun
	doc := &document{now: now}
	for i := range current {
		c := &current[i]
		old, known := r.lookup(c.ID)
		if what := eventOf(c); full || !known || differs(&old, c) {
			doc.contact(c, "active", what)
		}
	}
	for i := range r.told {
		old := &r.told[i]
		if _, there := slices.BinarySearchFunc(current, *old, byID); !there {
			doc.contact(old, "terminated", endOf(old, now))
		}
	}
	if doc.contacts == nil && !full {
		// Only lifetimes moved. Remember them: they tell what an end is.
		r.told = current
		return event.View{}, false
	}
	r.begun, r.told = true, current
	r.had = r.had || len(current) > 0
	return event.View{
		State: event.Active, ContentType: contentType,
		Body: doc.finish(r.s.NextVersion(), full, r.s.Resource, r.state(current)),
		Tag:  tagOf(current),
	}, true
}

// state is that of the registration, RFC 3680 §3.2.
func (r *source) state(current []Contact) string {
	switch {
	case len(current) > 0:
		return "active"
	case r.had:
		return "terminated"
	}
	return "init"
}

// Refreshed implements event.Source.
func (r *source) Refreshed() error { return r.s.RefuseBody() }

// Ended implements event.Source.
func (r *source) Ended(string, *store.Batch) {}

func (r *source) lookup(id string) (Contact, bool) {
	i, found := slices.BinarySearchFunc(r.told, Contact{Binding: store.Binding{ID: id}}, byID)
	if !found {
		return Contact{}, false
	}
	return r.told[i], true
}

func byID(a, b Contact) int { return strings.Compare(a.ID, b.ID) }

func lost(c *Contact) bool { return c.Ends.Before(c.Expires) }

// eventOf is the last thing that happened to a contact.
func eventOf(c *Contact) string {
	switch {
	case lost(c):
		return shortened // RFC 3680 §3.2: so that the client registers anew
	case c.Updated.After(c.Registered):
		return refreshed
	}
	return registered
}

// endOf tells why a contact is gone.
func endOf(c *Contact, now time.Time) string {
	switch {
	case lost(c):
		return deactivated
	case !c.Expires.After(now):
		return expired
	}
	return unregistered
}

// differs reports whether a change is worth a notification. A refresh is not:
// its sender knows of it.
func differs(a, b *Contact) bool {
	return a.Contact != b.Contact || a.Params != b.Params || a.CallID != b.CallID || a.Q != b.Q || lost(a) != lost(b)
}

// tagOf identifies what a subscriber knows, restarts included.
func tagOf(list []Contact) string {
	h := fnv.New128a()
	for i := range list {
		c := &list[i]
		for _, part := range [...]string{c.ID, c.Contact, c.Params, c.CallID, strconv.Itoa(c.Q), strconv.FormatBool(lost(c))} {
			h.Write([]byte(part))
			h.Write([]byte{0})
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
