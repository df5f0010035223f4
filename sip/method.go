package sip

import (
	"context"
	"strings"

	"rollcall/internal/auth"
	"rollcall/sip/wire"
)

// method is one row of the method table.
type method struct {
	// target finds what a request is about; nil serve: none is looked for.
	target func(*Server, *wire.Request) (target, *wire.Response)
	// authorize decides whether who may do this to the target.
	authorize func(*Server, *wire.Request, target, auth.Identity) *wire.Response
	serve     func(*Server, context.Context, *wire.Request, target, auth.Identity)
	// refuse answers a method that is known and not served.
	refuse func(*Server, *wire.Request)
}

// allow lists the methods that are served, for 405, 501 and OPTIONS.
var allow = wire.Header{Name: "Allow", Value: "REGISTER, PUBLISH, SUBSCRIBE, NOTIFY, MESSAGE, OPTIONS"}

// methods are all methods there are a rule for; others get 501.
var methods = map[string]method{
	"REGISTER":  {target: (*Server).registration, authorize: ownAddress, serve: (*Server).register},
	"PUBLISH":   {target: (*Server).resource, authorize: mayPublish, serve: (*Server).publish},
	"SUBSCRIBE": {target: (*Server).subscription, authorize: ownFrom, serve: (*Server).subscribe},
	"MESSAGE":   {target: (*Server).resource, authorize: ownFrom, serve: (*Server).message},
	"OPTIONS":   {refuse: (*Server).answerOptions},
	"NOTIFY":    {refuse: (*Server).notify},
	"INVITE":    {refuse: notAllowed}, "BYE": {refuse: notAllowed}, "INFO": {refuse: notAllowed},
	"PRACK": {refuse: notAllowed}, "UPDATE": {refuse: notAllowed}, "REFER": {refuse: notAllowed},
}

func notAllowed(s *Server, req *wire.Request) {
	s.respond(req, wire.Response{Status: 405, Headers: []wire.Header{allow}})
}

func (s *Server) register(ctx context.Context, req *wire.Request, t target, who auth.Identity) {
	s.cfg.Registrar.Register(ctx, req, t.aor, who)
}

func (s *Server) publish(ctx context.Context, req *wire.Request, t target, who auth.Identity) {
	s.cfg.Presence.Publish(ctx, req, t.aor, who)
}

func (s *Server) subscribe(ctx context.Context, req *wire.Request, t target, who auth.Identity) {
	s.cfg.Notifier.Subscribe(ctx, req, t.aor, who)
}

func (s *Server) message(ctx context.Context, req *wire.Request, t target, who auth.Identity) {
	if t.instance != "" {
		s.cfg.IM.MessageInstance(ctx, req, t.aor, t.instance, who)
		return
	}
	s.cfg.IM.Message(ctx, req, t.aor, who)
}

// answerOptions tells what we can do (RFC 3261 §11.2), for any address of ours,
// known or not: so nobody learns who has an account.
func (s *Server) answerOptions(req *wire.Request) {
	// RFC 4475 §3.3.5
	if unknown := req.Unsupported(extensions...); len(unknown) > 0 {
		s.respond(req, wire.Response{Status: 420, Headers: []wire.Header{{Name: "Unsupported", Value: strings.Join(unknown, ", ")}}})
		return
	}
	s.respond(req, wire.Response{Status: 200, Headers: s.options})
}

// extensions are the option-tags that mean something to one method or another.
var extensions = []string{"eventlist", "recipient-list-subscribe", "path", "outbound", "gruu"}

// capabilities are the headers of a 200 to OPTIONS.
func capabilities(events []string) []wire.Header {
	return []wire.Header{
		allow,
		{Name: "Accept", Value: "application/pidf+xml, application/pidf-diff+xml, application/simple-filter+xml, application/resource-lists+xml, text/plain, message/cpim"},
		{Name: "Accept-Encoding", Value: "identity"},
		{Name: "Accept-Language", Value: "en"},
		{Name: "Supported", Value: strings.Join(extensions, ", ")},
		{Name: "Allow-Events", Value: strings.Join(events, ", ")},
	}
}
