package registrar

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

const urn = "urn:uuid:534815d2-1459-4072-8f06-815e27c30a87"

// gruus returns the GRUUs in the Contact with an instance of ours.
func gruus(t *testing.T, answer string) (public, temporary string) {
	t.Helper()
	for line := range strings.SplitSeq(answer, "\r\n") {
		value, ok := strings.CutPrefix(line, "Contact: ")
		if !ok || !strings.Contains(value, urn) {
			continue
		}
		n, err := wire.ParseNameAddr(value)
		if err != nil {
			t.Fatal(err)
		}
		public, _ = n.Param("pub-gruu")
		temporary, _ = n.Param("temp-gruu")
	}
	return public, temporary
}

func (w *world) leads(uri string) (aor, instance string, ok bool) {
	w.t.Helper()
	u, err := sipuri.Parse(uri)
	if err != nil {
		w.t.Fatalf("%q: %v", uri, err)
	}
	aor, instance, _, ok = w.r.GRUU(u)
	return aor, instance, ok
}

// RFC 5627 §5.1 to §5.3.
func TestGRUU(t *testing.T) {
	in(t, func(w *world) {
		contact := "Contact: <sip:a@h>;+sip.instance=\"<" + urn + ">\""
		if public, temporary := gruus(t, w.register("a", 1, contact)); public != "" || temporary != "" {
			t.Error("a client without support gets GRUUs")
		}
		answer := w.register("a", 2, contact, "Supported: outbound, gruu")
		public, first := gruus(t, answer)
		if public != alice+";gr="+urn {
			t.Errorf("public GRUU %q", public)
		}
		if !strings.HasPrefix(first, "sip:tgruu.") || !strings.HasSuffix(first, "@example.org;gr") || strings.Contains(first, "alice") {
			t.Errorf("temporary GRUU %q", first)
		}
		if strings.Contains(answer, "Require:") || strings.Contains(answer, "Supported:") {
			t.Errorf("§5.2: no option-tag in the answer\n%s", answer)
		}
		_, second := gruus(t, w.register("a", 3, contact, "Supported: gruu"))
		if second == first || second[:30] == first[:30] {
			t.Errorf("refreshes give new ones that cannot be linked: %s %s", first, second)
		}
		if _, again := gruus(t, w.register("q", 1, "Supported: gruu")); again != second {
			t.Errorf("a query gives the newest: %s, want %s", again, second)
		}
		for _, g := range []string{public, first, second} {
			if aor, instance, ok := w.leads(g); !ok || aor != alice || instance != urn {
				t.Errorf("%s leads to %q %q %v", g, aor, instance, ok)
			}
		}
		// Another Call-ID: the ones from before are dead.
		_, third := gruus(t, w.register("b", 1, contact, "Supported: gruu"))
		for g, want := range map[string]bool{public: true, first: false, second: false, third: true} {
			if _, _, ok := w.leads(g); ok != want {
				t.Errorf("after the Call-ID changed: %s valid: %v", g, ok)
			}
		}
		if !w.r.Reachable(alice, strings.ToUpper(urn)) || w.r.Reachable(alice, urn+"0") {
			t.Error("Reachable")
		}
		// The last contact gone: temporary ones die, even if it comes back the same.
		w.register("b", 2, contact+";expires=0")
		if _, _, ok := w.leads(third); ok {
			t.Error("temporary GRUU outlives the contact")
		}
		if _, _, ok := w.leads(public); !ok || w.r.Reachable(alice, urn) {
			t.Error("the public GRUU stays, without a contact")
		}
		w.register("b", 3, contact, "Supported: gruu")
		if _, _, ok := w.leads(third); ok {
			t.Error("temporary GRUU is back from the dead")
		}
	})
}

// Temporary GRUUs of an instance with two flows share their fate.
func TestGRUUWithTwoFlows(t *testing.T) {
	in(t, func(w *world) {
		contact := func(id string) string {
			return "Contact: <sip:a@h" + id + ">;+sip.instance=\"<" + urn + ">\";reg-id=" + id
		}
		_, first := gruus(t, w.register("a", 1, contact("1"), "Supported: outbound, gruu"))
		w.register("b", 1, contact("2"), "Supported: outbound, gruu")
		if _, _, ok := w.leads(first); !ok {
			t.Error("a second flow ends it")
		}
		w.register("a", 2, contact("1")+";expires=0")
		if _, _, ok := w.leads(first); !ok {
			t.Error("the end of one of two flows ends it")
		}
		w.register("c", 1, contact("2"))
		if _, _, ok := w.leads(first); ok {
			t.Error("the Call-ID of the other flow changed")
		}
	})
}

func TestGRUUOverRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		w := newWorld(t, st)
		_, g := gruus(t, w.register("a", 1, "Contact: <sip:a@h>;+sip.instance=\"<"+urn+">\"", "Supported: gruu"))
		w.stop()
		w = newWorld(t, st)
		defer w.stop()
		if err := w.r.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if aor, _, ok := w.leads(g); !ok || aor != alice {
			t.Errorf("%s leads to %q %v", g, aor, ok)
		}
	})
}

func TestNoGRUU(t *testing.T) {
	in(t, func(w *world) {
		w.register("a", 1, "Contact: <sip:a@h>;+sip.instance=\"<"+urn+">\"", "Supported: gruu")
		_, g := gruus(t, w.register("a", 2, "Contact: <sip:a@h>;+sip.instance=\"<"+urn+">\"", "Supported: gruu"))
		user := g[len("sip:") : len(g)-len("@example.org;gr")]
		for _, uri := range []string{
			alice + ";gr", alice + ";gr=unknown", "sip:tgruu.x@example.org;gr", "sip:tgruu.@example.org;gr", "sip:example.org;gr=" + urn,
			"sip:" + user + "@example.net;gr", "sip:" + user[:20] + "A" + user[21:] + "B@example.org;gr", "sip:" + user[:len(user)-4] + "@example.org;gr",
		} {
			if aor, instance, ok := w.leads(uri); ok {
				t.Errorf("%s leads to %q %q", uri, aor, instance)
			}
		}
		if got := PublicGRUU(store.Binding{AOR: alice, Instance: "no urn at all"}); got != "" {
			t.Errorf("public GRUU %q", got)
		}
		odd := store.Binding{AOR: alice, Instance: "urn:x:a;b c=\"d\""}
		if _, instance, ok := w.leads(PublicGRUU(odd)); !ok || instance != odd.Instance {
			t.Errorf("%s leads to %q", PublicGRUU(odd), instance)
		}
	})
}

func FuzzOpenToken(f *testing.F) {
	m := newMinter([]byte("secret"))
	token, _ := m.mint("alice", "example.org", "0123456789abcdef", 7)
	f.Add(token)
	f.Add("tgruu.AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		user, era, ok := m.open(s, "example.org")
		if ok && (user != "alice" || era != "0123456789abcdef") {
			t.Fatalf("%q opens as %q %q", s, user, era)
		}
	})
}

// RFC 5626 §6: what the answer says of outbound.
func TestOutbound(t *testing.T) {
	contact := "Contact: <sip:a@h>;+sip.instance=\"<" + urn + ">\";reg-id=1"
	for _, tc := range []struct {
		name  string
		lines []string
		want  int
		done  bool
	}{
		{"first hop", []string{contact, "Supported: path, outbound"}, 200, true},
		{"required", []string{contact, "Require: outbound"}, 200, true},
		{"edge proxy with ob", []string{contact, "Supported: path, outbound", "Path: <sip:tok@edge;lr;ob>"}, 200, true},
		{"not asked for", []string{contact, "Supported: path"}, 200, false},
		{"no reg-id", []string{"Contact: <sip:a@h>;+sip.instance=\"<" + urn + ">\"", "Supported: outbound"}, 200, false},
		{"reg-id without instance", []string{"Contact: <sip:a@h>;reg-id=1", "Supported: outbound"}, 200, false},
		{"removal", []string{contact + ";expires=0", "Supported: outbound"}, 200, false},
		{"edge proxy without", []string{contact, "Supported: path, outbound", "Path: <sip:edge;lr>"}, 439, false},
		{"proxy without Path", []string{"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", contact, "Supported: outbound"}, 439, false},
		{"proxy, client without outbound", []string{"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", contact}, 200, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(w *world) {
				answer := w.register("a", 1, tc.lines...)
				w.expect(answer, tc.want)
				if strings.Contains(answer, "Require: outbound\r\nFlow-Timer: 120\r\n") != tc.done || strings.Contains(answer, "Flow-Timer") != tc.done {
					t.Errorf("answer\n%s", answer)
				}
				// RFC 6223 §5: the same interval, with outbound or without.
				if tc.want == 200 && !strings.Contains(answer, ";keep=120;") {
					t.Errorf("keep-alives are not taken up:\n%s", answer)
				}
			})
		})
	}
}

