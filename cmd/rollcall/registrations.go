package main

import (
	"context"

	"rollcall/internal/auth"
	"rollcall/sip/im"
	"rollcall/sip/registrar"
	"rollcall/sip/wire"
)

// registrations is the registrar with an eye on the mailbox: what waits for a
// user is sent when it registers.
type registrations struct {
	*registrar.Registrar
	messages *im.Relay
}

// Register implements sip.Registrar. It runs on the shard of aor.
func (r registrations) Register(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	r.Registrar.Register(ctx, req, aor, who)
	r.messages.Registered(aor)
}
