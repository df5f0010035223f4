package sip

import (
	"context"
	"errors"
	"log/slog"

	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// GRUUs knows the addresses of single devices.
type GRUUs interface {
	// GRUU says where a URI with the parameter gr leads; ok=false: nowhere.
	GRUU(uri sipuri.URI) (aor, instance string, temporary, ok bool)
	// Reachable reports whether an instance of a user has a contact.
	Reachable(aor, instance string) bool
}

// gruu makes a target of a Request-URI with the parameter gr. What is wrong with
// it is said only to who may ask: t.refuse waits for that.
func (s *Server) gruu(req *wire.Request) (target, *wire.Response) {
	domain := s.ownDomain(req.URI)
	if domain == "" {
		return target{}, &relayingDenied
	}
	uri := req.URI
	uri.Host, uri.Port = domain, 0
	t := target{realm: domain}
	aor, instance, temporary, ok := s.cfg.GRUUs.GRUU(uri)
	switch {
	case !ok:
		t.refuse = &wire.Response{Status: 404}
	case temporary && req.Method == "SUBSCRIBE":
		// The state of a user names the user, whom a temporary GRUU hides.
		t.refuse = &wire.Response{Status: 403, Reason: "Temporary GRUU"}
	default:
		t.aor, t.instance = aor, instance
	}
	t.shard = shard.Index(t.aor)
	return t, nil
}

// unreachable refuses requests to an instance without a contact (RFC 5627 §6.1);
// nil: go on. For MESSAGE that is left to IM: it knows whom the user has blocked,
// and they are not to learn this.
func (s *Server) unreachable(ctx context.Context, method string, t target) *wire.Response {
	if t.instance == "" || method == "MESSAGE" || s.cfg.GRUUs.Reachable(t.aor, t.instance) {
		return nil
	}
	switch _, err := s.cfg.Users.Get(ctx, t.aor); {
	case errors.Is(err, store.ErrNotFound):
		return &wire.Response{Status: 404}
	case err != nil:
		slog.Error("user not read", "aor", t.aor, "error", err)
		no := wire.Overloaded()
		return &no
	}
	return &wire.Response{Status: 480}
}
