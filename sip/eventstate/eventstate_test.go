package eventstate

import (
	"context"
	"errors"
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
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const amy = "sip:amy@example.test"

var here = netip.MustParseAddrPort("192.0.2.1:5060")

type users struct{ err error }

func (u users) Get(context.Context, string) (store.User, error) { return store.User{}, u.err }

// request makes a PUBLISH; the answer is put where answer points.
func request(t interface{ Fatal(...any) }, transport, lines, body string, answer *string) *wire.Request {
	text := "PUBLISH " + amy + " SIP/2.0\r\nVia: SIP/2.0/" + transport + " h;branch=z9hG4bK1\r\nFrom: <" + amy + ">;tag=a\r\nTo: <" + amy + ">\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n" +
		lines + "Content-Type: text/plain\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	req, _, err := wire.ParseRequest([]byte(text), wire.NewFlow(transport, here, here, func(b []byte) error { *answer = string(b); return nil }))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// words is a package whose documents are words; its state is all of them.
func words() Terms[string] {
	return Terms[string]{Event: "words", Accept: []string{"text/plain"},
		Read: func(kind string, body []byte, old *Publication[string]) (Content[string], error) {
			switch string(body) {
			case "bad":
				return Content[string]{}, errors.New("a \"bad\" word\r\n")
			case "worse":
				return Content[string]{}, &Refusal{wire.Response{Status: 488}}
			}
			return Content[string]{kind, body, string(body)}, nil
		},
		Supersedes: func(next, old string) bool { return next[:1] == old[:1] },
	}
}

func join(set Set[string], _ string) string {
	var out []string
	for _, p := range set {
		out = append(out, p.Doc)
	}
	return strings.Join(out, " ")
}

func TestRouter(t *testing.T) {
	served := false
	r := Router{
		Admission: Admission{Publishers: map[string]bool{"sip:pbx@x": true}, AllowEvents: []string{"a", "b"}}, Users: users{},
		Packages: map[string]Publisher{"a": publisherFunc(func() { served = true })},
	}
	for _, tt := range []struct {
		name, lines, who, want string
		err                    error
	}{
		{"served", "Event: a\r\n", amy, "", nil},
		{"unknown package", "Event: c\r\n", amy, "489", nil},
		{"no package", "", amy, "489", nil},
		{"a publisher", "Event: c\r\n", "sip:pbx@x", "489", nil},
		{"somebody else", "Event: c\r\n", "sip:bo@x", "403", nil},
		{"nobody", "Event: c\r\n", "", "403", nil},
		{"extension first", "Event: c\r\nRequire: x\r\n", amy, "420", nil},
		{"no account", "Event: c\r\n", amy, "404", store.ErrNotFound},
		{"store down", "Event: c\r\n", amy, "503", store.ErrUnavailable},
	} {
		served = false
		r.Users = users{tt.err}
		var answer string
		r.Publish(t.Context(), request(t, "UDP", tt.lines, "", &answer), amy, auth.Identity{AOR: tt.who})
		status, _, _ := strings.Cut(strings.TrimPrefix(answer, "SIP/2.0 "), " ")
		if status != tt.want || served != (tt.want == "") {
			t.Errorf("%s: %q", tt.name, answer)
		}
		if tt.want == "489" && !strings.Contains(answer, "Allow-Events: a, b\r\n") {
			t.Errorf("%s: %s", tt.name, answer)
		}
	}
}

type publisherFunc func()

func (f publisherFunc) Publish(context.Context, *wire.Request, string, auth.Identity) { f() }

type rig struct {
	t       interface{ Fatal(...any) }
	s       *Service[string, string]
	store   *memory.Store
	pool    *shard.Pool
	wheel   *wheel.Wheel
	changed int
}

func newRig(t interface{ Fatal(...any) }, st *memory.Store) *rig {
	r := &rig{t: t, store: st, pool: shard.New(100, nil), wheel: wheel.New(50 * time.Millisecond)}
	r.s = New(Config{
		Store: st, Users: users{}, Pool: r.pool, Wheel: r.wheel, Metrics: metrics.New(), FlowGrace: time.Minute,
		Limits: Limits{MinExpires: time.Minute, DefaultExpires: time.Hour, MaxExpires: 2 * time.Hour, MaxPublications: 3, MaxBody: 100},
	}, words(), join)
	r.s.Notify(func(string, string) { r.changed++ })
	if err := r.s.Restore(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) close() {
	r.s.Stop()
	r.wheel.Stop()
	_ = r.pool.Stop(context.Background())
}

func (r *rig) publish(transport, lines, body string) (status, etag string) {
	var answer string
	req := request(r.t, transport, "Event: words\r\n"+lines, body, &answer)
	r.pool.Post(shard.Index(amy), func() { r.s.Publish(context.Background(), req, amy, auth.Identity{AOR: amy}) })
	synctest.Wait()
	status, _, _ = strings.Cut(strings.TrimPrefix(answer, "SIP/2.0 "), " ")
	_, rest, _ := strings.Cut(answer, "SIP-ETag: ")
	etag, _, _ = strings.Cut(rest, "\r\n")
	return status, etag
}

func (r *rig) state() (state string) {
	r.pool.Post(shard.Index(amy), func() { state = r.s.State(amy) })
	synctest.Wait()
	return state
}

// libpurple takes a 412 for the end of publishing.
func TestUnknownTagOfLibpurple(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, memory.New())
		defer func() { r.close() }()
		purple := "User-Agent: Purple/2.14.12\r\n"
		for _, tc := range []struct{ lines, body, status, state string }{
			{"SIP-If-Match: gone\r\n", "a1", "412", ""},
			{"SIP-If-Match: gone\r\nExpires: 0\r\n" + purple, "a1", "412", ""},
			{"SIP-If-Match: gone\r\n" + purple, "", "412", ""},
			{"SIP-If-Match: gone\r\n" + purple, "a1", "200", "a1"},
		} {
			if status, _ := r.publish("TCP", tc.lines, tc.body); status != tc.status || r.state() != tc.state {
				t.Errorf("%q, body %q: %s, state %q", tc.lines, tc.body, status, r.state())
			}
		}
	})
}

