package presence

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/policy"
	"rollcall/sip/event"
)

func TestViewByHandling(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		if v := r.view(bo); v.State != event.Pending {
			t.Errorf("RFC 3857 §4.7.1: without a document %v", v.State)
		}
		r.rules(amy)
		if v := r.view(bo); v.State != event.Terminated || v.Reason != "rejected" {
			t.Errorf("RFC 5025 §3.2.1: without a rule %v %s", v.State, v.Reason)
		}
		r.must(amy, typed, document(tuple("a", "open")))
		r.rules(amy, "allow "+bo, "polite-block "+cy, "confirm sip:dd@example.test")
		if got := r.tuples(bo); got["a"] != "open" {
			t.Errorf("allowed sees %v", got)
		}
		if got := r.tuples(amy); got["a"] != "open" {
			t.Errorf("the owner sees %v", got)
		}
		if v := r.view("sip:dd@example.test"); v.State != event.Pending || v.Body != nil {
			t.Errorf("to be confirmed sees %v %s", v.State, v.Body)
		}
		if v := r.view(cy); v.State != event.Active || !bytes.Equal(v.Body, pidf.Offline(amy, pidf.OfflineTupleID(amy))) {
			t.Errorf("politely blocked sees %v %s", v.State, v.Body)
		}
		if v := r.s.View(context.Background(), "sip:x@elsewhere.test", bo); v.State != event.Terminated || v.Reason != "noresource" {
			t.Errorf("of somebody unknown %v %s", v.State, v.Reason)
		}
	})
}

// RFC 5025 §3.2.1: nothing that happens shows, and it looks like being offline.
func TestPoliteBlockIsConstant(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.rules(amy, "polite-block "+bo, "allow "+cy)
		offline := r.view(cy)
		first := r.view(bo)
		if first.Tag != offline.Tag || !bytes.Equal(first.Body, offline.Body) {
			t.Errorf("not as offline:\n%s\n%s", first.Body, offline.Body)
		}
		r.must(amy, typed, document(tuple("a", "open")))
		r.s.SetBindings(amy, []pidf.Registration{{ID: "1", Q: 1000, Expires: time.Now().Add(time.Hour)}})
		r.put(hardOf(amy), document(tuple("h", "closed")))
		if v := r.view(bo); v.Tag != first.Tag || !bytes.Equal(v.Body, first.Body) {
			t.Errorf("it shows:\n%s", v.Body)
		}
	})
}

// Render once, send to many.
func TestViewsAreShared(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.rules(amy, "allow "+bo, "allow "+cy)
		r.must(amy, typed, document(tuple("a", "open")))
		v, w := r.view(bo), r.view(cy)
		if &v.Body[0] != &w.Body[0] || v.Tag != w.Tag {
			t.Error("rendered twice")
		}
	})
}

func TestHardState(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.view(amy)
		r.put(hardOf(amy), document(tuple("h", "closed")+"<note>away</note>"))
		if got := r.tuples(amy); got["h"] != "closed" {
			t.Errorf("stored: %v", got)
		}
		if r.news(Event, amy) == 0 {
			t.Error("nobody was told")
		}
		tag := r.must(amy, typed, document(tuple("a", "open")))
		if got := r.tuples(amy); len(got) != 1 || got["a"] != "open" {
			t.Errorf("published: %v", got)
		}
		r.must(amy, refresh(tag)+"Expires: 0", "")
		if got := r.tuples(amy); got["h"] != "closed" {
			t.Errorf("fallback: %v", got)
		}
		r.remove(hardOf(amy))
		if got := r.tuples(amy); got["h"] != "" || len(got) != 1 {
			t.Errorf("removed: %v", got)
		}
	})
}

func TestRegistrarState(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.view(amy)
		reg := []pidf.Registration{{ID: "1", Contact: amy, Q: 1000, Expires: time.Now().Add(time.Minute)}}
		r.s.SetBindings(amy, reg)
		if r.news(Event, amy) != 1 || !strings.Contains(string(r.view(amy).Body), ">open<") {
			t.Errorf("registered: %s", r.view(amy).Body)
		}
		r.s.SetBindings(amy, reg) // a refresh
		if r.news(Event, amy) != 0 {
			t.Error("refresh told")
		}
		r.must(amy, typed+"Expires: 60", document(tuple("a", "closed")))
		if got := r.tuples(amy); len(got) != 1 || got["a"] != "closed" {
			t.Errorf("published closed: %v", got)
		}
		time.Sleep(61 * time.Second)
		r.s.SetBindings(amy, nil)
		synctest.Wait()
		if strings.Contains(string(r.view(amy).Body), ">open<") {
			t.Errorf("unregistered: %s", r.view(amy).Body)
		}
	})
}

// RFC 4480 §3.2: what has an end ends then.
func TestElementsEnd(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		until := time.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339)
		r.must(amy, typed, document(`<dm:person id="p"><rpid:activities until="`+until+`"><rpid:meeting/></rpid:activities></dm:person>`))
		if !bytes.Contains(r.view(amy).Body, []byte("meeting")) {
			t.Fatal("not shown")
		}
		r.news(Event, amy)
		time.Sleep(10*time.Minute + 2*tick)
		if r.news(Event, amy) != 1 || bytes.Contains(r.view(amy).Body, []byte("meeting")) {
			t.Errorf("%s", r.view(amy).Body)
		}
	})
}

