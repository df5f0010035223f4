package main

import (
	"context"

	"rollcall/policy"
	"rollcall/sip/presence"
)

// relayPolicy is what MESSAGE goes by: the rules for presence, with what presence
// knows of the recipient.
type relayPolicy struct {
	engine   *policy.Engine
	presence *presence.Service
}

// Explain implements im.Policy.
func (p relayPolicy) Explain(ctx context.Context, req policy.Request) (policy.Decision, error) {
	req.Sphere = p.presence.Sphere(ctx, req.Presentity)
	return p.engine.Explain(ctx, req)
}