func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, memory.New())
		expect := func(what, want string) {
			t.Helper()
			if got := r.state(); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		for body, want := range map[string]string{"bad": "400", "worse": "488", strings.Repeat("x", 101): "413"} {
			if status, _ := r.publish("UDP", "", body); status != want {
				t.Errorf("%.5s: %s", body, status)
			}
		}
		_, a := r.publish("UDP", "", "a1")
		time.Sleep(time.Second)
		r.publish("TCP", "", "b1")
		time.Sleep(time.Second)
		expect("two", "a1 b1")
		n := r.changed
		_, a = r.publish("UDP", "SIP-If-Match: "+a+"\r\n", "")
		if r.changed != n {
			t.Error("a refresh is news")
		}
		r.publish("UDP", "", "b2")
		expect("superseded, in its place", "a1 b2")
		time.Sleep(time.Second)
		r.publish("TCP", "", "c1")
		expect("three", "a1 b2 c1")
		time.Sleep(time.Second)
		r.publish("UDP", "", "d1")
		expect("room for three", "b2 c1 d1")
		if status, _ := r.publish("UDP", "SIP-If-Match: "+a+"\r\n", ""); status != "412" {
			t.Errorf("evicted: %s", status)
		}
		r.s.flowClosed(amy, wire.NewFlow("TCP", here, here, nil).Ref())
		time.Sleep(59 * time.Second)
		expect("during the grace", "b2 c1 d1")
		time.Sleep(2 * time.Second)
		expect("after the grace", "b2 d1")
		st := r.store
		r.close()
		r = newRig(t, st)
		defer func() { r.close() }()
		expect("after a restart", "b2 d1")
		_, e := r.publish("TCP", "", "e1")
		time.Sleep(time.Second) // a restart keeps the order of times
		r.publish("TCP", "", "f1")
		r.close()
		r = newRig(t, st)
		expect("after another", "d1 e1 f1")
		time.Sleep(119 * time.Second)
		r.publish("TCP", "SIP-If-Match: "+e+"\r\n", "")
		time.Sleep(2 * time.Second)
		expect("who did not come back is gone", "d1 e1")
		time.Sleep(time.Hour)
		expect("expired", "")
		rows := 0
		if err := st.LoadPublications(context.Background(), time.Time{}, func(store.Publication) error { rows++; return nil }); err != nil || rows != 0 {
			t.Errorf("%d rows left, %v", rows, err)
		}
	})
}

// Whatever is published, refused, renewed and removed, memory is what the store
// says, in bounds, and every tag but the latest of a publication is dead.
func TestMemoryIsWhatIsStored(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, memory.New())
			defer r.close()
			tags := []string{"none"}
			used := map[string]bool{}
			for range rapid.IntRange(1, 25).Draw(rt, "steps") {
				lines := ""
				tag := rapid.SampledFrom(append([]string{""}, tags...)).Draw(rt, "tag")
				if tag != "" {
					lines = "SIP-If-Match: " + tag + "\r\n"
				}
				if rapid.IntRange(0, 5).Draw(rt, "remove") == 0 {
					lines += "Expires: 0\r\n"
				}
				if rapid.IntRange(0, 5).Draw(rt, "fail") == 0 {
					r.store.Fail(store.ErrUnavailable)
				}
				body := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "a2", "bad"}).Draw(rt, "body")
				status, etag := r.publish("UDP", lines, body)
				r.store.Fail(nil)
				if status == "200" {
					if tag != "" && used[tag] {
						t.Fatalf("tag used twice")
					}
					used[tag] = true
					tags = append(tags, etag)
				}
				delete(used, "")
				time.Sleep(time.Duration(rapid.IntRange(0, 2000).Draw(rt, "seconds")) * time.Second)
				synctest.Wait()
				byLineage := map[string]string{}
				if err := r.store.LoadPublications(context.Background(), time.Now(), func(p store.Publication) error { byLineage[p.Lineage] = string(p.Body); return nil }); err != nil {
					t.Fatal(err)
				}
				stored := len(byLineage)
				if got := r.state(); len(strings.Fields(got)) != stored || stored > 3 {
					t.Fatalf("%q in memory, stored %s", got, fmt.Sprint(byLineage))
				}
			}
		})
	})
}