// RFC 5025 §3.1.2: a change of sphere decides anew.
func TestSphereChange(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.put(store.DocumentKey{XUI: amy, AUID: policy.AUIDPresRules, Path: "index"},
			ruleset("confirm "+bo, "polite-block "+bo+` <cr:sphere value="work"/>`))
		sub := subscription("s1", bo, time.Hour)
		if _, v, err := r.subscribe(sub); err != nil || v.State != event.Pending {
			t.Fatal(v.State, err)
		}
		person := func(s string) string {
			return document(`<dm:person id="p"><rpid:sphere><rpid:` + s + `/></rpid:sphere></dm:person>`)
		}
		tag := r.must(amy, typed, person("work"))
		if v := r.view(bo); v.State != event.Active {
			t.Errorf("at work: %v", v.State)
		}
		r.expectWinfo("bo active approved")
		r.must(amy, typed+"SIP-If-Match: "+tag, person("home"))
		r.expectWinfo("bo pending subscribe")
	})
}

// RFC 4745 §7.4: validity boundaries are watched.
func TestValidity(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		from := time.Now().Add(time.Hour).UTC()
		r.rules(amy, "confirm "+bo, "allow "+bo+" <cr:validity><cr:from>"+from.Format(time.RFC3339)+"</cr:from><cr:until>"+
			from.Add(time.Hour).Format(time.RFC3339)+"</cr:until></cr:validity>")
		if _, v, err := r.subscribe(subscription("s1", bo, 4*time.Hour)); err != nil || v.State != event.Pending {
			t.Fatal(v.State, err)
		}
		r.news(Event, amy)
		time.Sleep(time.Hour + 2*tick)
		r.expectWinfo("bo active approved")
		if r.news(Event, amy) == 0 || r.view(bo).State != event.Active {
			t.Error("did not begin")
		}
		time.Sleep(time.Hour)
		r.expectWinfo("bo pending subscribe")
	})
}

// brokenPolicy cannot decide for a while.
type brokenPolicy struct{ until time.Time }

func (b brokenPolicy) Decide(context.Context, policy.Request) (policy.Decision, error) {
	if time.Now().Before(b.until) {
		return policy.Decision{}, errors.New("store down")
	}
	return policy.Decision{Handling: policy.Allow, Transform: policy.Everything()}, nil
}

func (brokenPolicy) DocumentChanged(store.DocumentKey) []string { return nil }

// Without a decision the least is shown, and it is made later.
func TestNoDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside := brokenPolicy{time.Now().Add(12 * time.Second)}
		r := newRig(t, Config{Policy: inside}, newMemory())
		defer r.close()
		if v := r.view(bo); v.State != event.Pending || v.Body != nil {
			t.Fatalf("%v", v.State)
		}
		for range 4 {
			time.Sleep(4 * time.Second)
			if r.news(Event, amy) > 0 {
				r.view(bo) // as the notifier would
			}
		}
		if v := r.view(bo); v.State != event.Active {
			t.Errorf("%v", v.State)
		}
	})
}

func TestUserComesAndGoes(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.rules(amy, "allow "+bo)
		tag := r.must(amy, typed, document(tuple("a", "open")))
		if _, _, err := r.subscribe(subscription("s1", bo, time.Hour)); err != nil {
			t.Fatal(err)
		}
		r.news(Event, amy)
		r.users.set(amy, false)
		r.s.UserChanged(amy)
		if r.news(Event, amy) == 0 {
			t.Error("nobody was told")
		}
		if v := r.view(bo); v.State != event.Terminated || v.Reason != "noresource" {
			t.Errorf("%v %s", v.State, v.Reason)
		}
		r.expectWinfo("bo terminated noresource")
		r.users.set(amy, true)
		r.s.UserChanged(amy)
		if a := r.publish(amy, refresh(tag), ""); a.status != 412 {
			t.Errorf("publication of the former account: %d", a.status)
		}
	})
}

// What nobody needs is not kept.
func TestIdlePresentitiesAreDropped(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.view(amy)
		r.must(bo, typed+"Expires: 60", document(tuple("a", "open")))
		synctest.Wait()
		time.Sleep(idleTime + time.Second)
		synctest.Wait()
		if r.s.find(amy) != nil {
			t.Error("amy is still there")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if r.s.find(bo) != nil {
			t.Error("bo is still there")
		}
		if v := r.view(amy); v.State != event.Active && v.State != event.Pending {
			t.Errorf("%v", v.State)
		}
	})
}

func BenchmarkView(b *testing.B) {
	r := newRig(b, Config{}, newMemory())
	defer r.close()
	if err := r.store.PutDocument(context.Background(), store.Document{DocumentKey: rulesOf(amy), Body: []byte(ruleset("allow " + bo)), ETag: "1"}, "", nil); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if v := r.s.View(ctx, amy, bo); v.State != event.Active {
			b.Fatal(v.State)
		}
	}
}
