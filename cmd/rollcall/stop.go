package main

import (
	"context"
	"log/slog"
)

// stop ends a node, whatever of it has been started: no new requests, work in
// progress to its end, then sockets, then the database. What takes longer than
// the configured time is cut off; nothing that was answered is lost by that.
func (n *node) stop() {
	n.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.ShutdownTimeout)
	defer cancel()
	step := func(what string, err error) {
		if err != nil {
			slog.Warn("stopping", "part", what, "error", err)
		}
	}
	n.gate.lift()   // readers may wait there
	n.events.Stop() // or XCAP would wait for the streams
	step("XCAP", n.stopXCAP(ctx))
	if n.remoteLists != nil {
		n.remoteLists.Close()
	}
	n.stopNotifier(ctx)
	step("shards", n.pool.Stop(ctx))
	step("SIP", n.endpoint.Close(ctx))
	n.presence.Stop()
	for _, p := range n.published {
		p.Stop()
	}
	n.wheel.Stop()
	if n.cancel != nil {
		n.cancel()
	}
	step("admin", n.admin.Shutdown(ctx))
	n.closeSockets()
	n.wg.Wait()
	step("database", n.store.Close())
}

// stopXCAP cuts off clients that are too slow while there is time for the others.
func (n *node) stopXCAP(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.ShutdownTimeout/2)
	defer cancel()
	return n.xcap.Shutdown(ctx)
}

// stopNotifier leaves most of the time to the others: one watcher that does not
// answer would take all of it, and its NOTIFY is sent again after a restart.
func (n *node) stopNotifier(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.ShutdownTimeout/5)
	defer cancel()
	n.notifier.Stop(ctx)
}
