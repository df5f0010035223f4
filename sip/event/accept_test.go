package event

import "testing"

// RFC 3261 §20.1, RFC 2616 §14.1
func TestQualities(t *testing.T) {
	const full, partial = "application/pidf+xml", "application/pidf-diff+xml"
	for _, tt := range []struct {
		accept             string // lines
		full, partial      int
		prefersPartial     bool
		stored, storedAs   int // ranges, and index of the one below
		storedText, reason string
	}{
		{accept: "", full: 0, partial: 0},
		{accept: "Accept: application/pidf+xml;q=0.3, application/pidf-diff+xml;q=1\r\n", full: 300, partial: 1000, prefersPartial: true,
			stored: 2, storedText: "application/pidf+xml;q=0.3", reason: "RFC 5263 §5"},
		{accept: "Accept: application/pidf-diff+xml;q=0.3, application/pidf+xml\r\n", full: 1000, partial: 300, stored: 2, storedText: "application/pidf-diff+xml;q=0.3"},
		{accept: "Accept: application/pidf+xml, Application/PIDF-diff+xml\r\n", full: 1000, partial: 1000, prefersPartial: true, stored: 2, storedAs: 1, storedText: partial},
		{accept: "Accept: application/pidf+xml, application/pidf-diff+xml;q=0\r\n", full: 1000, stored: 2, storedText: full},
		{accept: "Accept: application/pidf+xml;q=0\r\n", stored: 1, storedText: "application/pidf+xml;q=0", reason: "not the same as no Accept"},
		{accept: "Accept: application/pidf+xml;q=0, application/pidf-diff+xml;q=0.0\r\n", stored: 2, storedText: "application/pidf+xml;q=0"},
		{accept: "Accept: application/*;q=0.5, application/pidf+xml;q=0\r\n", partial: 500, stored: 2, storedText: "application/*;q=0.5"},
		{accept: "Accept: */*;q=0.25, application/*;q=0.5\r\n", full: 500, partial: 500, stored: 2, storedText: "*/*;q=0.25", reason: "a range is no wish for partial"},
		{accept: "Accept: application/pidf-diff+xml, */*;q=0.01\r\n", full: 10, partial: 1000, prefersPartial: true, stored: 2, storedText: partial},
		{accept: "Accept: application/pidf+xml;q=x, text/plain;Q=0.0001\r\n", full: 1000, stored: 2, storedAs: 1, storedText: "text/plain;q=0.001"},
		{accept: "Accept: application/pidf+xml;charset=utf-8;q=.5\r\n", full: 500, stored: 1, storedText: "application/pidf+xml;q=0.5"},
	} {
		r := &rig{t: t, sender: &fakeSender{}}
		ranges := parseAccept(r.request(sub{extra: tt.accept}), []string{full, partial})
		for _, ranges := range [...][]string{ranges, splitList(joinList(ranges), []string{full})} {
			s := &Subscription{Accept: ranges}
			if len(ranges) != tt.stored || tt.stored > 0 && ranges[tt.storedAs] != tt.storedText {
				t.Errorf("%q: kept as %q", tt.accept, ranges)
			}
			if f, p := wanted(ranges, full), wanted(ranges, partial); f != tt.full || p != tt.partial || s.Prefers(partial, full) != tt.prefersPartial {
				t.Errorf("%q: %d and %d, prefers partial: %v (%s)", tt.accept, f, p, s.Prefers(partial, full), tt.reason)
			}
		}
	}
}

// A body that came before is not new in a refresh without one, nor when a refresh
// is taken back.
func TestNewBody(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		tag := r.establish(sub{body: "a"})
		s := r.pkg.opened[0]
		expect := func(what, body string, fresh bool) {
			t.Helper()
			if string(s.Body) != body || s.BodyNew != fresh {
				t.Errorf("%s: %q, new: %v", what, s.Body, s.BodyNew)
			}
		}
		expect("first", "a", true)
		r.subscribe(sub{toTag: tag})
		r.take()
		expect("refresh without one", "a", false)
		r.subscribe(sub{toTag: tag, body: "b"})
		r.take()
		expect("refresh", "b", true)
		r.pkg.again = &Refusal{Status: 488}
		r.subscribe(sub{toTag: tag, body: "c"})
		r.take()
		expect("refused", "b", false)
	})
}
