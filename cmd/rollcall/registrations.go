package main

import (
	"context"

	"rollcall/internal/auth"
	"rollcall/sip/event"
	"rollcall/sip/im"
	"rollcall/sip/registrar"
	"rollcall/sip/wire"
)

// registrations is the registrar with an eye on what waits for a user: messages and
// notifications are sent when it registers.
type registrations struct {
	*registrar.Registrar
	messages *im.Relay
	notifier *event.Notifier
}

// Register implements sip.Registrar. It runs on the shard of aor.
func (r registrations) Register(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	r.Registrar.Register(ctx, req, aor, who)
	if req.Status() == 200 {
		r.messages.Registered(aor)
		r.notifier.Registered(aor)
	}
}

// reach returns the latest open connection that a device of a user has registered
// over by itself.
func (n *node) reach(user string, is func(instance string) bool) *wire.Flow {
	for _, b := range n.registrar.Bindings(user) {
		if !b.Direct || b.Instance == "" || !is(b.Instance) {
			continue
		}
		if f := n.endpoint.Flow(b.Flow); f != nil && f.Alive() {
			return f
		}
	}
	return nil
}
