package reg

import (
	"context"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// Event is the token of the package.
const Event = "reg"

const contentType = "application/reginfo+xml"

// Contact is one contact that is bound to an address-of-record.
type Contact struct {
	store.Binding
	Ends                      time.Time // before Expires when its connection is gone
	PublicGRUU, TemporaryGRUU string    // empty: none
}

// Contacts returns the contacts of an address-of-record as they are now.
type Contacts func(aor string) []Contact

// New returns the package reg. Whoever changes what contacts returns tells the
// notifier of it.
func New(contacts Contacts) event.Package { return reg{contacts} }

type reg struct{ contacts Contacts }

func (reg) Event() string { return Event }

// Terms implements event.Package with the values of RFC 3680 §4.3 to §4.10.
func (reg) Terms() event.Terms {
	return event.Terms{
		DefaultExpires: 3761 * time.Second,
		ContentTypes:   []string{contentType},
		Pace:           5 * time.Second,
	}
}

// Open implements event.Package. Contacts are addresses of devices: nobody but
// the owner needs them (RFC 3680 §4.6 and §6).
func (r reg) Open(_ context.Context, s *event.Subscription) (event.Source, error) {
	if s.Watcher == "" || s.Watcher != s.Resource {
		return nil, &event.Refusal{Status: 403, Reason: "Not Your Registrations"}
	}
	return &source{s: s, contacts: r.contacts}, nil
}
