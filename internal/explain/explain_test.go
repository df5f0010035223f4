package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rollcall/internal/pidf"
	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/xmlscan"
	"rollcall/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	alice = "sip:alice@example.org"
	bob   = "sip:bob@example.org"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a Source that a test sets up.
type world struct {
	t             *testing.T
	store         *memory.Store
	live          bool
	unknown       bool
	registrations []Registration
	documents     []string // published
	agent         string
	hard          bool
	override      string
	calling       bool
	ends          time.Time // of publications, when their connection is gone
	seen          time.Time
	ending        string
	subscriptions []Subscription
	subErr        error
	watchers      []Watcher
	engine        *policy.Engine
}

func newWorld(t *testing.T) *world {
	st := memory.New()
	w := &world{t: t, store: st, live: true, agent: "Blink 6.0.1 (Linux)"}
	w.engine = policy.NewEngine(st, &resourcelist.Resolver{Docs: st, Roots: []string{"/xcap-root"}}, policy.Options{})
	return w
}

// operator has the operator of all domains decide something.
func (w *world) operator(decide func(t *policy.Tenant)) {
	t := policy.DefaultTenant()
	decide(&t)
	w.engine = policy.NewEngine(w.store, &resourcelist.Resolver{Docs: w.store, Roots: []string{"/xcap-root"}},
		policy.Options{Tenants: policy.Tenants{"": &t}})
}

