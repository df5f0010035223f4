package registrar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store/memory"
)

// modelBinding is what RFC 3261 §10.3 says about one contact.
type modelBinding struct {
	callID  string
	cseq    int
	expires time.Time
}

// model is a registrar for one address, written down naively.
type model map[string]modelBinding

func (m model) sweep(now time.Time) {
	for c, b := range m {
		if !b.expires.After(now) {
			delete(m, c)
		}
	}
}

// register returns the status that is owed and applies the request if it is 200.
func (m model) register(callID string, cseq int, contacts map[string]int, star bool, now time.Time) int {
	m.sweep(now)
	for c := range m {
		_, touched := contacts[c]
		if (touched || star) && m[c].callID == callID && m[c].cseq >= cseq {
			return 500
		}
	}
	next := model{}
	for c, b := range m {
		if !star {
			next[c] = b
		}
	}
	for c, seconds := range contacts {
		delete(next, c)
		if seconds > 0 {
			next[c] = modelBinding{callID, cseq, now.Add(time.Duration(seconds) * time.Second)}
		}
	}
	if len(next) > len(m) && len(next) > 4 {
		return 403
	}
	clear(m)
	for c, b := range next {
		m[c] = b
	}
	return 200
}

func (m model) contacts(now time.Time) []string {
	m.sweep(now)
	var out []string
	for c, b := range m {
		out = append(out, fmt.Sprintf("%s %d", c, int(b.expires.Sub(now).Seconds())))
	}
	slices.Sort(out)
	return out
}

// step is one thing that happens: time passes, the server starts anew, or a
// REGISTER arrives.
type step struct {
	wait     time.Duration
	restart  bool
	callID   string
	cseq     int
	star     bool
	contacts map[string]int // to the expires asked for
}

func drawStep(t *rapid.T) step {
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		return step{wait: time.Duration(rapid.IntRange(1, 200).Draw(t, "seconds")) * time.Second}
	case 1:
		return step{restart: true}
	}
	s := step{
		callID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "Call-ID"), cseq: rapid.IntRange(1, 8).Draw(t, "CSeq"),
		star: rapid.IntRange(0, 7).Draw(t, "star") == 0,
	}
	if !s.star {
		s.contacts = rapid.MapOfN(
			rapid.SampledFrom([]string{"sip:a@h", "sip:b@h", "sip:c@h", "sip:d@h", "sip:e@h", "sip:f@h"}),
			rapid.SampledFrom([]int{0, 60, 100, 3600}), 1, 3).Draw(t, "contacts")
	}
	return s
}

// Whatever clients do, restarts included, the registrar is where the model is.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 20).Draw(rt, "steps")
		var failure string
		synctest.Test(t, func(t *testing.T) { failure = runSteps(t, steps) })
		if failure != "" {
			rt.Fatal(failure)
		}
	})
}

func runSteps(t *testing.T, steps []step) (failure string) {
	st := memory.New()
	w := newWorld(t, st)
	defer func() { w.stop() }()
	m := model{}
	for i, s := range steps {
		switch {
		case s.wait > 0:
			time.Sleep(s.wait)
		case s.restart:
			w.stop()
			w = newWorld(t, st)
			if err := w.r.Restore(t.Context()); err != nil {
				return err.Error()
			}
		default:
			if failure := runRegister(w, m, s); failure != "" {
				return fmt.Sprintf("step %d: %s", i, failure)
			}
		}
		synctest.Wait()
		var got []string
		for _, b := range w.r.Bindings(alice) {
			got = append(got, fmt.Sprintf("%s %d", b.Contact, int(time.Until(b.Expires).Seconds())))
		}
		slices.Sort(got)
		if want := m.contacts(time.Now()); !slices.Equal(got, want) {
			return fmt.Sprintf("step %d: bindings %q, want %q", i, got, want)
		}
	}
	return ""
}

func runRegister(w *world, m model, s step) (failure string) {
	lines := []string{"Contact: *", "Expires: 0"}
	if !s.star {
		var values []string
		for c, expires := range s.contacts {
			values = append(values, fmt.Sprintf("<%s>;expires=%d", c, expires))
		}
		lines = []string{"Contact: " + strings.Join(values, ", ")}
	}
	want := m.register(s.callID, s.cseq, s.contacts, s.star, time.Now())
	answer := w.register(s.callID, s.cseq, lines...)
	if !strings.HasPrefix(answer, fmt.Sprintf("SIP/2.0 %d ", want)) {
		return fmt.Sprintf("REGISTER %q: want %d, got\n%s", lines, want, answer)
	}
	return ""
}
