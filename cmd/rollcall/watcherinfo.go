package main

import (
	"context"
	"time"

	"rollcall/internal/bus"
	"rollcall/rls"
	dialoginfo "rollcall/sip/dialog"
	"rollcall/sip/event"
	"rollcall/sip/presence"
	"rollcall/sip/winfo"
)

const (
	maxWaiting = 100            // watchers of one resource without a decision
	giveUp     = 72 * time.Hour // how long they wait for one

	auidWatchers = "org.openxcap.watchers" // lists them over XCAP
)

// watcherInfo is the watcher information of all packages: of presence, which keeps
// its watchers itself, of dialog, and of these two again (RFC 3857 §4.6).
type watcherInfo struct {
	dialogs *winfo.Records // watchers of dialogs
	all     []*winfo.Records
	names   []string // of the packages
}

// wireWatcherInfo makes the records of watchers and registers the packages that
// tell of them. What is not recorded has no watcher information: 489.
func (n *node) wireWatcherInfo() {
	// Who may read the list of watchers over XCAP may know of all of them here, too.
	delegate := mayRead(n.cfg, auidWatchers)
	// Who is let in is told of its own subscriptions only.
	seen := func(ctx context.Context, resource, watcher string) (event.State, time.Time) {
		return n.presence.View(ctx, resource, watcher).State, time.Time{} // presence tells of changes by time
	}
	w := &n.watchers
	w.dialogs = n.records(dialoginfo.Event, n.dialogs.Shown, maxWaiting)
	for _, cfg := range []winfo.Config{
		{Watched: presence.Event, Watchers: n.presence.Watchers, Shown: seen, Delegate: delegate},
		{Watched: dialoginfo.Event, Watchers: w.dialogs.Watchers, Shown: n.dialogs.Shown, Delegate: delegate},
	} {
		pkg := winfo.New(cfg)
		// Nobody waits to watch watchers: the owner does not decide about that.
		records := n.records(pkg.Event(), pkg.Shown, 0)
		again := winfo.New(winfo.Config{Watched: pkg.Event(), Watchers: records.Watchers})
		n.notifier.Register(records.Wrap(pkg))
		n.notifier.Register(again)
		w.names = append(w.names, pkg.Event(), again.Event())
		w.all = append(w.all, records)
	}
	w.all = append(w.all, w.dialogs)
}

func (n *node) records(event string, shown winfo.Shown, waiting int) *winfo.Records {
	return winfo.NewRecords(event, winfo.RecordsConfig{
		Store: n.store, Pool: n.pool, Wheel: n.wheel, Shown: shown, Changed: n.notifier.Changed,
		Limits: winfo.Limits{Live: n.cfg.MaxWatchers, Waiting: waiting, GiveUp: giveUp},
	})
}

// record has the subscriptions of a package recorded that has watcher information.
func (w *watcherInfo) record(pkg event.Package) event.Package {
	if pkg.Event() == dialoginfo.Event {
		return w.dialogs.Wrap(pkg)
	}
	return pkg
}

// members has those recorded, too, who watch resources of a package through lists.
func (w *watcherInfo) members(event string, m rls.Members) rls.Members {
	if event == dialoginfo.Event {
		return listWatchers{m, w.dialogs}
	}
	return m
}

type listWatchers struct {
	rls.Members
	records *winfo.Records
}

func (l listWatchers) Watch(w event.Watch) {
	l.Members.Watch(w)
	l.records.Watch(w)
}

func (l listWatchers) Unwatch(resource, id, reason string) {
	l.Members.Unwatch(resource, id, reason)
	l.records.Unwatch(resource, id, reason)
}

// userGone ends what watcher information there is of an account that was removed.
func (w *watcherInfo) userGone(n *event.Notifier, aor string) {
	for _, name := range w.names {
		n.End(name, aor, "noresource")
	}
	for _, r := range w.all {
		r.Close(aor)
	}
}

// dialogRulesChanged tells subscribers of dialogs, and who waits to be one, of new
// rules.
func (n *node) dialogRulesChanged(e bus.DocumentChanged) {
	n.dialogs.DocumentChanged(e.Key, func(event, resource string) {
		n.notifier.Changed(event, resource)
		n.watchers.dialogs.Review(resource)
	})
}
