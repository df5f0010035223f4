package im

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/sip/wire"
)

// office is a relay that keeps messages, in fake time.
type office struct {
	t     *testing.T
	net   *network
	store *memory.Store
	pool  *shard.Pool
	wheel *wheel.Wheel
	relay *Relay
	count int
}

// rulesOf is a policy with one answer per sender.
type rulesOf map[string]policy.Decision

func (p rulesOf) Explain(_ context.Context, req policy.Request) (policy.Decision, error) {
	d, ok := p[req.Watcher]
	if !ok {
		return policy.Decision{Handling: policy.Confirm}, nil
	}
	if d.Handling < 0 {
		return d, store.ErrUnavailable
	}
	return d, nil
}

func inOffice(t *testing.T, cfg Config, test func(o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &office{t: t, store: memory.New(), net: &network{
			users: map[string]error{bob: nil}, answers: map[string]wire.Result{}, silent: map[string]bool{}, pending: map[string]func(wire.Result){},
		}}
		o.open(cfg)
		defer o.close()
		test(o)
	})
}

func (o *office) open(cfg Config) {
	o.pool = shard.New(100, func(v any) { o.t.Errorf("panic: %v", v) })
	o.wheel = wheel.New(50 * time.Millisecond)
	cfg.Bindings, cfg.Users, cfg.Sender, cfg.Wheel, cfg.Pool, cfg.Store = o.net, o.net, o.net, o.wheel, o.pool, o.store
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1000
	}
	o.relay = New(cfg)
	if err := o.relay.Restore(context.Background()); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) close() {
	o.wheel.Stop()
	if err := o.pool.Stop(context.Background()); err != nil {
		o.t.Error(err)
	}
}

func (o *office) onShard(fn func()) {
	o.pool.Post(shard.Index(bob), fn)
	synctest.Wait()
}