func (w *world) put(auid, body string) {
	key := store.DocumentKey{XUI: bob, AUID: auid, Path: "index"}
	old, _ := w.store.Document(w.t.Context(), key)
	doc := store.Document{DocumentKey: key, Body: []byte(body), ETag: "e" + old.ETag, Modified: noon.Add(-72 * time.Hour)}
	if err := w.store.PutDocument(w.t.Context(), doc, old.ETag, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) Live() bool { return w.live }

func (w *world) User(_ context.Context, aor string) (store.User, error) {
	if w.unknown {
		return store.User{}, store.ErrNotFound
	}
	return store.User{AOR: aor}, nil
}

func (w *world) Registrations(context.Context, string) ([]Registration, error) {
	return w.registrations, nil
}

func (w *world) State(_ context.Context, aor string) (State, error) {
	s := State{Hard: w.hard, Override: w.override != "", Calling: w.calling, Seen: w.seen, Ending: w.ending}
	c := pidf.Composition{AOR: aor, Now: noon, Trace: true, OnPhone: w.calling}
	if w.override != "" {
		doc, err := pidf.Parse([]byte(w.override), xmlscan.DefaultLimits())
		if err != nil {
			return s, err
		}
		c.Override = doc
	}
	for i, body := range w.documents {
		doc, err := pidf.Parse([]byte(body), xmlscan.DefaultLimits())
		if err != nil {
			return s, err
		}
		c.Soft = append(c.Soft, pidf.Input{Lineage: string(rune('a' + i)), Doc: doc, Published: noon.Add(-time.Minute)})
		s.Publications = append(s.Publications, Publication{
			Lineage: string(rune('a' + i)), UserAgent: w.agent, Published: noon.Add(-10 * time.Minute), Expires: noon.Add(time.Hour), Ends: noon.Add(time.Hour),
			Says: Says([]byte(body)), Body: body,
		})
		if !w.ends.IsZero() {
			s.Publications[i].Ends = w.ends
		}
	}
	s.Composed = pidf.Compose(c)
	return s, nil
}

func (w *world) Decide(ctx context.Context, req policy.Request) (policy.Report, error) {
	return w.engine.Report(ctx, req)
}

func (w *world) View(context.Context, string, string) View { return View{} }

func (w *world) Subscriptions(context.Context, string, string) ([]Subscription, error) {
	return w.subscriptions, w.subErr
}

func (w *world) Watchers(context.Context, string) ([]Watcher, error) { return w.watchers, nil }

func rule(id, conditions, handling, transformations string) string {
	return `<cr:rule id="` + id + `"><cr:conditions>` + conditions + `</cr:conditions><cr:actions><pr:sub-handling>` + handling +
		`</pr:sub-handling></cr:actions>` + transformations + `</cr:rule>`
}

func rules(list ...string) string {
	var b bytes.Buffer
	b.WriteString(`<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">`)
	for _, r := range list {
		b.WriteString(r)
	}
	return b.String() + `</cr:ruleset>`
}

func anchor(list string) string {
	return `<ocp:external-list><ocp:entry anc="/xcap-root/resource-lists/users/` + bob + `/index/~~/resource-lists/list%5B@name=%22` + list + `%22%5D"/></ocp:external-list>`
}

// blink has bob use the rules of Blink, with alice on the list named.
func (w *world) blink(list string) {
	w.put("resource-lists", `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="oma_grantedcontacts"><entry uri="sip:carol@example.org"/>`+
		pick(list == "granted")+`</list><list name="oma_blockedcontacts">`+pick(list == "blocked")+`</list></resource-lists>`)
	w.put(policy.AUIDOMAPresRules, rules(
		rule("wp_prs_grantedcontacts", anchor("oma_grantedcontacts"), "allow", ""),
		rule("wp_prs_blockedcontacts", anchor("oma_blockedcontacts"), "polite-block", ""),
		rule("wp_prs_unlisted", `<ocp:other-identity/>`, "confirm", ""),
		rule("wp_prs_block_anonymous", `<ocp:anonymous-request/>`, "block", ""),
		rule("wp_prs_allow_own", `<cr:identity><cr:one id="`+bob+`"/></cr:identity>`, "allow", "")))
}

func pick(on bool) string {
	if on {
		return `<entry uri="` + alice + `"/>`
	}
	return ""
}

const busy = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:bob@example.org">
<tuple id="desk"><status><basic>open</basic></status><contact>sip:bob@example.org</contact><note>gone fishing</note></tuple>
<dm:person id="p"><rpid:activities><rpid:away/></rpid:activities></dm:person>
</presence>`

func phone() Registration {
	return Registration{
		Contact: "sip:bob@192.0.2.7:5062;transport=tcp", UserAgent: "Blink 6.0.1 (Linux)", Flow: "TCP 192.0.2.7:5062",
		Registered: noon.Add(-3 * time.Hour), Renewed: noon.Add(-5 * time.Minute), Expires: noon.Add(5 * time.Minute), Ends: noon.Add(5 * time.Minute),
	}
}

func asks(state string) Subscription {
	return Subscription{
		ID: "2a", State: state, Flow: "TCP 192.0.2.9:49152", Created: noon.Add(-26 * time.Hour), Expires: noon.Add(7 * time.Minute),
		Notify: &Notify{Sent: noon.Add(-4 * time.Minute), CSeq: 17, Answered: true, Status: 200},
	}
}

func listed(status, cause string) Watcher {
	return Watcher{Watcher: alice, Status: status, Cause: cause, Since: noon.Add(-26 * time.Hour), Expires: noon.Add(7 * time.Minute)}
}

// The text is for people: read the golden files when they change.
func TestText(t *testing.T) {
	for _, tt := range []struct {
		name    string
		watcher string
		set     func(w *world)
	}{
		{"all is well", alice, func(w *world) {
			w.blink("granted")
			w.registrations, w.documents = []Registration{phone()}, []string{busy}
			w.subscriptions, w.watchers = []Subscription{asks("active")}, []Watcher{listed("active", "approved")}
		}},
		{"no rules", alice, func(w *world) {
			w.registrations = []Registration{phone()}
			w.subscriptions, w.watchers = []Subscription{asks("pending")}, []Watcher{listed("pending", "subscribe")}
		}},
		{"not decided", alice, func(w *world) {
			w.blink("")
			w.watchers = []Watcher{listed("waiting", "timeout")}
		}},
		{"politely blocked", alice, func(w *world) {
			w.blink("blocked")
			w.registrations, w.documents = []Registration{phone()}, []string{busy}
			w.subscriptions = []Subscription{asks("active")}
		}},
		{"anonymous", "", func(w *world) { w.blink("") }},
		{"colleagues by the operator", alice, func(w *world) {
			w.operator(func(t *policy.Tenant) { t.NoDocument[policy.SameDomain] = policy.Allow })
			w.registrations, w.documents = []Registration{phone()}, []string{busy}
			w.subscriptions, w.watchers = []Subscription{asks("active")}, []Watcher{listed("active", "subscribe")}
		}},
		{"strangers kept out by the operator", "sip:eve@elsewhere.test", func(w *world) {
			w.operator(func(t *policy.Tenant) { t.Ceiling[policy.OtherDomains] = policy.Block })
			w.put("pres-rules", rules(rule("friends", `<cr:identity><cr:one id="sip:eve@elsewhere.test"/></cr:identity>`, "allow", "")))
		}},
		{"offline", alice, func(w *world) {
			w.blink("granted")
			s := asks("active")
			s.List = "sip:alice+presence@example.org"
			sent := asks("active")
			sent.List = "sip:rls@example.org;owner=" + alice
			w.subscriptions = []Subscription{s, sent}
		}},
		{"does not ask", alice, func(w *world) {
			w.blink("granted")
			w.documents, w.agent, w.hard = []string{busy}, "", true
		}},
		{"connection gone", alice, func(w *world) {
			w.blink("granted")
			w.documents = []string{busy}
			s := asks("active")
			s.Flow, s.Lost, s.Waiting = "", true, true
			s.Notify = &Notify{Sent: noon.Add(-time.Hour), CSeq: 3, Answered: true, Failure: "flow"}
			w.subscriptions = []Subscription{s}
			lost := phone()
			lost.Ends = noon.Add(40 * time.Second)
			w.registrations = []Registration{lost}
		}},
		{"two devices, a call and an override", alice, func(w *world) {
			w.blink("granted")
			w.documents = []string{busy, strings.NewReplacer("desk", "mobile", "activities", "mood", "away", "happy").Replace(busy)}
			w.override = strings.NewReplacer("away", "vacation").Replace(busy[:strings.Index(busy, "<tuple")] + busy[strings.Index(busy, "</tuple>")+8:])
			w.calling = true
		}},
		{"a call", alice, func(w *world) {
			w.blink("granted")
			w.documents = []string{busy}
			w.calling = true
		}},
		{"all connections gone", alice, func(w *world) {
			w.blink("granted")
			w.documents, w.ends = []string{busy}, noon.Add(30*time.Second)
		}},
		{"went without a word", alice, func(w *world) {
			w.blink("granted")
			w.seen, w.ending = noon.Add(-5*time.Minute), Expired
		}},
		{"said goodbye", alice, func(w *world) {
			w.blink("granted")
			w.seen, w.ending = noon.Add(-5*time.Minute), Left
		}},
		{"details hidden", alice, func(w *world) {
			w.put("pres-rules", rules(
				rule("friends", `<cr:identity><cr:one id="`+alice+`"/></cr:identity>`, "allow",
					`<cr:transformations><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-mood>true</pr:provide-mood></cr:transformations>`),
				rule("work", `<cr:sphere value="work"/>`, "allow", ""),
				rule("party", `<cr:validity><cr:from>2026-02-01T18:00:00Z</cr:from><cr:until>2026-02-01T23:00:00Z</cr:until></cr:validity>`, "allow", ""),
				rule("odd", `<nobody-knows xmlns="urn:x"/>`, "allow", "")))
			w.documents = []string{busy}
			w.subscriptions = []Subscription{asks("active")}
		}},
		{"document damaged", alice, func(w *world) {
			w.put("pres-rules", "<ruleset")
			w.put(policy.AUIDOMAPresRules, rules(rule("all", `<ocp:other-identity/>`, "allow", "")))
		}},
		{"rules changed behind the server", alice, func(w *world) {
			w.blink("blocked")
			_, err := w.engine.Decide(context.Background(), policy.Request{Presentity: bob, Watcher: alice, Now: noon})
			if err != nil {
				w.t.Fatal(err)
			}
			w.blink("granted")
		}},
		{"oneself", bob, func(w *world) { w.documents = []string{busy} }},
		{"no account", alice, func(w *world) { w.unknown = true }},
		{"stored", alice, func(w *world) {
			w.blink("granted")
			w.live = false
			s := asks("active")
			s.Notify = nil
			w.subscriptions = []Subscription{s}
			w.subErr = nil
		}},
		{"gist, filter and changes", alice, func(w *world) {
			w.blink("granted")
			w.documents = []string{busy}
			gist, parts := asks("active"), asks("active")
			gist.Forms, parts.Forms = []string{"gist"}, []string{"filter", "trigger", "changes"}
			w.subscriptions = []Subscription{gist, parts}
		}},
		{"store down", alice, func(w *world) { w.subErr = errors.New("store unavailable") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.set(w)
			var got bytes.Buffer
			r := Explain(t.Context(), w, tt.watcher, bob, noon)
			if err := r.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", tt.name+".txt"), got.Bytes())
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Programs read the JSON: its names stay.
func TestJSON(t *testing.T) {
	w := newWorld(t)
	w.blink("granted")
	w.documents = []string{busy}
	w.registrations, w.subscriptions, w.watchers = []Registration{phone()}, []Subscription{asks("active")}, []Watcher{listed("active", "approved")}
	got, err := json.MarshalIndent(Explain(t.Context(), w, alice, bob, noon), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "report.json"), append(got, '\n'))
}

// A publication whose sender is not known is recognized by its device.
func TestRecognize(t *testing.T) {
	w := newWorld(t)
	const instance = "urn:uuid:534815d2-0000-4000-8000-000000000000"
	w.agent = ""
	w.documents = []string{busy, strings.Replace(busy, "<note>", `<dm:deviceID>`+instance+`</dm:deviceID><note>`, 1)}
	other, same := phone(), phone()
	other.UserAgent, same.Instance = "Linphone", instance
	w.registrations = []Registration{other, same}
	r := Explain(t.Context(), w, alice, bob, noon)
	if a, b := r.Publications[0].UserAgent, r.Publications[1].UserAgent; a != "" || b != same.UserAgent {
		t.Errorf("published by %q and %q", a, b)
	}
}

// What clients call themselves does not reach the terminal as it is.
func TestControlCharacters(t *testing.T) {
	w := newWorld(t)
	w.agent = "Blink\x1b[2J\r\n\u009b"
	w.documents = []string{busy}
	var got bytes.Buffer
	if err := Explain(t.Context(), w, alice, bob, noon).WriteText(&got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.String(), "by Blink\ufffd[2J\ufffd\ufffd\ufffd, 10 minutes ago") {
		t.Errorf("%q", got.String())
	}
}

func FuzzSays(f *testing.F) {
	f.Add([]byte(busy))
	f.Add(pidf.Offline(bob, pidf.OfflineTupleID(bob)))
	f.Add([]byte("<a><note>\xf0\x9f\x8e\xa3</note>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if says := Says(body); says == "" || strings.ContainsAny(says, "\r\n\x00") {
			t.Errorf("%q", says)
		}
	})
}

func TestSays(t *testing.T) {
	for body, want := range map[string]string{
		busy: `online; activity away; note "gone fishing"`,
		string(pidf.Offline(bob, pidf.OfflineTupleID(bob))): "offline",
		`<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`:   "neither online nor offline",
		"<oops": "a document that cannot be read: line 1: not well-formed: unfinished tag",
	} {
		if got := Says([]byte(body)); got != want {
			t.Errorf("%s\nsays %q, want %q", body, got, want)
		}
	}
}
