package registrar

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/metrics"
	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alice = "sip:alice@example.org"

var here, there = netip.MustParseAddrPort("127.0.0.1:5060"), netip.MustParseAddrPort("192.0.2.7:4000")

// world is a registrar with its surroundings.
type world struct {
	t     *testing.T
	r     *Registrar
	st    *memory.Store
	pool  *shard.Pool
	wheel *wheel.Wheel
	bus   *bus.Bus

	out     string // last answer
	trusted bool   // whether requests come from a trusted hop

	mu      sync.Mutex
	changed []string // what presence was told, in order
	told    int      // bus events
}

// news returns what presence and the bus were told.
func (w *world) news() (changed []string, told int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.changed), w.told
}

func newWorld(t *testing.T, st *memory.Store) *world {
	w := &world{t: t, st: st, pool: shard.New(16, nil), wheel: wheel.New(50 * time.Millisecond), bus: &bus.Bus{}}
	w.bus.Subscribe(func(bus.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told++
	})
	w.r = New(Config{
		Store: st, Pool: w.pool, Wheel: w.wheel, Bus: w.bus, Metrics: metrics.New(),
		MinExpires: time.Minute, DefaultExpires: time.Hour, MaxExpires: 2 * time.Hour, MaxContacts: 4,
		FlowGrace: time.Minute, FlowTimer: 2 * time.Minute, Secret: []byte("secret"),
		Changed: func(_ string, regs []pidf.Registration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed = append(w.changed, fmt.Sprint(len(regs)))
		},
	})
	return w
}

func (w *world) stop() {
	if err := w.pool.Stop(context.Background()); err != nil {
		w.t.Error(err)
	}
	w.wheel.Stop()
}

// register sends one REGISTER of alice and returns the answer.
func (w *world) register(callID string, cseq int, lines ...string) string {
	w.t.Helper()
	flow := wire.NewFlow("UDP", here, there, w.sent)
	return w.registerOver(flow, callID, cseq, lines...)
}

// sent keeps what goes out on a flow.
func (w *world) sent(b []byte) error {
	w.out = string(b)
	return nil
}

func (w *world) registerOver(flow *wire.Flow, callID string, cseq int, lines ...string) string {
	w.t.Helper()
	text := "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:4000;rport;keep;branch=z9hG4bKa\r\n" +
		"From: <sip:alice@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\nMax-Forwards: 70\r\n" +
		fmt.Sprintf("Call-ID: %s\r\nCSeq: %d REGISTER\r\n", callID, cseq)
	for _, l := range lines {
		text += l + "\r\n"
	}
	req, owed, err := wire.ParseRequest([]byte(text+"Content-Length: 0\r\n\r\n"), flow)
	if err != nil {
		w.t.Fatalf("%v %v", owed, err)
	}
	done := make(chan struct{})
	w.pool.Post(shard.Index(alice), func() {
		w.r.Register(w.t.Context(), req, alice, auth.Identity{AOR: alice, Trusted: w.trusted})
		close(done)
	})
	<-done
	return w.out
}

func (w *world) expect(answer string, status int, parts ...string) {
	w.t.Helper()
	if !strings.HasPrefix(answer, fmt.Sprintf("SIP/2.0 %d ", status)) {
		w.t.Errorf("want %d, got\n%s", status, answer)
	}
	for _, p := range parts {
		if !strings.Contains(answer, p) {
			w.t.Errorf("no %q in\n%s", p, answer)
		}
	}
}

func (w *world) contacts() []string {
	var out []string
	for _, b := range w.r.Bindings(alice) {
		out = append(out, b.Contact)
	}
	return out
}

// in runs fn in a bubble of fake time.
func in(t *testing.T, fn func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New())
		defer w.stop()
		fn(w)
	})
}

