package mwi

import (
	"context"
	"fmt"
	"net/netip"
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
	"rollcall/sip/event"
	"rollcall/sip/eventstate"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	amy = "sip:amy@example.test"
	bo  = "sip:bo@example.test"
	box = "sip:voicemail@example.test"
)

type users struct{ *memory.Store }

func (u users) Get(ctx context.Context, aor string) (store.User, error) { return u.User(ctx, aor) }

// RFC 3842 §5.2
func TestParse(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"Messages-Waiting: yes\r\n", "Messages-Waiting: yes\r\n"},
		{"messages-waiting: NO", "Messages-Waiting: no\r\n"},
		{"Messages-Waiting: yes\r\nMessage-Account: sip:a@x\r\nVoice-Message: 2/8 (0/2)\r\nFax-Message: 1/0\r\nX-Other: y\r\n\r\nTo: <a@x>\r\n",
			"Messages-Waiting: yes\r\nMessage-Account: sip:a@x\r\nVoice-Message: 2/8 (0/2)\r\nFax-Message: 1/0\r\n"},
		{"", "error"},
		{"Voice-Message: 1/0\r\n", "error"},
		{"Messages-Waiting: maybe", "error"},
		{"Messages-Waiting: yes\nVoice-Message: 1", "error"},
		{"Messages-Waiting: yes\nVoice-Message: a/b", "error"},
		{"Messages-Waiting: yes\nVoice-Message: 1/-1", "error"},
		{"Messages-Waiting: yes\nVoice-Message: 1/1 (1/1", "error"},
		{"Messages-Waiting: yes\nno colon", "error"},
		{"Messages-Waiting: yes\nMessage-Account: a\rb", "error"},
		{"Messages-Waiting: yes\n" + strings.Repeat("A: b\n", maxLines), "error"},
	} {
		got := "error"
		if s, err := parse([]byte(tt.body)); err == nil {
			got = string(s.append(nil))
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.body, got, tt.want)
		}
	}
}

func TestMerge(t *testing.T) {
	one, _ := parse([]byte("Messages-Waiting: no\r\nVoice-Message: 0/4294967295\r\n\r\nSubject: s\r\n"))
	two, _ := parse([]byte("Messages-Waiting: yes\r\nMessage-Account: sip:a@x\r\nVoice-Message: 2/8 (1/2)\r\nText-Message: 1/1\r\n"))
	for _, tt := range []struct {
		all  []*summary
		want string
	}{
		{nil, "Messages-Waiting: no\r\n"},
		{[]*summary{one}, string(one.body)},
		{[]*summary{one, two}, "Messages-Waiting: yes\r\nMessage-Account: sip:a@x\r\nVoice-Message: 2/4294967295 (1/2)\r\nText-Message: 1/1\r\n"},
	} {
		if got := string(merge(tt.all)); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// A merged summary can be read, and does not depend on the order of the mailboxes.
func TestMergeOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*summary
		for range rapid.IntRange(2, 4).Draw(t, "boxes") {
			s := &summary{waiting: rapid.Bool().Draw(t, "waiting")}
			for i := range s.classes {
				if rapid.Bool().Draw(t, "has") {
					n := rapid.Uint32()
					s.classes[i] = &counts{n.Draw(t, "new"), n.Draw(t, "old"), 0, 0, false}
				}
			}
			all = append(all, s)
		}
		body := string(merge(all))
		if _, err := parse([]byte(body)); err != nil {
			t.Fatal(err)
		}
		all[0], all[1] = all[1], all[0]
		if again := string(merge(all)); again != body {
			t.Fatalf("%q and %q", body, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Messages-Waiting: yes\r\nMessage-Account: sip:a@x\r\nVoice-Message: 2/8 (0/2)\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parse(body)
		if err != nil {
			return
		}
		if _, err := parse(s.append(nil)); err != nil {
			t.Errorf("%v: %q", err, s.append(nil))
		}
	})
}

// The mailbox publishes, the owner and nobody else sees.
func TestMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		if err := st.AddUsers(t.Context(), []store.User{{AOR: amy}}, false); err != nil {
			t.Fatal(err)
		}
		pool, w := shard.New(100, nil), wheel.New(50*time.Millisecond)
		defer pool.Stop(context.Background())
		defer w.Stop()
		s := New(eventstate.Config{
			Store: st, Users: users{st}, Pool: pool, Wheel: w, Metrics: metrics.New(),
			Admission: eventstate.Admission{Publishers: map[string]bool{box: true}},
			Limits:    eventstate.Limits{MinExpires: time.Minute, DefaultExpires: time.Hour, MaxExpires: time.Hour, MaxPublications: 4, MaxBody: 1000},
		}, "sip:switch@example.test")
		defer s.Stop()
		news := 0
		s.Notify(func(e, resource string) {
			if e+resource != Event+amy {
				t.Errorf("news of %s %s", e, resource)
			}
			news++
		})
		on := func(fn func()) { pool.Post(shard.Index(amy), fn); synctest.Wait() }
		open := func(watcher, resource string) (src event.Source, err error) {
			on(func() {
				src, err = s.Package().Open(t.Context(), &event.Subscription{Event: Event, Resource: resource, Watcher: watcher})
			})
			return src, err
		}
		for _, tt := range []struct{ watcher, resource, want string }{
			{bo, amy, "refused with 403 Not Your Mailbox"}, {"", amy, "refused with 403 Not Your Mailbox"}, {bo, bo, "refused with 404"},
			{box, bo, "refused with 404"}, {box, amy, ""}, {"sip:switch@example.test", amy, ""},
		} {
			got := ""
			if _, err := open(tt.watcher, tt.resource); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%s of %s: %q, want %q", tt.watcher, tt.resource, got, tt.want)
			}
		}
		src, err := open(amy, amy)
		if err != nil {
			t.Fatal(err)
		}
		shows := func(want string) {
			t.Helper()
			on(func() {
				if v, ok := src.View(false); !ok || v.State != event.Active || string(v.Body) != want {
					t.Errorf("%q, want %q", v.Body, want)
				}
			})
		}
		shows("Messages-Waiting: no\r\n")
		const body = "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n"
		var answer string
		here := netip.MustParseAddrPort("192.0.2.1:5060")
		req, _, err := wire.ParseRequest([]byte(fmt.Sprintf("PUBLISH %s SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <%s>;tag=a\r\nTo: <%s>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n"+
			"Event: message-summary\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", amy, box, amy, ContentType, len(body), body)),
			wire.NewFlow("UDP", here, here, func(b []byte) error { answer = string(b); return nil }))
		if err != nil {
			t.Fatal(err)
		}
		on(func() { s.Publish(t.Context(), req, amy, auth.Identity{AOR: box}) })
		if !strings.HasPrefix(answer, "SIP/2.0 200 ") || news != 1 {
			t.Errorf("%d news, answer %s", news, answer)
		}
		shows(body)
		if err := st.RemoveUser(t.Context(), amy); err != nil {
			t.Fatal(err)
		}
		s.UserChanged(amy)
		synctest.Wait()
		shows("Messages-Waiting: no\r\n")
	})
}
