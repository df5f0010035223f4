package dialog

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"rollcall/internal/auth"
	"rollcall/internal/metrics"
	"rollcall/internal/resourcelist"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/sip/event"
	"rollcall/sip/eventstate"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	amy = "sip:amy@example.test"
	bo  = "sip:bo@example.test"
	pbx = "sip:pbx@example.test"
	far = "sip:x@elsewhere.test"
)

type users struct{ *memory.Store }

func (u users) Get(ctx context.Context, aor string) (store.User, error) { return u.User(ctx, aor) }

// rig is a service on a store that forgets.
type rig struct {
	t     *testing.T
	s     *Service
	store *memory.Store
	pool  *shard.Pool
	wheel *wheel.Wheel
	news  int
	calls int
}

func inBubble(t *testing.T, virtual bool, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, store: memory.New()}
		if err := r.store.AddUsers(context.Background(), []store.User{{AOR: amy}}, false); err != nil {
			t.Fatal(err)
		}
		r.open(virtual)
		defer r.close()
		test(r)
	})
}

func (r *rig) open(virtual bool) {
	r.pool = shard.New(100, func(v any) { r.t.Errorf("panic: %v", v) })
	r.wheel = wheel.New(50 * time.Millisecond)
	rules := policy.NewEngine(r.store, &resourcelist.Resolver{Docs: r.store, Roots: []string{"http://x/xcap-root"}}, policy.Options{AUIDs: []string{policy.AUIDDialogRules}})
	r.s = New(Config{
		Config: eventstate.Config{
			Store: r.store, Users: users{r.store}, Pool: r.pool, Wheel: r.wheel, Metrics: metrics.New(), FlowGrace: time.Minute,
			Admission: eventstate.Admission{Publishers: map[string]bool{pbx: true}, AllowEvents: []string{Event}},
			Limits:    eventstate.Limits{MinExpires: time.Minute, DefaultExpires: time.Hour, MaxExpires: 2 * time.Hour, MaxPublications: 16, MaxBody: 64 << 10},
		},
		Policy: rules, Virtual: virtual,
	})
	r.s.Notify(func(string, string) { r.news++ })
	if err := r.s.Restore(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) close() {
	r.s.Stop()
	r.wheel.Stop()
	if err := r.pool.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) on(fn func()) {
	r.pool.Post(shard.Index(amy), fn)
	synctest.Wait()
}

// publish sends a PUBLISH and returns the status and the tag.
func (r *rig) publish(who, tag, body string) (int, string) {
	r.t.Helper()
	r.calls++
	text := fmt.Sprintf("PUBLISH %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%d\r\nFrom: <%s>;tag=a\r\nTo: <%s>\r\nCall-ID: c%d\r\nCSeq: 1 PUBLISH\r\nEvent: dialog\r\n",
		amy, r.calls, who, amy, r.calls)
	if tag != "" {
		text += "SIP-If-Match: " + tag + "\r\n"
	}
	if body != "" {
		text += "Content-Type: " + ContentType + "\r\n"
	}
	text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	var answer string
	here := netip.MustParseAddrPort("192.0.2.1:5060")
	req, _, err := wire.ParseRequest([]byte(text), wire.NewFlow("UDP", here, here, func(b []byte) error { answer = string(b); return nil }))
	if err != nil {
		r.t.Fatal(err)
	}
	r.on(func() { r.s.Publish(context.Background(), req, amy, auth.Identity{AOR: who}) })
	status, _ := strconv.Atoi(strings.Fields(answer)[1])
	_, rest, _ := strings.Cut(answer, "SIP-ETag: ")
	etag, _, _ := strings.Cut(rest, "\r\n")
	return status, etag
}

func (r *rig) must(who, tag, body string) string {
	r.t.Helper()
	status, etag := r.publish(who, tag, body)
	if status != 200 {
		r.t.Fatalf("PUBLISH answered %d", status)
	}
	return etag
}

func info(state string, dialogs ...string) string {
	return `<dialog-info xmlns="` + namespace + `" version="0" state="` + state + `" entity="` + amy + `">` + strings.Join(dialogs, "") + `</dialog-info>`
}

// call writes a dialog: "id call-id local remote state".
func call(text string) string {
	f := strings.Fields(text)
	for i := range f {
		if f[i] == "-" {
			f[i] = ""
		}
	}
	return fmt.Sprintf(`<dialog id="%s" call-id="%s" local-tag="%s" remote-tag="%s"><state>%s</state></dialog>`, f[0], f[1], f[2], f[3], f[4])
}

// lamp is one subscription.
type lamp struct {
	r   *rig
	src event.Source
}

func (r *rig) watch(watcher string) (*lamp, error) {
	l := &lamp{r: r}
	var err error
	r.on(func() {
		l.src, err = r.s.Package().Open(context.Background(), &event.Subscription{ID: "1", Event: Event, Resource: amy, Watcher: watcher, Shard: shard.Index(amy)})
	})
	return l, err
}

// sees is what a NOTIFY would say: state of the document, then call-id:state.
func (l *lamp) sees(full bool) string {
	l.r.t.Helper()
	var out string
	l.r.on(func() {
		v, ok := l.src.View(full)
		switch {
		case !ok:
			out = "nothing"
			return
		case v.State != event.Active:
			out = v.State.String() + v.Reason
			return
		}
		doc, err := parse(v.Body, 1<<20)
		if err != nil {
			l.r.t.Error(err)
			return
		}
		out = "full"
		if doc.partial {
			out = "partial"
		}
		for _, d := range doc.dialogs {
			out += " " + d.callID + ":" + phases[d.phase]
		}
	})
	return out
}

func (l *lamp) expect(what string, full bool, want string) {
	l.r.t.Helper()
	if got := l.sees(full); got != want {
		l.r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// RFC 4235 §3.7.1, §3.9, §3.10: one call, told by a PBX and by the phone.
func TestOneCall(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		l, err := r.watch(bo)
		if err != nil {
			t.Fatal(err)
		}
		l.expect("idle", true, "full")
		p := r.must(pbx, "", info("full", call("1 c1 a - trying")))
		l.expect("trying", false, "partial c1:trying")
		l.expect("again", false, "nothing")
		phone := r.must(amy, "", info("full", call("x c1 a b early")))
		l.expect("the phone is ahead", false, "partial c1:early")
		p = r.must(pbx, p, info("partial", call("1 c1 a b proceeding")))
		l.expect("the PBX is behind", false, "nothing")
		p = r.must(pbx, p, info("full", call("1 c1 a b confirmed"), call("2 c2 q - trying")))
		l.expect("another call", false, "partial c1:confirmed c2:trying")
		phone = r.must(amy, phone, info("full", call("x c1 a b terminated")))
		l.expect("hung up", false, "partial c1:terminated")
		l.expect("all there is", true, "full c2:trying")
		r.must(amy, phone, info("full"))
		l.expect("the PBX has not noticed", false, "nothing")
		n := r.news
		p = r.must(pbx, p, "")
		if r.news != n {
			t.Error("a refresh is news")
		}
		r.must(pbx, p, info("full"))
		l.expect("nobody speaks of it any more", false, "partial c2:terminated")
	})
}

// An id without Call-ID stands for one call after the other.
func TestLampWithoutCallID(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		l, _ := r.watch(bo)
		l.sees(true)
		tag := ""
		for range 2 {
			tag = r.must(pbx, tag, info("full", call("101 - - - confirmed")))
			l.expect("busy", false, "partial :confirmed")
			tag = r.must(pbx, tag, info("full", call("101 - - - terminated")))
			l.expect("free", false, "partial :terminated")
		}
	})
}

