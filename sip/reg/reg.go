package reg

import (
	"context"
	"slices"
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

// Registrations is what there is to tell, and to whom. Whoever changes what
// Contacts returns tells the notifier of it.
type Registrations struct {
	// Contacts returns the contacts of an address-of-record as they are now.
	Contacts func(aor string) []Contact
	// Observers may see the registrations of all users, besides their own.
	Observers []string
}

// shown reports whether a watcher may see the registrations of a user. Contacts
// are addresses of devices: nobody but the owner and those that the operator
// names needs them (RFC 3680 §4.6 and §6).
func (r Registrations) shown(aor, watcher string) bool {
	return watcher != "" && (watcher == aor || slices.Contains(r.Observers, watcher))
}

// New returns the package reg.
func New(r Registrations) event.Package { return reg{r} }

type reg struct{ Registrations }

func (reg) Event() string { return Event }

// Terms implements event.Package with the values of RFC 3680 §4.3 to §4.10.
func (reg) Terms() event.Terms {
	return event.Terms{
		DefaultExpires: 3761 * time.Second,
		ContentTypes:   []string{contentType},
		Pace:           5 * time.Second,
	}
}

// Open implements event.Package.
func (r reg) Open(_ context.Context, s *event.Subscription) (event.Source, error) {
	if !r.shown(s.Resource, s.Watcher) {
		return nil, &event.Refusal{Status: 403, Reason: "Not Your Registrations"}
	}
	if err := s.RefuseBody(); err != nil {
		return nil, err
	}
	return &source{s: s, contacts: r.Contacts}, nil
}
