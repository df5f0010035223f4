package winfo

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// plain is the obvious model of a table: what each watcher has, and what it is told
// to be.
type plain struct {
	decided map[string]event.State
	shown   map[string]map[string]event.State // watcher, subscription: what it is shown
	id      map[string]string                 // of the live entry
	waits   map[string]bool
	used    map[string]bool // ids of entries that have ended
}

// status is what the entry of a watcher must say, "" for none.
func (p *plain) status(who string) string {
	best := ""
	for _, s := range p.shown[who] {
		if best == "" || s == event.Active {
			best = statusOf(s)
		}
	}
	if best == "" && p.waits[who] {
		return Waiting
	}
	return best
}

// bench is a table with its rows as a store would have them.
type bench struct {
	*rapid.T
	table *Table
	rows  map[store.WatcherKey]store.Watcher
	now   time.Time
	plain plain
	made  int
}

func (b *bench) commit(batch *store.Batch) {
	for _, row := range batch.Watchers {
		b.rows[row.Key()] = row
	}
	for _, key := range batch.DropWatchers {
		delete(b.rows, key)
	}
	b.now = b.now.Add(time.Millisecond)
}

func (b *bench) member(id, who string) Member {
	return Member{Watcher: store.Watcher{
		Presentity: amy, Event: "presence", ID: id, Watcher: who, Status: Pending, Cause: "subscribe",
		Since: b.now, Expires: b.now.Add(time.Hour),
	}}
}

// show has a subscription shown what is decided, as its notifier does.
func (b *bench) show(id, who string, list bool) {
	var batch store.Batch
	m, state := b.member(id, who), b.plain.decided[who]
	m.List = list
	b.table.Admit(m, state, b.now, &batch)
	b.commit(&batch)
	if state == event.Terminated {
		b.lost(who, id)
		delete(b.plain.waits, who)
		return
	}
	if b.plain.waits[who] {
		delete(b.plain.waits, who)
		b.plain.used[b.plain.id[who]] = true
		delete(b.plain.id, who)
	}
	b.plain.shown[who][id] = state
}

// lost forgets a subscription.
func (b *bench) lost(who, id string) { delete(b.plain.shown[who], id) }

// restart puts the table together again from what was stored, and the subscriptions
// that are left come back in some order.
func (b *bench) restart(back func(who, id string) (list bool)) {
	var batch store.Batch
	b.table = NewTable(b.table.limits)
	clear(b.plain.used) // nobody is left who was told of them
	for _, row := range b.rows {
		b.table.Restore(row, b.now, &batch)
	}
	b.commit(&batch)
	for who, subs := range b.plain.shown {
		for id := range subs { // in any order
			var batch store.Batch
			m, state := b.member(id, who), b.plain.decided[who]
			m.List = back(who, id)
			b.table.Admit(m, state, b.now, &batch)
			b.commit(&batch)
			if state == event.Terminated {
				b.lost(who, id)
			} else {
				subs[id] = state
			}
		}
	}
}

// check compares the table with the model.
func (b *bench) check(*rapid.T) {
	seen := make(map[string]bool)
	for _, w := range b.table.List(b.now) {
		who := w.Watcher.Watcher
		if w.Terminated {
			continue
		}
		if seen[who] {
			b.Fatalf("%s has two entries", who)
		}
		seen[who] = true
		if want := b.plain.status(who); w.Status != want {
			b.Fatalf("%s is %s, want %q", who, w.Status, want)
		}
		if b.plain.used[w.ID] {
			b.Fatalf("%s has the id %s of an entry that ended", who, w.ID)
		}
		if id := b.plain.id[who]; id != "" && id != w.ID {
			b.Fatalf("%s is %s, was %s", who, w.ID, id)
		}
		b.plain.id[who] = w.ID
	}
	for _, who := range []string{bo, cy} {
		if status := b.plain.status(who); (status != "") != seen[who] {
			b.Fatalf("%s: %q, in the list: %v", who, status, seen[who])
		}
		if !seen[who] && b.plain.id[who] != "" {
			b.plain.used[b.plain.id[who]] = true
			delete(b.plain.id, who)
		}
	}
	for key, row := range b.rows {
		if e := b.table.live[key.ID]; e == nil || !e.stored || e.Status != row.Status {
			b.Fatalf("row %+v of %+v", row, e)
		}
	}
	if len(b.table.members) != len(b.plain.shown[bo])+len(b.plain.shown[cy]) || len(b.table.named) != len(b.table.live) {
		b.Fatalf("%d members, %d names, %d entries", len(b.table.members), len(b.table.named), len(b.table.live))
	}
}

