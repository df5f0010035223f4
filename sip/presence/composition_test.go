package presence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
)

func overrideOf(aor string) store.DocumentKey {
	return store.DocumentKey{XUI: aor, AUID: storedAUID, Path: overridePath}
}

func person(activity string) string {
	return `<dm:person id="p"><rpid:activities><rpid:` + activity + `/></rpid:activities></dm:person>`
}

func (r *rig) expectShown(what string, has, hasNot string) {
	r.t.Helper()
	body := r.view(amy).Body
	if has != "" && !bytes.Contains(body, []byte(has)) || hasNot != "" && bytes.Contains(body, []byte(hasNot)) {
		r.t.Errorf("%s: want %q and not %q in\n%s", what, has, hasNot, body)
	}
}

// What the user has stored as override counts at once, over devices, until it is
// removed or over.
func TestOverride(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.put(overrideOf(amy), document(person("vacation")))
		r.expectShown("alone", "vacation", "")
		r.must(amy, typed+"Expires: 7200", document(tuple("a", "open")+person("working")))
		r.expectShown("published", "vacation", "working")
		if got := r.tuples(amy); got["a"] != "open" {
			t.Errorf("tuples %v", got)
		}
		r.news(Event, amy)
		r.remove(overrideOf(amy))
		if r.news(Event, amy) != 1 {
			t.Error("nobody was told of the removal")
		}
		r.expectShown("removed", "working", "vacation")
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		r.put(overrideOf(amy), document(`<dm:person id="p"><rpid:activities until="`+until+`"><rpid:busy/></rpid:activities><dm:note>back soon</dm:note></dm:person>`))
		if r.news(Event, amy) != 1 {
			t.Error("nobody was told of the override")
		}
		r.expectShown("until", "back soon", "working")
		time.Sleep(time.Hour - time.Second)
		r.expectShown("nearly over", "busy", "working")
		time.Sleep(time.Second + 2*tick)
		if r.news(Event, amy) != 1 {
			t.Error("nobody was told of the end")
		}
		r.expectShown("over", "working", "back soon")
	})
}

// An override outlives a restart, as it is a document.
func TestOverrideAfterRestart(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.put(overrideOf(amy), document(person("vacation")))
		r.must(amy, typed, document(tuple("a", "open")+person("working")))
		next := newRig(t, Config{}, r.store)
		defer next.close()
		if err := next.s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		next.expectShown("after the restart", "vacation", "working")
	})
}

// A call shows while it lasts and hides nothing.
func TestCalling(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.must(amy, typed, document(tuple("a", "open")+person("working")))
		r.news(Event, amy)
		for _, calling := range []bool{true, true, false, false} {
			r.s.SetCalling(amy, calling)
		}
		if got := r.news(Event, amy); got != 2 {
			t.Errorf("told %d times", got)
		}
		r.s.SetCalling(amy, true)
		r.news(Event, amy)
		r.expectShown("calling", "on-the-phone", "")
		r.expectShown("calling", "working", "")
		r.s.SetCalling(amy, false)
		r.news(Event, amy)
		r.expectShown("no more", "working", "on-the-phone")
	})
}

// Nothing but a call is known of somebody: it is not forgotten meanwhile.
func TestCallOfOneWithoutDevices(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.s.SetCalling(amy, true)
		time.Sleep(2*idleTime + time.Second)
		r.news(Event, amy)
		r.expectShown("calling", "on-the-phone", "")
		r.s.SetCalling(amy, false)
		r.news(Event, amy)
		r.expectShown("no more", "closed", "on-the-phone")
	})
}

// Two devices that contradict each other: whoever says something new is believed at
// once, but not for ever in turn.
func TestSettling(t *testing.T) {
	inBubble(t, Config{SettleWindow: 10 * time.Second}, func(t *testing.T, r *rig) {
		tags := [2]string{}
		say := func(device int, activity string) {
			headers := typed
			if tags[device] != "" {
				headers += "SIP-If-Match: " + tags[device]
			}
			tags[device] = r.must(amy, headers, document(strings.Replace(person(activity), `"p"`, fmt.Sprintf(`"p%d"`, device), 1)))
			time.Sleep(100 * time.Millisecond)
		}
		say(0, "away")
		r.expectShown("first", "away", "")
		began := time.Now()
		for i, activity := range []string{"busy", "meal", "meeting", "travel"} {
			say(1-i%2, activity)
			r.expectShown(activity, activity, "")
		}
		r.news(Event, amy)
		say(1, "vacation")
		r.expectShown("once too often", "travel", "vacation")
		if r.news(Event, amy) != 0 {
			t.Error("watchers were told")
		}
		say(0, "presentation")
		r.expectShown("who leads is believed", "presentation", "vacation")
		say(1, "shopping")
		time.Sleep(time.Until(began.Add(10*time.Second + 200*time.Millisecond + 2*tick)))
		r.expectShown("settled", "shopping", "presentation")
		r.must(amy, refresh(tags[1])+"Expires: 0", "")
		r.expectShown("who leads leaves", "presentation", "shopping")
	})
}

// What is published again as it was does not come before what another device said
// since.
func TestRepetitionIsNoNews(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		stamped := func(activity string) string {
			at := time.Now().UTC().Format(time.RFC3339Nano)
			return document(strings.Replace(person(activity), "</dm:person>", "<dm:timestamp>"+at+"</dm:timestamp></dm:person>", 1))
		}
		a := r.must(amy, typed, stamped("away"))
		time.Sleep(time.Minute)
		r.must(amy, typed, strings.Replace(stamped("busy"), `"p"`, `"q"`, 1))
		r.expectShown("the second", "busy", "away")
		for range 3 {
			time.Sleep(time.Minute)
			a = r.must(amy, typed+"SIP-If-Match: "+a, stamped("away"))
			r.expectShown("repeated", "busy", "away")
		}
		r.must(amy, typed+"SIP-If-Match: "+a, stamped("meal"))
		r.expectShown("something else", "meal", "busy")
	})
}

func TestMostRestrictive(t *testing.T) {
	inBubble(t, Config{Conflict: pidf.Restrictive}, func(t *testing.T, r *rig) {
		tag := r.must(amy, typed, document(person("busy")))
		time.Sleep(time.Second)
		r.must(amy, typed, document(strings.Replace(person("playing"), `"p"`, `"q"`, 1)))
		r.expectShown("both", "busy", "playing")
		r.must(amy, refresh(tag)+"Expires: 0", "")
		r.expectShown("one", "playing", "busy")
	})
}

// How somebody went who is not there.
func TestEndings(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		expect := func(what string, want Ending) {
			t.Helper()
			in, err := r.s.Inspect(t.Context(), amy, bo)
			if err != nil || in.Ending != want || in.Seen.IsZero() != (want == NeverSeen) {
				t.Errorf("%s: %v at %v, %v", what, in.Ending, in.Seen, err)
			}
		}
		expect("never", NeverSeen)
		tag := r.must(amy, typed+"Expires: 60", document(tuple("a", "open")))
		r.must(amy, refresh(tag)+"Expires: 0", "")
		expect("removed", Left)
		r.must(amy, typed+"Expires: 60", document(tuple("a", "open")))
		time.Sleep(2 * time.Minute)
		expect("expired", PublicationExpired)
		r.s.SetBindings(amy, []pidf.Registration{{ID: "1"}})
		r.s.SetBindings(amy, nil)
		expect("unregistered", RegistrationEnded)
		r.users.set(amy, false)
		r.s.UserChanged(amy)
		r.news(Event, amy)
		expect("removed account", NeverSeen)
	})
}
