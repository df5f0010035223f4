package event

import (
	"context"
	"fmt"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// State is the state of a subscription (RFC 6665 §4.1.3). The zero value is the
// one that shows least.
type State uint8

// The states of a subscription.
const (
	Pending State = iota
	Active
	Terminated
)

// String returns the substate-value of Subscription-State.
func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case Terminated:
		return "terminated"
	}
	return "pending"
}

// Package is what an event package supplies (RFC 6665 §5.4).
type Package interface {
	// Event is the package's token, compared byte for byte (RFC 6665 §8.2.1).
	Event() string
	// Terms are asked for once, at Register.
	Terms() Terms
	// Open decides about a new subscription, or one restored at start
	// (s.Restored). A *Refusal as error is the final response. It runs on the
	// shard of the resource.
	Open(ctx context.Context, s *Subscription) (Source, error)
}

// Terms are what a package fixes for all its subscriptions.
type Terms struct {
	// DefaultExpires is taken when the SUBSCRIBE has no Expires; 0 = 3600 s.
	DefaultExpires time.Duration
	// MinExpires overrides the notifier's minimum; 0 = the notifier's.
	MinExpires time.Duration
	// ContentTypes are the media types the package can produce, in lower case.
	// The first is the one a SUBSCRIBE without Accept means.
	ContentTypes []string
	// Pace is the least interval between notifications with pacing RFC; 0 = none.
	// A package that may be quicker than gentle pacing is not paced by it either:
	// lamps have to follow at once.
	Pace time.Duration
	// Options are option-tags, besides eventlist, that may occur in Require.
	Options []string
	// Params are parameters of Event, in lower case, that mean something to the
	// package (Subscription.EventParam).
	Params []string
	// Simple are the beginnings of User-Agent of clients that the package serves
	// with less (Subscription.Simple).
	Simple []string
}

// Source is the package's side of one subscription. It is called on the
// subscription's shard only.
type Source interface {
	// View gives what the watcher is to see now. full asks for complete state:
	// a SUBSCRIBE triggered it, or the watcher may have missed something.
	// Without full, ok=false says that there is nothing to tell.
	View(full bool) (v View, ok bool)
	// Refreshed is called on an in-dialog SUBSCRIBE, with the new expiry, Accept
	// and body set, before View(true); a *Refusal as error refuses it. When the
	// refresh cannot be stored it is called again with the old ones back.
	Refreshed() error
	// Ended says that the subscription is over, and why (a reason of RFC 6665
	// §4.1.3). Rows added to b are written with the removal. It is the last call
	// but for Headers. When a SUBSCRIBE ends the subscription, View(true) comes
	// before it.
	Ended(reason string, b *store.Batch)
}

// Recorder is an optional part of Source: rows that must be durable together
// with a new or refreshed subscription.
type Recorder interface {
	Record(b *store.Batch)
}

// Headed is an optional part of Source: header lines of every 2xx and NOTIFY of
// the subscription, with or without a body, e.g. Require: eventlist (RFC 4662 §4.1).
type Headed interface {
	Headers() []wire.Header
}

// Stated is an optional part of Source: the State that View would give, without
// the rest. With it, a change of State is not held back by pacing.
type Stated interface {
	State() State
}

// Formed is an optional part of Source: in what forms, other than the plain one, the
// watcher gets a View. It is for explanations.
type Formed interface {
	Forms() []string
}

// View is the state of a resource as one watcher is to see it.
type View struct {
	State      State
	Reason     string        // when Terminated; empty = none
	RetryAfter time.Duration // when Terminated; 0 = none

	ContentType string
	Headers     []wire.Header // go with the body, in place of those of Headed
	Body        []byte        // not sent while Pending

	// Tag identifies what the watcher knows after this view. A view with the Tag
	// and State of the one last sent is not sent again; "" = always new.
	Tag string

	etag string // of the whole view when its body has been suppressed
}

// Refusal is a final response other than 2xx, as an error.
type Refusal struct {
	Status  int
	Reason  string // "" = the standard phrase
	Headers []wire.Header
}

func (r *Refusal) Error() string {
	if r.Reason == "" {
		return fmt.Sprintf("refused with %d", r.Status)
	}
	return fmt.Sprintf("refused with %d %s", r.Status, r.Reason)
}
