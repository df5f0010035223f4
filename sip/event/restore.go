package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unique"

	"rollcall/internal/shard"
	"rollcall/internal/store"
)

// The subscriptions of a shard are evaluated one by one after a start, so that a
// restart is no storm, and all of them soon.
const (
	restoreSpread = 10 * time.Millisecond
	restoreWithin = 8 * time.Second
)

// restoreChunk is how many rows a shard is given at a time, while others are read.
const restoreChunk = 64

// Restore takes over the subscriptions of an earlier run, before traffic begins.
// Each is evaluated once soon after; watchers that have seen the view as it is
// now hear nothing.
func (n *Notifier) Restore(ctx context.Context) error {
	var read [shard.Count][]store.Subscription
	var turns [shard.Count]int
	total := 0
	hand := func(i int) {
		rows, turn := read[i], turns[i]
		read[i], turns[i] = nil, turn+len(rows)
		n.cfg.Pool.Post(i, func() {
			for k, row := range rows {
				n.resume(ctx, i, restoreSpread*time.Duration(turn+k+1)%restoreWithin, row)
			}
		})
	}
	err := n.cfg.Store.LoadSubscriptions(ctx, time.Now(), func(row store.Subscription) error {
		total++
		i := shard.Index(row.Resource)
		if read[i] = append(read[i], row); len(read[i]) == restoreChunk {
			hand(i)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading subscriptions: %w", err)
	}
	done := make(chan struct{}, shard.Count)
	for i := range read {
		hand(i)
		n.cfg.Pool.Post(i, func() { done <- struct{}{} })
	}
	for range read {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("restoring subscriptions: %w", ctx.Err())
		}
	}
	if total > 0 {
		slog.Info("subscriptions restored", "count", total)
	}
	return nil
}

// resume brings one subscription back to life, to be evaluated after wait.
func (n *Notifier) resume(ctx context.Context, shardIndex int, wait time.Duration, row store.Subscription) {
	e := n.entries[row.Event]
	if i, ok := TagShard(row.ID); !ok || i != shardIndex || e == nil {
		slog.Warn("stored subscription cannot be resumed", "id", row.ID, "event", row.Event, "resource", row.Resource)
		n.cfg.Store.Defer(store.Batch{DropSubscriptions: []string{row.ID}})
		return
	}
	s := n.fromRow(row, e, shardIndex)
	n.quota.take(s.Watcher, true)
	source, err := e.pkg.Open(ctx, s)
	if err != nil {
		s.source = nothing{}
	} else {
		s.source = source
	}
	n.rooms[shardIndex].link(s)
	n.cfg.Metrics.Subscriptions.WithLabelValues(s.Event, s.Kind).Inc()
	s.sending.open = true
	if err != nil {
		slog.Info("subscription not resumed", "id", s.ID, "resource", s.Resource, "watcher", s.Watcher, "error", err)
		n.end(s, final{reason: lostReason(err)})
		return
	}
	s.sending.news, s.sending.full = true, true
	due := time.Now().Add(wait)
	s.sending.retry = due.UnixNano()
	n.arm(s, due)
}

// fromRow rebuilds a subscription from its durable form. A connection it came
// over is gone: it waits for a refresh then.
func (n *Notifier) fromRow(row store.Subscription, e *entry, shardIndex int) *Subscription {
	s := &Subscription{
		ID: row.ID, Event: e.event, EventID: row.EventID,
		Resource: row.Resource,
		Watcher:  row.Watcher, DisplayName: row.DisplayName, Kind: "plain",
		Accept: splitList(row.Accept, e.terms.ContentTypes), Supported: splitList(row.Supported, e.options),
		ContentType: row.ContentType, Body: row.Body,
		Created: row.Created, Expires: row.Expires, Restored: true, Shard: shardIndex,
		n: n, entry: e,
		sent: unique.Make(row.Sent).Value(), lease: resumed(row.CSeqLease, row.VersionLease),
	}
	if row.State == Active.String() {
		s.state = Active
	}
	s.sending.stored = s.sent != ""
	s.Flow = n.flowAgain(row.Flow, row.Watcher)
	if s.device = uint64(row.Device); row.Device == 0 {
		s.device = fnv1a(row.RemoteTarget)
	}
	text, deflate := strings.CutSuffix(row.Rates, acceptsDeflate)
	text, s.Simple = strings.CutSuffix(text, isSimple)
	if s.Deflate = deflate; text != "" {
		s.setSpecial(e.wishesOf(parseParams(text), time.Until(row.Expires), ""))
	}
	s.dialog.routes = row.RouteSet
	s.dialog.setHead(row.ID, s.Event, s.EventID, row.LocalURI, row.RemoteURI, row.RemoteTag, row.CallID)
	s.dialog.target = row.RemoteTarget
	s.dialog.contact = unique.Make(row.Contact)
	s.dialog.remoteCSeq, s.dialog.firstCSeq = row.RemoteCSeq, row.RemoteCSeq
	s.out = n.outbound(s)
	return s
}

// lostReason tells a watcher why a restart ended its subscription.
func lostReason(err error) string {
	refusal, ok := errors.AsType[*Refusal](err)
	switch {
	case ok && refusal.Status == 404:
		return "noresource"
	case ok && (refusal.Status == 403 || refusal.Status == 603):
		return "rejected"
	}
	return "deactivated"
}

// nothing is the source of a subscription that its package did not take back.
type nothing struct{}

func (nothing) View(bool) (View, bool)     { return View{}, false }
func (nothing) Refreshed() error           { return nil }
func (nothing) Ended(string, *store.Batch) {}