// send sends bob a message of alice and returns where the answer will be.
func (o *office) send(body string, lines ...string) *string {
	o.t.Helper()
	o.count++
	head := fmt.Sprintf("MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:4000;branch=z9hG4bK%d\r\nFrom: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: call%d\r\nCSeq: 7 MESSAGE\r\n",
		bob, o.count, alice.AOR, bob, o.count)
	kind := "Content-Type: text/plain\r\n"
	for _, l := range lines {
		if strings.HasPrefix(l, "Content-Type:") {
			kind = ""
		}
		head += l + "\r\n"
	}
	return o.pass([]byte(fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", head, kind, len(body), body)))
}

func (o *office) pass(text []byte) *string {
	o.t.Helper()
	status := new(string)
	flow := flowTo("TCP", func(b []byte) error { *status = strings.SplitN(string(b), " ", 3)[1]; return nil })
	req, owed, err := wire.ParseRequest(text, flow)
	if err != nil {
		o.t.Fatal(owed, err)
	}
	o.onShard(func() { o.relay.Message(context.Background(), req, bob, auth.Identity{AOR: alice.AOR}) })
	return status
}

// register gives bob a contact and tells the relay.
func (o *office) register(contacts ...string) {
	o.onShard(func() {
		o.net.bindings = nil
		for _, c := range contacts {
			o.net.bindings = append(o.net.bindings, store.Binding{Contact: c, Flow: "UDP", Updated: time.Now()})
		}
		o.relay.Registered(bob)
	})
}

// rows are the bodies in the store, in order of their IDs.
func (o *office) rows() string {
	o.t.Helper()
	byID := map[string]string{}
	err := o.store.LoadMessages(context.Background(), time.Now(), func(w store.WaitingMessage) error {
		m, err := o.store.Message(context.Background(), w.MessageKey)
		byID[m.ID] = string(m.Body)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return inOrder(byID)
}

func inOrder(m map[string]string) string {
	var out []string
	for len(m) > 0 {
		first := ""
		for id := range m {
			if first == "" || id < first {
				first = id
			}
		}
		out = append(out, m[first])
		delete(m, first)
	}
	return strings.Join(out, " ")
}

func (o *office) sent() string {
	var out []string
	o.onShard(func() {
		for _, m := range o.net.sent {
			out = append(out, string(m.Body))
		}
		o.net.sent = nil
	})
	return strings.Join(out, " ")
}

func (o *office) expect(what, got, want string) {
	o.t.Helper()
	if got != want {
		o.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// RFC 3428 §7, §8: what waited is delivered in order, one message at a time.
func TestStoreAndForward(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		for _, body := range []string{"one", "two", "three"} {
			o.expect("answer", *o.send(body, "Route: <sip:us;lr>", "X-Note: n"), "200")
			time.Sleep(time.Second)
		}
		o.expect("stored", o.rows(), "one two three")
		o.onShard(func() { o.net.silent["sip:b@h"] = true })
		o.register("sip:b@h")
		if len(o.net.sent) != 1 {
			t.Fatalf("%d at once", len(o.net.sent))
		}
		out := o.net.sent[0]
		head := string(out.Head)
		for _, want := range []string{"From: <" + alice.AOR + ">;tag=1\r\n", "Call-ID: call1\r\n", "X-Note: n\r\n", "Content-Type: text/plain\r\n", "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"} {
			if !strings.Contains(head, want) {
				t.Errorf("no %q in\n%s", want, head)
			}
		}
		if strings.Contains(head, "Via:") || strings.Contains(head, "Route:") || out.CSeq != 7 {
			t.Errorf("CSeq %d and\n%s", out.CSeq, head)
		}
		o.register("sip:b@h") // again, meanwhile
		o.onShard(func() { o.net.silent = map[string]bool{} })
		o.net.pending["sip:b@h"](wire.Result{Status: 200})
		synctest.Wait()
		o.expect("sent", o.sent(), "one two three")
		o.expect("left", o.rows(), "")
		if o.relay.kept.Load() != 0 || o.relay.find(bob) != nil {
			t.Error("the box is still there")
		}
		o.expect("online", *o.send("four"), "200")
		o.expect("relayed", o.sent(), "four")
		o.expect("not stored", o.rows(), "")
	})
}

func TestOutcomes(t *testing.T) {
	for _, tc := range []struct {
		result     wire.Result
		sent, left string
	}{
		{wire.Result{Status: 200}, "one two", ""},
		{wire.Result{Status: 202}, "one two", ""},
		{wire.Result{Status: 603}, "one two", ""},
		{wire.Result{Status: 415}, "one two", "one two"}, // of no concern to the other message
		{wire.Result{Status: 480}, "one", "one two"},
		{wire.Result{Status: 503}, "one", "one two"},
		{wire.Result{Err: wire.ErrTimeout}, "one", "one two"},
		{wire.Result{Status: 408}, "one", "one two"},
	} {
		inOffice(t, Config{}, func(o *office) {
			o.send("one")
			time.Sleep(time.Millisecond)
			o.send("two")
			o.onShard(func() { o.net.answers["sip:b@h"] = tc.result })
			o.register("sip:b@h")
			o.expect(fmt.Sprintf("sent after %+v", tc.result), o.sent(), tc.sent)
			o.expect(fmt.Sprintf("left after %+v", tc.result), o.rows(), tc.left)
			o.onShard(func() { delete(o.net.answers, "sip:b@h") })
			o.register("sip:b@h")
			o.expect("sent at the next registration", o.sent(), tc.left)
			o.expect("left in the end", o.rows(), "")
		})
	}
}

// Contacts that do not answer are as good as none.
func TestNobodyAnswers(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.onShard(func() { o.net.silent["sip:b@h"] = true })
		o.register("sip:b@h")
		status := o.send("one")
		o.onShard(func() { o.expect("before the deadline", *status, "") })
		time.Sleep(31 * time.Second)
		synctest.Wait()
		o.expect("answer", *status, "200")
		o.expect("stored", o.rows(), "one")
		o.onShard(func() { o.net.answers["sip:b@h"] = wire.Result{Status: 486} })
		o.onShard(func() { o.net.silent = map[string]bool{} })
		o.expect("busy", *o.send("two"), "486")
		o.expect("what was refused is not stored", o.rows(), "one")
	})
}

// One who registers while its old contact is being tried does not wait.
func TestRegisteredMeanwhile(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.onShard(func() { o.net.silent["sip:old@h"] = true })
		o.register("sip:old@h")
		o.send("one")
		time.Sleep(time.Second)
		o.register("sip:new@h")
		o.sent()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		o.expect("sent", o.sent(), "one")
		o.expect("left", o.rows(), "")
	})
}