func TestExpiry(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		l, _ := r.watch(bo)
		r.must(pbx, "", info("full", call("1 c1 a b confirmed")))
		l.expect("busy", true, "full c1:confirmed")
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		l.expect("expired", false, "partial c1:terminated")
		if len(r.s.State(amy)) != 0 {
			t.Error("state is left")
		}
	})
}

func TestRestore(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		tag := r.must(pbx, "", info("full", call("1 c1 a b early"), call("2 c2 a b early")))
		tag = r.must(pbx, tag, info("partial", call("1 c1 a b confirmed")))
		r.close()
		r.open(false)
		l, _ := r.watch(bo)
		l.expect("after the restart", true, "full c1:confirmed c2:early")
		r.must(pbx, tag, "")
	})
}

func TestRefusals(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		ok := info("full", call("1 c a b early"))
		for _, tt := range []struct {
			name, who, tag, body string
			status               int
		}{
			{"owner", amy, "", ok, 200},
			{"somebody", bo, "", ok, 403},
			{"unknown tag", amy, "x", ok, 412},
			{"nothing", amy, "", "", 400},
			{"no XML", amy, "", "<dialog-info", 400},
			{"other root", amy, "", "<x/>", 400},
			{"no state of the document", amy, "", strings.Replace(ok, ` state="full"`, "", 1), 400},
			{"no state of the dialog", amy, "", info("full", `<dialog id="1"/>`), 400},
			{"no such state", amy, "", info("full", call("1 c a b ringing")), 400},
			{"no id", amy, "", info("full", `<dialog><state>early</state></dialog>`), 400},
			{"id twice", amy, "", info("full", call("1 c a b early"), call("1 c a b early")), 400},
			{"bad direction", amy, "", info("full", `<dialog id="1" direction="up"><state>early</state></dialog>`), 400},
			{"partial without old", amy, "", info("partial", call("1 c a b early")), 200},
		} {
			if got, _ := r.publish(tt.who, tt.tag, tt.body); got != tt.status {
				t.Errorf("%s: %d, want %d", tt.name, got, tt.status)
			}
		}
	})
}

