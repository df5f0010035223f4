package event

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// quick is a transport that answers every NOTIFY with 200 at once.
type quick struct{ sent chan struct{} }

func (q quick) Do(_ wire.Outgoing, done func(wire.Result)) {
	done(wire.Result{Status: 200})
	q.sent <- struct{}{}
}
func (quick) Flow(string) *wire.Flow                            { return nil }
func (quick) ContactURI(*wire.Flow) string                      { return "sip:192.0.2.1:5060;transport=tcp" }
func (quick) FlowTo(sipuri.URI, *wire.Flow) (*wire.Flow, error) { return nil, wire.ErrFlowClosed }

func benchRig(b *testing.B, subscriptions int) (*rig, quick) {
	r := newRig(b, Config{MaxPerWatcher: 1 << 20, MaxPerResource: 1 << 20}, memory.New())
	q := quick{make(chan struct{}, 1<<16)}
	r.n.cfg.Sender = q
	flow := wire.NewFlow("TCP", local, remote, func([]byte) error { return nil })
	var wg sync.WaitGroup
	for i := range subscriptions {
		req := r.request(sub{callID: fmt.Sprintf("%032d@192.0.2.9", i), contact: fmt.Sprintf("<sip:%08d@192.0.2.9:5062;transport=tcp>", i), flow: flow, cseq: 1, extra: "Accept: application/pidf+xml\r\n"})
		wg.Add(1)
		r.pool.Post(shard.Index(amy), func() {
			defer wg.Done()
			r.n.Subscribe(context.Background(), req, amy, auth.Identity{AOR: bob})
			<-q.sent
		})
	}
	wg.Wait()
	return r, q
}

// From Changed to the NOTIFY handed to the transport and answered.
func BenchmarkNotify(b *testing.B) {
	r, q := benchRig(b, 1)
	defer r.close()
	views := [2]View{text("one"), text("two")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.set(views[i&1])
		<-q.sent
	}
}

// News that changes nothing for the watcher.
func BenchmarkUnchanged(b *testing.B) {
	r, _ := benchRig(b, 1)
	defer r.close()
	done := make(chan struct{})
	b.ReportAllocs()
	for b.Loop() {
		r.n.Changed("presence", amy)
		r.pool.Post(shard.Index(amy), func() { done <- struct{}{} })
		<-done
	}
}

// What an idle subscription costs in memory, without the package's part.
func BenchmarkIdleSubscription(b *testing.B) {
	const count = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, _ := benchRig(b, count)
		stored := r.n.cfg.Store
		r.n.cfg.Store, r.store = nil, nil
		r.pkg.opened, r.pkg.fulls = nil, nil
		runtime.KeepAlive(stored)
		stored = nil
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/count, "B/subscription")
		r.close()
	}
}

// What taking over one subscription after a start costs, until its view has been
// found to be the one last sent: nothing is said.
func BenchmarkRestore(b *testing.B) {
	const count = 10000
	st := memory.New()
	var batch store.Batch
	now := time.Now()
	for i := range count {
		resource := fmt.Sprintf("sip:user%d@example.test", i%1000)
		batch.Subscriptions = append(batch.Subscriptions, store.Subscription{
			ID: NewTag(shard.Index(resource)), Event: "presence", Resource: resource, Watcher: bob,
			CallID: fmt.Sprintf("%032d@192.0.2.9", i), LocalURI: resource, RemoteURI: bob, RemoteTag: "from1",
			RemoteTarget: fmt.Sprintf("sip:%08d@192.0.2.9:5062;transport=tcp", i), Contact: "sip:192.0.2.1",
			CSeqLease: 256, VersionLease: 256, State: "active", Sent: "none", Flow: "tcp gone",
			Created: now, Expires: now.Add(time.Hour),
		})
	}
	if err := st.Commit(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		r := newRig(b, Config{}, st)
		if err := r.n.Restore(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		r.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/subscription")
}