// Messages that come during delivery do not overtake.
func TestLineUp(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.send("one")
		time.Sleep(time.Millisecond)
		o.onShard(func() { o.net.silent["sip:b@h"] = true })
		o.register("sip:b@h")
		done := o.net.pending["sip:b@h"]
		o.onShard(func() { o.net.silent = map[string]bool{} })
		o.expect("answer", *o.send("two"), "200")
		o.send("typing", "Content-Type: application/im-iscomposing+xml")
		o.expect("sent", o.sent(), "one typing")
		done(wire.Result{Status: 200})
		synctest.Wait()
		o.expect("sent then", o.sent(), "two")
		o.expect("left", o.rows(), "")
	})
}

func TestWhatIsKept(t *testing.T) {
	const past, now = "Date: Fri, 31 Dec 1999 23:00:00 GMT", "Date: Sat, 01 Jan 2000 00:00:00 GMT"
	cpim := func(inner string) string {
		return "From: <sip:a@x>\r\nTo: <sip:b@x>\r\n\r\nContent-type: " + inner + "; charset=utf-8\r\n\r\nhi"
	}
	for _, tc := range []struct {
		name, body string
		lines      []string
		status     string
		life       time.Duration
	}{
		{"no Expires", "x", nil, "200", 7 * 24 * time.Hour},
		{"Expires from receipt", "x", []string{"Expires: 60"}, "200", time.Minute},
		{"Expires from Date", "x", []string{"Expires: 3660", past}, "200", time.Minute},
		{"over", "x", []string{"Expires: 3600", past}, "480", 0},
		{"Expires 0", "x", []string{"Expires: 0", now}, "480", 0},
		{"Date to come", "x", []string{"Expires: 60", "Date: Sat, 01 Jan 2050 00:00:00 GMT"}, "200", time.Minute},
		{"bad Date", "x", []string{"Expires: 60", "Date: yesterday"}, "200", time.Minute},
		{"very long", "x", []string{"Expires: 4294967295"}, "200", 7 * 24 * time.Hour},
		{"RFC 3994", "<isComposing/>", []string{"Content-Type: application/im-iscomposing+xml"}, "480", 0},
		{"RFC 3994 in CPIM", cpim("application/im-iscomposing+xml"), []string{"Content-Type: Message/CPIM"}, "480", 0},
		{"CPIM", cpim("text/plain"), []string{"Content-Type: message/cpim"}, "200", 7 * 24 * time.Hour},
		{"RFC 5438", cpim("message/imdn+xml"), []string{"Content-Type: message/cpim"}, "200", 7 * 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inOffice(t, Config{}, func(o *office) {
				o.expect("answer", *o.send(tc.body, tc.lines...), tc.status)
				var left time.Duration
				err := o.store.LoadMessages(context.Background(), time.Now(), func(w store.WaitingMessage) error { left = time.Until(w.Expires); return nil })
				if err != nil || left != tc.life {
					t.Errorf("kept for %v, want %v (%v)", left, tc.life, err)
				}
				if tc.life == 0 {
					return
				}
				time.Sleep(tc.life + time.Second)
				synctest.Wait()
				if o.relay.kept.Load() != 0 || o.relay.find(bob) != nil {
					t.Error("not forgotten when it was over")
				}
				o.register("sip:b@h")
				o.expect("sent", o.sent(), "")
			})
		})
	}
}

func TestQuota(t *testing.T) {
	inOffice(t, Config{MaxKept: 2}, func(o *office) {
		o.send("one")
		o.send("two")
		o.expect("third of two", *o.send("three"), "480")
	})
	inOffice(t, Config{MaxKeptBytes: 1000}, func(o *office) {
		o.expect("larger than all", *o.send(strings.Repeat("x", 999)), "480")
		o.expect("first", *o.send(strings.Repeat("x", 500)), "200")
		o.expect("second", *o.send(strings.Repeat("x", 500)), "480")
	})
}

