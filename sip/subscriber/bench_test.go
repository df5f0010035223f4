package subscriber

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/sip/wire"
)

// One NOTIFY of 1 kB, from its bytes to the answer and the news.
func BenchmarkNotify(b *testing.B) {
	r := newRig(b, Config{})
	defer r.close()
	told := make(chan struct{}, 1)
	r.s.Watch(Key{amy, bob, "presence"}, "1", nil, func() { told <- struct{}{} })
	var a asked
	for a.done == nil {
		r.sender.mu.Lock()
		if len(r.sender.log) > 0 {
			a = r.sender.log[0]
		}
		r.sender.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	a.done(wire.Result{Status: 200})
	answered := make(chan struct{}, 1)
	flow := wire.NewFlow("TCP", here, there, func([]byte) error { answered <- struct{}{}; return nil })
	pad := strings.Repeat("x", 1000)
	cseq := 0
	b.ReportAllocs()
	for b.Loop() {
		cseq++
		req, _, err := wire.ParseRequest(notice{to: a, cseq: cseq, body: fmt.Sprintf("<n%d>%s</n>", cseq, pad)}.text(), flow)
		if err != nil {
			b.Fatal(err)
		}
		r.s.Notify(req)
		<-told
		<-answered
	}
}

// An idle subscription.
func BenchmarkMemory(b *testing.B) {
	r := newRig(b, Config{Max: 1 << 30, MaxPerWatcher: 1 << 30, Rate: 1e9})
	defer r.close()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		r.s.Watch(Key{amy, fmt.Sprintf("sip:user%d@b.example", n), "presence"}, "subscription", nil, func() {})
	}
}