func TestWhoMaySubscribe(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		may := func(watcher string) string {
			if _, err := r.watch(watcher); err != nil {
				return err.Error()
			}
			return "yes"
		}
		for watcher, want := range map[string]string{amy: "yes", bo: "yes", far: "refused with 403", "": "refused with 403"} {
			if got := may(watcher); got != want {
				t.Errorf("without rules, %q: %s", watcher, got)
			}
		}
		l, _ := r.watch(bo)
		r.must(pbx, "", info("full", call("1 c1 a b confirmed")))
		key := store.DocumentKey{XUI: amy, AUID: policy.AUIDDialogRules, Path: "index"}
		rules := func(handling string) {
			old, _ := r.store.Document(context.Background(), key)
			doc := store.Document{DocumentKey: key, ETag: old.ETag + "x", Modified: time.Now(), Body: []byte(
				`<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:d="urn:ag-projects:xml:ns:dialog-rules"><cp:rule id="r"><cp:conditions><cp:identity>` +
					`<cp:one id="` + bo + `"/><cp:one id="` + far + `"/></cp:identity></cp:conditions><cp:actions><d:sub-handling>` + handling + `</d:sub-handling></cp:actions></cp:rule></cp:ruleset>`)}
			if err := r.store.PutDocument(context.Background(), doc, old.ETag, nil); err != nil {
				t.Fatal(err)
			}
			told := ""
			r.s.DocumentChanged(key, func(event, resource string) { told = event + resource })
			if told != Event+amy {
				t.Errorf("told %q of a change of the rules", told)
			}
		}
		rules("allow")
		if may(far) != "yes" || may(pbx) != "refused with 403" {
			t.Errorf("with rules %s and %s", may(far), may(pbx))
		}
		l.expect("allow", true, "full c1:confirmed")
		rules("polite-block")
		l.expect("polite-block", false, "partial c1:terminated")
		rules("confirm")
		l.expect("confirm", false, "pending")
		rules("block")
		l.expect("block", false, "terminatedrejected")
	})
}

// RFC 4235 §3.7.2: others learn only that there is a call.
func TestVirtual(t *testing.T) {
	inBubble(t, true, func(r *rig) {
		r.must(pbx, "", info("full", call("1 c1 a b trying")))
		own, _ := r.watch(amy)
		other, _ := r.watch(bo)
		other.expect("trying", true, "full")
		own.expect("trying", true, "full c1:trying")
		r.must(pbx, "", info("full", call("2 c2 a b early")))
		other.expect("ringing", false, "partial :confirmed")
		own.expect("ringing", false, "partial c2:early")
	})
}