func (w *world) connect(id uint64) (*wire.Flow, func()) {
	return wire.NewConnection(id, "TCP", here, there, w.sent)
}

// RFC 5626 §7: with the flow go its bindings, but a client may come back.
func TestFlowClosed(t *testing.T) {
	in(t, func(w *world) {
		f1, hangUp := w.connect(1)
		f2, hangUp2 := w.connect(2)
		w.registerOver(f1, "a", 1, "Contact: <sip:a@h>", "Expires: 3600")
		w.registerOver(f1, "b", 1, "Contact: <sip:b@h>", "Expires: 3600")
		w.register("c", 1, "Contact: <sip:c@h>", "Expires: 3600") // UDP
		hangUp()
		synctest.Wait()
		lost := func() (n int) {
			for _, b := range w.r.Registrations(alice) {
				if b.Ends.Before(b.Expires) {
					n++
				}
			}
			return n
		}
		if lost() != 2 || len(w.contacts()) != 3 {
			t.Errorf("%d lost, contacts %q", lost(), w.contacts())
		}
		time.Sleep(50 * time.Second)
		w.registerOver(f2, "a", 2, "Contact: <sip:a@h>", "Expires: 3600") // back
		if lost() != 1 {
			t.Errorf("%d lost after one is back", lost())
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := strings.Join(w.contacts(), " "); got != "sip:a@h sip:c@h" {
			t.Errorf("after the grace time: %q", got)
		}
		if changed, _ := w.news(); strings.Join(changed, " ") != "1 2 3 2" {
			t.Errorf("presence was told %q", changed)
		}
		stored := 0
		_ = w.st.LoadBindings(t.Context(), time.Now(), func(store.Binding) error { stored++; return nil })
		if stored != 2 {
			t.Errorf("%d rows are left", stored)
		}
		w.registerOver(f2, "a", 3, "Contact: <sip:a@h>;expires=0")
		hangUp2() // nothing depends on it
		synctest.Wait()
		if got := strings.Join(w.contacts(), " "); got != "sip:c@h" || lost() != 0 {
			t.Errorf("in the end: %q, %d lost", got, lost())
		}
	})
}

// A proxy's connection says nothing about the client behind it.
func TestFlowOfProxyClosed(t *testing.T) {
	in(t, func(w *world) {
		f, hangUp := w.connect(1)
		w.registerOver(f, "a", 1, "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", "Contact: <sip:a@h>")
		hangUp()
		time.Sleep(10 * time.Minute)
		if got := w.contacts(); len(got) != 1 {
			t.Errorf("contacts %q", got)
		}
	})
}

// Nor does that of a trusted hop that stands for its clients.
func TestFlowOfTrustedHopClosed(t *testing.T) {
	in(t, func(w *world) {
		w.trusted = true
		f, hangUp := w.connect(1)
		w.expect(w.registerOver(f, "a", 1, "Contact: <sip:a@h>;+sip.instance=\"<"+urn+">\";reg-id=1", "Supported: outbound"), 200, "Require: outbound")
		hangUp()
		time.Sleep(10 * time.Minute)
		if got := w.contacts(); len(got) != 1 {
			t.Errorf("contacts %q", got)
		}
	})
}

// After a restart no connection is left; clients get twice the time.
func TestFlowsAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		w := newWorld(t, st)
		f, _ := w.connect(1)
		w.registerOver(f, "a", 1, "Contact: <sip:a@h>", "Expires: 3600")
		w.register("b", 1, "Contact: <sip:b@h>", "Expires: 3600") // UDP
		w.stop()
		w = newWorld(t, st)
		defer w.stop()
		if err := w.r.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(119 * time.Second)
		if got := w.contacts(); len(got) != 2 {
			t.Errorf("within the time: %q", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := strings.Join(w.contacts(), " "); got != "sip:b@h" {
			t.Errorf("after it: %q", got)
		}
	})
}

func TestServiceRoute(t *testing.T) {
	in(t, func(w *world) {
		w.r.cfg.ServiceRoute = []string{"<sip:a;lr>", "<sip:b;lr>"}
		w.expect(w.register("a", 1, "Contact: <sip:a@h>"), 200, "Service-Route: <sip:a;lr>, <sip:b;lr>\r\n")
	})
}