func TestStoreFails(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.store.Fail(store.ErrUnavailable)
		o.expect("store down", *o.send("one"), "503")
		o.store.Fail(errors.New("bad row"))
		o.expect("bad row", *o.send("one"), "500")
		o.store.Fail(nil)
		o.expect("up again", *o.send("one"), "200")
		o.store.Fail(store.ErrUnavailable)
		o.register("sip:b@h")
		o.expect("sent while it cannot be read", o.sent(), "")
		o.store.Fail(nil)
		o.register("sip:b@h")
		o.expect("sent", o.sent(), "one")
	})
}

func TestRestore(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.send("one")
		time.Sleep(time.Second)
		o.send("two")
		o.close()
		o.open(Config{})
		o.register("sip:b@h")
		o.expect("sent", o.sent(), "one two")
		o.expect("left", o.rows(), "")
	})
}

func TestUserRemoved(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.send("one")
		o.relay.UserRemoved(bob)
		synctest.Wait()
		if o.relay.kept.Load() != 0 {
			t.Error("still counted")
		}
		o.register("sip:b@h")
		o.expect("sent", o.sent(), "")
	})
}

// Whom the recipient blocks is neither relayed nor stored.
func TestBlockList(t *testing.T) {
	explicit := []policy.Reason{{Counted: true, Handling: policy.Block}}
	for _, tc := range []struct {
		name   string
		d      policy.Decision
		status string
		passed bool
	}{
		{"allow", policy.Decision{Handling: policy.Allow}, "200", true},
		{"stranger", policy.Decision{Handling: policy.Confirm}, "200", true},
		{"polite-block", policy.Decision{Handling: policy.PoliteBlock}, "200", false},
		{"block", policy.Decision{Handling: policy.Block, Reasons: explicit}, "403", false},
		{"no rule speaks of the sender", policy.Decision{Handling: policy.Block, Reasons: []policy.Reason{{Handling: policy.Block}}}, "200", true},
		{"rules cannot be read", policy.Decision{Handling: -1}, "503", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inOffice(t, Config{Policy: rulesOf{alice.AOR: tc.d}}, func(o *office) {
				o.expect("offline", *o.send("one"), tc.status)
				if stored := o.rows() != ""; stored != tc.passed {
					t.Errorf("stored: %v", stored)
				}
				o.register("sip:b@h")
				o.sent()
				o.expect("online", *o.send("two"), tc.status)
				if relayed := o.sent() != ""; relayed != tc.passed {
					t.Errorf("relayed: %v", relayed)
				}
			})
		})
	}
}

// RFC 3261 §8.2.2.2, §16.3 step 4: what comes back while it is on its way.
func TestLoop(t *testing.T) {
	inOffice(t, Config{}, func(o *office) {
		o.onShard(func() { o.net.silent["sip:b@h"] = true })
		o.register("sip:b@h")
		text := func(branch string) []byte {
			return []byte("MESSAGE " + bob + " SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK" + branch + "\r\nFrom: <" + alice.AOR +
				">;tag=1\r\nTo: <" + bob + ">\r\nCall-ID: c\r\nCSeq: 7 MESSAGE\r\nContent-Length: 0\r\n\r\n")
		}
		first := o.pass(text("1"))
		o.expect("again", *o.pass(text("2")), "482")
		o.net.pending["sip:b@h"](wire.Result{Status: 200})
		o.expect("first", *first, "200")
		o.onShard(func() { o.net.silent = nil })
		o.expect("afterwards", *o.pass(text("3")), "200")
		if len(o.relay.current) != 0 {
			t.Errorf("%d requests are still noted", len(o.relay.current))
		}
	})
}

func FuzzWrappedType(f *testing.F) {
	f.Add([]byte("From: a\r\n\r\nContent-Type: text/plain\r\n\r\nx"))
	f.Add([]byte("\n\nContent-type: Application/IM-isComposing+xml;x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := wrappedType(body); strings.ContainsAny(got, "\n;") {
			t.Errorf("%q of %q", got, body)
		}
	})
}
