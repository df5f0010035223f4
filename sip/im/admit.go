package im

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"rollcall/policy"
	"rollcall/sip/wire"
)

// admit asks the recipient's presence rules about the sender: who is blocked
// there is blocked here, too. A sender that no rule speaks of is not blocked,
// although it would not be shown any presence.
func (r *Relay) admit(ctx context.Context, recipient, sender string) (resp wire.Response, ok bool) {
	if r.cfg.Policy == nil {
		return wire.Response{}, true
	}
	d, err := r.cfg.Policy.Explain(ctx, policy.Request{Presentity: recipient, Watcher: sender, Now: time.Now()})
	if err != nil {
		slog.Error("rules not read", "aor", recipient, "error", err)
		return wire.Overloaded(), false
	}
	switch {
	case d.Handling == policy.PoliteBlock:
		return wire.Response{Status: 200}, false // nothing tells it from delivery
	case d.Handling == policy.Block && slices.ContainsFunc(d.Reasons, blocks):
		return wire.Response{Status: 403}, false
	}
	return wire.Response{}, true
}

func blocks(why policy.Reason) bool { return why.Counted && why.Handling == policy.Block }
