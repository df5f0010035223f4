package eventstate

import (
	"context"
	"errors"
	"strings"

	"rollcall/internal/auth"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// Admission says who may publish what.
type Admission struct {
	// Publishers are addresses-of-record that may publish for every user, such as
	// that of a PBX.
	Publishers map[string]bool
	// AllowEvents are the packages to name in a 489.
	AllowEvents []string
}

// Check makes the checks of RFC 3903 §6 up to step 2. event is the package that
// is served; known tells whether the resource has an account, with
// store.ErrNotFound if not. A response that is not nil is owed.
func (a *Admission) Check(req *wire.Request, aor, event string, who auth.Identity, known func() error) *wire.Response {
	if who.AOR != aor && !(who.AOR != "" && a.Publishers[who.AOR]) {
		return &wire.Response{Status: 403}
	}
	if unknown := req.Unsupported(); len(unknown) > 0 {
		return &wire.Response{Status: 420, Headers: header("Unsupported", strings.Join(unknown, ", "))}
	}
	switch err := known(); {
	case errors.Is(err, store.ErrNotFound):
		return &wire.Response{Status: 404}
	case err != nil:
		return Failed(err)
	case req.Event != event || event == "":
		return &wire.Response{Status: 489, Headers: header("Allow-Events", strings.Join(a.AllowEvents, ", "))}
	}
	return nil
}

// Publisher answers the PUBLISH requests of one event package, checks included.
type Publisher interface {
	Publish(ctx context.Context, req *wire.Request, aor string, who auth.Identity)
}

// Users looks up accounts.
type Users interface {
	// Get returns store.ErrNotFound when there is no such user.
	Get(ctx context.Context, aor string) (store.User, error)
}

// Router hands a PUBLISH to the event package it names.
type Router struct {
	Admission Admission
	Users     Users
	Packages  map[string]Publisher
}

// Publish answers a PUBLISH of who for aor. It runs on the shard of aor.
func (r *Router) Publish(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	if p, ok := r.Packages[req.Event]; ok {
		p.Publish(ctx, req, aor, who)
		return
	}
	refused := r.Admission.Check(req, aor, "", who, func() error {
		_, err := r.Users.Get(ctx, aor)
		return err
	})
	Respond(req, aor, *refused)
}