// What documents are written can be read, and says the same.
func TestWrite(t *testing.T) {
	want := dialog{id: "i<&\"", callID: "c", localTag: "l", remoteTag: "r", direction: "initiator", phase: terminated, event: "rejected", code: 486,
		local: party{"A \"&", "sip:a@x;y=<", "sip:t"}, remote: party{identity: "sip:b@x"}}
	doc, err := parse(write(amy, 7, true, []dialog{want}), 1<<20)
	if err != nil || !doc.partial || len(doc.dialogs) != 1 || doc.dialogs[0] != want {
		t.Errorf("%+v, %v", doc, err)
	}
}

// The merge, whatever publishers say in whatever order: a dialog is never behind
// the furthest of those who speak of it, never goes back, and has one id for life.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type key struct{ callID string }
		var before calls
		furthest := map[key]phase{}
		ids := map[key]string{}
		said := map[string]map[key]phase{} // by publication
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			who := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "publisher")
			said[who] = map[key]phase{}
			for _, c := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.ID).Draw(t, "calls") {
				said[who][key{c}] = phase(rapid.IntRange(0, int(terminated)).Draw(t, "phase"))
			}
			var set eventstate.Set[*document]
			spoken := map[key]phase{}
			for _, lineage := range []string{"1", "2", "3"} {
				doc := &document{}
				for _, c := range []string{"c", "a", "b"} {
					if p, ok := said[lineage][key{c}]; ok {
						doc.dialogs = append(doc.dialogs, dialog{id: lineage + c, callID: c, localTag: "l", phase: p})
						spoken[key{c}] = max(spoken[key{c}], p)
					}
				}
				set = append(set, &eventstate.Publication[*document]{Publication: store.Publication{Lineage: lineage}, Doc: doc})
			}
			before = compose(set, before)
			if len(before) != len(spoken) {
				t.Fatalf("%d dialogs of %d", len(before), len(spoken))
			}
			for k := range furthest {
				if _, still := spoken[k]; !still {
					delete(furthest, k)
					delete(ids, k)
				}
			}
			taken := map[string]bool{}
			for _, e := range before {
				k := key{e.callID}
				furthest[k] = max(furthest[k], spoken[k])
				if e.phase != furthest[k] {
					t.Fatalf("%s is %s, want %s", e.callID, phases[e.phase], phases[furthest[k]])
				}
				if id, known := ids[k]; known && id != e.id || taken[e.id] {
					t.Fatalf("id %s of %s, was %s", e.id, e.callID, id)
				}
				ids[k], taken[e.id] = e.id, true
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(info("full", call("1 c a b early"))))
	f.Add([]byte(info("partial", `<dialog id="1" direction="recipient"><state event="error" code="500">terminated</state><remote><identity display="x">sip:a</identity><target uri="sip:b"/></remote></dialog>`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := parse(body, 1<<16)
		if err != nil {
			return
		}
		again, err := parse(write(amy, 0, doc.partial, doc.dialogs), 1<<20)
		if err != nil || len(again.dialogs) != len(doc.dialogs) {
			t.Fatalf("%v: %s", err, body)
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	var set eventstate.Set[*document]
	for p := range 4 {
		doc := &document{}
		for i := range 20 {
			doc.dialogs = append(doc.dialogs, dialog{id: strconv.Itoa(i), callID: "c" + strconv.Itoa(i), localTag: "l", phase: confirmed})
		}
		set = append(set, &eventstate.Publication[*document]{Publication: store.Publication{Lineage: strconv.Itoa(p)}, Doc: doc})
	}
	before := compose(set, nil)
	b.ReportAllocs()
	for b.Loop() {
		before = compose(set, before)
	}
}

// Who is in a call, for presence: from confirmed to the end, whoever told of it.
func TestCalling(t *testing.T) {
	inBubble(t, false, func(r *rig) {
		p, want := "", []bool{false, false, true, false}
		for i, phase := range []string{"trying", "early", "confirmed", "terminated"} {
			p = r.must(pbx, p, info("full", call("1 c1 a b "+phase), call("2 c2 a b terminated")))
			if got := r.s.Calling(amy); got != want[i] {
				t.Errorf("%s: %v", phase, got)
			}
		}
		r.must(pbx, p, info("full", call("3 c3 a b confirmed")))
		if !r.s.Calling(amy) {
			t.Error("no call")
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if r.s.Calling(amy) {
			t.Error("the publication is over")
		}
	})
}