// Devices and lists of two watchers come and go, decisions change, the server stops
// and starts: there is one entry for each watcher, with one id while it lives.
func TestTableModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := &bench{
			T: rt, table: NewTable(Limits{Live: 100, Waiting: 10, GiveUp: 72 * time.Hour}),
			rows: make(map[store.WatcherKey]store.Watcher), now: time.Unix(1e9, 0),
			plain: plain{
				decided: map[string]event.State{bo: event.Pending, cy: event.Pending},
				shown:   map[string]map[string]event.State{bo: {}, cy: {}},
				id:      map[string]string{}, waits: map[string]bool{}, used: map[string]bool{},
			},
		}
		person := rapid.SampledFrom([]string{bo, cy})
		lists := make(map[string]bool)
		one := func(rt *rapid.T) (who, id string) {
			who = person.Draw(rt, "who")
			ids := slices.Sorted(maps.Keys(b.plain.shown[who]))
			if len(ids) == 0 {
				rt.Skip()
			}
			return who, rapid.SampledFrom(ids).Draw(rt, "subscription")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": b.check,
			"subscribe": func(rt *rapid.T) {
				who := person.Draw(rt, "who")
				if b.plain.decided[who] == event.Terminated {
					rt.Skip()
				}
				b.made++
				b.show(ID(fmt.Sprint("s", b.made)), who, false)
			},
			"list": func(rt *rapid.T) {
				who := person.Draw(rt, "who")
				id := ID("list of " + who)
				lists[id] = true
				b.show(id, who, true)
			},
			"refresh": func(rt *rapid.T) {
				who, id := one(rt)
				if b.plain.decided[who] != event.Terminated {
					b.show(id, who, lists[id])
				}
			},
			"end": func(rt *rapid.T) {
				who, id := one(rt)
				reason := rapid.SampledFrom([]string{"timeout", "noresource"}).Draw(rt, "reason")
				var batch store.Batch
				pending := b.plain.status(who) == Pending && b.plain.decided[who] != event.Terminated
				b.table.Depart(id, reason, b.now, &batch)
				b.commit(&batch)
				b.lost(who, id)
				b.plain.waits[who] = pending && reason == "timeout" && len(b.plain.shown[who]) == 0
			},
			"decide": func(rt *rapid.T) {
				who := person.Draw(rt, "who")
				state := rapid.SampledFrom([]event.State{event.Pending, event.Active, event.Terminated}).Draw(rt, "state")
				b.plain.decided[who] = state
				var batch store.Batch
				b.table.Review(func(w string) event.State { return b.plain.decided[w] }, b.now, &batch)
				b.commit(&batch)
				if state != event.Pending {
					delete(b.plain.waits, who)
				}
				for id := range b.plain.shown[who] {
					switch {
					case state != event.Terminated:
						b.plain.shown[who][id] = state
					case lists[id]:
						b.lost(who, id)
					}
				}
			},
			"restart": func(*rapid.T) { b.restart(func(_, id string) bool { return lists[id] }) },
		})
	})
}

// RFC 3857 §4.7.1: what waits gives way, under another id even where the subscription
// has the same.
func TestNewIDAfterWaiting(t *testing.T) {
	table := NewTable(Limits{Live: 10, Waiting: 10, GiveUp: time.Hour})
	now := time.Unix(1e9, 0)
	var b store.Batch
	m := Member{List: true, Watcher: store.Watcher{Presentity: amy, ID: ID("list"), Watcher: bo, Since: now, Expires: now.Add(time.Minute)}}
	table.Admit(m, event.Pending, now, &b)
	table.Depart(m.ID, "timeout", now, &b)
	now = now.Add(time.Second)
	m.Since = now
	table.Admit(m, event.Pending, now, &b)
	var got []string
	ids := make(map[string]bool)
	for _, w := range table.List(now) {
		got = append(got, w.Status+" "+w.Cause)
		ids[w.ID] = true
	}
	if want := []string{"terminated giveup", "pending subscribe"}; !slices.Equal(got, want) || len(ids) != 2 {
		t.Errorf("%q under %d ids", got, len(ids))
	}
}

// Of rows of an earlier version with an entry for each subscription, one is left.
func TestRestoreJoins(t *testing.T) {
	table := NewTable(Limits{Live: 10, Waiting: 10, GiveUp: time.Hour})
	now := time.Unix(1e9, 0)
	var b store.Batch
	for _, row := range []store.Watcher{
		{ID: "w1", Watcher: bo, Status: Waiting, Since: now, Expires: now.Add(time.Hour)},
		{ID: "w3", Watcher: bo, Status: Pending, Since: now.Add(2), Expires: now.Add(time.Hour)},
		{ID: "w2", Watcher: bo, Status: Pending, Since: now.Add(1), Expires: now.Add(time.Hour)},
		{ID: "w4", Watcher: "", Status: Pending, Since: now, Expires: now.Add(time.Hour)},
		{ID: "w5", Watcher: "", Status: Pending, Since: now.Add(1), Expires: now.Add(time.Hour)},
	} {
		table.Restore(row, now, &b)
	}
	var got []string
	for _, e := range table.All() {
		got = append(got, e.ID)
	}
	if want := []string{"w4", "w2", "w5"}; !slices.Equal(got, want) || len(b.DropWatchers) != 2 || table.waits != 0 {
		t.Errorf("%q, %d rows dropped, %d wait", got, len(b.DropWatchers), table.waits)
	}
}