// RFC 3261 §10.3
func TestRegister(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before []string // header lines of an earlier REGISTER, Call-ID a, CSeq 10
		callID string
		cseq   int
		lines  []string
		status int
		parts  []string
		after  []string
	}{
		{name: "new contact", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@192.0.2.7:4000>", "Expires: 600"},
			status: 200, parts: []string{"Contact: <sip:a@192.0.2.7:4000>;expires=600\r\n", "Date: "}, after: []string{"sip:a@192.0.2.7:4000"}},
		{name: "no Expires means the default", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>"},
			status: 200, parts: []string{";expires=3600"}, after: []string{"sip:a@h"}},
		{name: "Expires is lowered", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>;expires=999999"},
			status: 200, parts: []string{";expires=7200"}, after: []string{"sip:a@h"}},
		{name: "malformed expires means 3600", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>;expires=x1", "Expires: 600"},
			status: 200, parts: []string{";expires=3600"}, after: []string{"sip:a@h"}},
		{name: "expires parameter over header", before: []string{"Contact: <sip:a@h>"}, callID: "a", cseq: 11,
			lines:  []string{"Contact: <sip:a@h>;expires=0, <sip:b@h>", "Expires: 600"},
			status: 200, parts: []string{"<sip:b@h>;expires=600"}, after: []string{"sip:b@h"}},
		{name: "query", before: []string{"Contact: <sip:a@h>"}, callID: "b", cseq: 1,
			status: 200, parts: []string{"<sip:a@h>"}, after: []string{"sip:a@h"}},
		{name: "* removes all", before: []string{"Contact: <sip:a@h>, <sip:b@h>"}, callID: "b", cseq: 1,
			lines: []string{"Contact: *", "Expires: 0"}, status: 200},
		{name: "* with Expires 10", before: []string{"Contact: <sip:a@h>"}, callID: "b", cseq: 1,
			lines: []string{"Contact: *", "Expires: 10"}, status: 400, after: []string{"sip:a@h"}},
		{name: "* without Expires", before: []string{"Contact: <sip:a@h>"}, callID: "b", cseq: 1,
			lines: []string{"Contact: *"}, status: 400, after: []string{"sip:a@h"}},
		{name: "* beside another", before: []string{"Contact: <sip:a@h>"}, callID: "b", cseq: 1,
			lines: []string{"Contact: *, <sip:b@h>", "Expires: 0"}, status: 400, after: []string{"sip:a@h"}},
		{name: "* within one Call-ID needs a higher CSeq", before: []string{"Contact: <sip:a@h>"}, callID: "a", cseq: 10,
			lines: []string{"Contact: *", "Expires: 0"}, status: 500, after: []string{"sip:a@h"}},
		{name: "libpurple after a crash", before: []string{"Contact: <sip:a@h>", "User-Agent: Purple/2.14.12"}, callID: "a", cseq: 2,
			lines: []string{"Contact: <sip:a@h>", "User-Agent: Purple/2.14.12"}, status: 200, after: []string{"sip:a@h"}},
		{name: "lower CSeq changes nothing at all", before: []string{"Contact: <sip:a@h>"}, callID: "a", cseq: 9,
			lines: []string{"Contact: <sip:b@h>, <sip:a@h>;expires=0"}, status: 500, after: []string{"sip:a@h"}},
		{name: "other Call-ID, lower CSeq", before: []string{"Contact: <sip:a@h>"}, callID: "b", cseq: 1,
			lines: []string{"Contact: <sip:a@h>;expires=0"}, status: 200},
		{name: "too brief", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>;expires=30"},
			status: 423, parts: []string{"Min-Expires: 60\r\n"}},
		{name: "too brief beside a good one", callID: "a", cseq: 1, lines: []string{"Contact: <sip:b@h>, <sip:a@h>;expires=30"}, status: 423},
		{name: "equal URIs are one binding", before: []string{"Contact: <sip:a@h>"}, callID: "a", cseq: 11,
			lines: []string{"Contact: <sip:a@H;x=1>"}, status: 200, after: []string{"sip:a@H;x=1"}},
		{name: "an explicit port is another URI", before: []string{"Contact: <sip:a@h>"}, callID: "b", cseq: 1,
			lines: []string{"Contact: <sip:a@h:5060>"}, status: 200, after: []string{"sip:a@h", "sip:a@h:5060"}},
		{name: "the same contact twice: the last counts", callID: "a", cseq: 1,
			lines: []string{"Contact: <sip:a@h>;expires=100, <sip:a@h>;expires=200"}, status: 200, parts: []string{";expires=200"}, after: []string{"sip:a@h"}},
		{name: "added and removed at once", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>, <sip:a@h>;expires=0"}, status: 200},
		{name: "parameters stay where they were", callID: "a", cseq: 1, // RFC 4475 §3.3.12, §3.3.13
			lines:  []string{`Contact: "A; B" <sip:a@h;unknown=x>;q=0.5;newparam="a;\"b";Flag;expires=100;pub-gruu="sip:x@y"`},
			status: 200, parts: []string{`Contact: <sip:a@h;unknown=x>;q=0.5;newparam="a;\"b";Flag;expires=100` + "\r\n"}, after: []string{"sip:a@h;unknown=x"}},
		{name: "escaped NUL", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a%00@h>, <sip:a%00%00@h>"}, // RFC 4475 §3.1.1.4
			status: 200, after: []string{"sip:a%00%00@h", "sip:a%00@h"}},
		{name: "odd scheme", callID: "a", cseq: 1, lines: []string{"Contact: <http://h/>"}, status: 400},
		{name: "own address", callID: "a", cseq: 1, lines: []string{"Contact: <sip:alice@EXAMPLE.org;x>;+sip.instance=\"<urn:uuid:1>\""}, status: 403},
		{name: "Path without support", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>", "Path: <sip:p@proxy;lr>"},
			status: 420, parts: []string{"Unsupported: path\r\n"}},
		{name: "Path", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>", "Path: <sip:p@proxy;lr>", "Path: <sip:q@proxy;lr>", "Supported: path"},
			status: 200, parts: []string{"Path: <sip:p@proxy;lr>, <sip:q@proxy;lr>\r\n"}, after: []string{"sip:a@h"}},
		{name: "Path is no address", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>", "Path: <sip:p@proxy;lr>, foo bar", "Supported: path"}, status: 400},
		{name: "unknown extension", callID: "a", cseq: 1, lines: []string{"Contact: <sip:a@h>", "Require: path, warp"},
			status: 420, parts: []string{"Unsupported: warp\r\n"}},
		{name: "too many contacts", callID: "a", cseq: 1,
			lines: []string{"Contact: <sip:a@h>,<sip:b@h>,<sip:c@h>,<sip:d@h>,<sip:e@h>"}, status: 403},
		{name: "two flows at once", callID: "a", cseq: 1, // RFC 5626 §6
			lines: []string{`Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1, <sip:b@h>`}, status: 400},
		{name: "proxy without outbound", callID: "a", cseq: 1, // RFC 5626 §6
			lines:  []string{`Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1`, "Path: <sip:p@proxy;lr>", "Supported: path, outbound"},
			status: 439},
		{name: "instance and reg-id are the key", before: []string{`Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1`}, callID: "b", cseq: 1,
			lines: []string{`Contact: <sip:a@other>;+sip.instance="<urn:uuid:1>";reg-id=1`}, status: 200, after: []string{"sip:a@other"}},
		{name: "another reg-id is another binding", before: []string{`Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1`}, callID: "a", cseq: 11,
			lines: []string{`Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=2`}, status: 200, after: []string{"sip:a@h", "sip:a@h"}},
		{name: "reg-id without instance is ignored", before: []string{`Contact: <sip:a@h>;reg-id=1`}, callID: "b", cseq: 1,
			lines: []string{`Contact: <sip:b@h>;reg-id=1`}, status: 200, after: []string{"sip:a@h", "sip:b@h"}},
		{name: "no Require: outbound in the answer", callID: "a", cseq: 1,
			lines: []string{"Contact: <sip:a@h>", "Supported: gruu, outbound"}, status: 200, after: []string{"sip:a@h"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(w *world) {
				if tc.before != nil {
					w.expect(w.register("a", 10, tc.before...), 200)
				}
				answer := w.register(tc.callID, tc.cseq, tc.lines...)
				w.expect(answer, tc.status, tc.parts...)
				if strings.Contains(answer, "Require:") || strings.Contains(answer, "gruu") && !strings.Contains(tc.name, "Supported") {
					t.Errorf("unasked extension in\n%s", answer)
				}
				got := w.contacts()
				slices.Sort(got)
				if diff := cmp.Diff(tc.after, got); diff != "" {
					t.Errorf("bindings (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestForeignAddress(t *testing.T) {
	in(t, func(w *world) {
		flow := wire.NewFlow("UDP", netip.AddrPort{}, netip.AddrPort{}, func([]byte) error { return nil })
		req, _, err := wire.ParseRequest([]byte("REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:bob@example.org>;tag=1\r\n"+
			"To: <sip:alice@example.org>\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n\r\n"), flow)
		if err != nil {
			t.Fatal(err)
		}
		if _, no := w.r.register(t.Context(), req, alice, auth.Identity{AOR: "sip:bob@example.org"}); no == nil || no.status != 403 {
			t.Errorf("refusal %+v", no)
		}
	})
}

// A failed commit leaves memory as it was; the client may try again.
func TestCommitFails(t *testing.T) {
	in(t, func(w *world) {
		w.expect(w.register("a", 1, "Contact: <sip:a@h>"), 200)
		w.st.Fail(fmt.Errorf("gone: %w", store.ErrUnavailable))
		w.expect(w.register("a", 2, "Contact: <sip:b@h>"), 503, "Retry-After: ")
		w.expect(w.register("a", 3, "Contact: *", "Expires: 0"), 503)
		w.st.Fail(errors.New("disk full"))
		w.expect(w.register("a", 4, "Contact: <sip:b@h>"), 500)
		w.st.Fail(nil)
		if diff := cmp.Diff([]string{"sip:a@h"}, w.contacts()); diff != "" {
			t.Error(diff)
		}
		w.expect(w.register("a", 5, "Contact: <sip:b@h>"), 200)
	})
}

// Presence hears of what others can see, not of refreshes.
func TestChanged(t *testing.T) {
	in(t, func(w *world) {
		w.register("a", 1, "Contact: <sip:a@h>", "Expires: 100")
		w.register("a", 2, "Contact: <sip:a@h>", "Expires: 200")
		w.register("b", 1, "Contact: <sip:b@h>", "Expires: 60")
		w.register("b", 2, "Contact: <sip:b@h>;q=0.2", "Expires: 60")
		time.Sleep(61 * time.Second) // b ends
		synctest.Wait()
		time.Sleep(140 * time.Second) // a ends
		synctest.Wait()
		changed, told := w.news()
		if diff := cmp.Diff([]string{"1", "2", "2", "1", "0"}, changed); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if told != len(changed) {
			t.Errorf("%d events on the bus", told)
		}
		if got := w.contacts(); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		if _, kept := w.r.entries.Load(alice); kept {
			t.Error("an address without bindings is kept in memory")
		}
	})
}

// Bindings that are over are not given out even before their timer has run.
func TestOnlyLiveBindings(t *testing.T) {
	in(t, func(w *world) {
		w.register("a", 1, "Contact: <sip:a@h>", "Expires: 60")
		time.Sleep(60 * time.Second)
		if got := w.contacts(); len(got) != 0 {
			t.Errorf("over: %v", got)
		}
	})
}

func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		w := newWorld(t, st)
		w.register("a", 7, "Contact: <sip:a@h>;q=0.3;x=y", "Expires: 100")
		w.stop()

		w = newWorld(t, st)
		defer w.stop()
		if err := w.r.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expect(w.register("b", 1), 200, "Contact: <sip:a@h>;q=0.3;x=y;expires=100\r\n")
		w.expect(w.register("a", 7, "Contact: <sip:a@h>"), 500)
		if changed, _ := w.news(); !slices.Equal(changed, []string{"1"}) {
			t.Errorf("told %q", changed)
		}
		time.Sleep(101 * time.Second)
		synctest.Wait()
		if got := w.contacts(); len(got) != 0 {
			t.Errorf("not ended: %v", got)
		}
	})
}

func TestUserRemoved(t *testing.T) {
	in(t, func(w *world) {
		w.register("a", 1, "Contact: <sip:a@h>")
		w.r.UserRemoved(alice)
		synctest.Wait()
		if got := w.contacts(); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

func TestParseQ(t *testing.T) {
	for in, want := range map[string]int{"1": 1000, "0": 0, "0.5": 500, "0.125": 125, "1.0": 1000, "1.1": 1000, "0.1234": 1000, "x": 1000, "": 1000, "0.x": 1000} {
		if got := parseQ(in); got != want {
			t.Errorf("parseQ(%q) = %d, want %d", in, got, want)
		}
	}
}

// Whatever a client sends as Contact, the answer has it with one expires
// parameter that is ours.
func FuzzContact(f *testing.F) {
	f.Add(`"A" <sip:a@h;x=y>;q=0.5;expires=10`)
	f.Add(`sip:a@h;expires=5;Expires=6`)
	f.Add(`<sip:a@h>;x="\";expires=1"`)
	r := New(Config{DefaultExpires: time.Hour, MaxExpires: 2 * time.Hour})
	f.Fuzz(func(t *testing.T, s string) {
		n, err := wire.ParseNameAddr(s)
		if err != nil {
			return
		}
		c, no := r.parseContact(n, alice, -1)
		if no != nil {
			return
		}
		back, err := wire.ParseNameAddr("<" + c.text + ">" + c.params + ";expires=77")
		if err != nil {
			t.Fatalf("%q gives %q %q: %v", s, c.text, c.params, err)
		}
		if v, _ := back.Param("expires"); v != "77" {
			t.Fatalf("%q keeps expires=%q", s, v)
		}
		if len(back.Params) > len(n.Params)+1 {
			t.Fatalf("%q has grown to %q", s, c.params)
		}
	})
}
