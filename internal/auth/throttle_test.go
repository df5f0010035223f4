package auth

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Guessing leaves one line when it is stopped, not one for each guess.
func TestThrottleSaysSo(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	lines := func() int { return strings.Count(log.String(), "too many wrong passwords") }
	synctest.Test(t, func(t *testing.T) {
		th, source := NewThrottle(), netip.MustParseAddr("192.0.2.7")
		for range accountBurst - 1 {
			th.Failed(source, "sip:alice@example.org")
		}
		if lines() != 0 {
			t.Fatalf("too early:\n%s", &log)
		}
		for range 20 {
			th.Failed(source, "sip:alice@example.org")
			time.Sleep(accountRefill)
		}
		if lines() != 1 {
			t.Fatalf("want one line:\n%s", &log)
		}
		time.Sleep(accountBurst * accountRefill)
		for range accountBurst {
			th.Failed(source, "sip:alice@example.org")
		}
		if lines() != 2 {
			t.Fatalf("want another:\n%s", &log)
		}
	})
}
