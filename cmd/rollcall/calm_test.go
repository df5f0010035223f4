package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A warning that comes all the time is written once per second; nothing else suffers.
func TestWarningsAreCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newCalm(slog.NewTextHandler(&out, nil)))
		for range 1000 {
			log.With("resource", "sip:a@example.com").Warn("no decision")
			log.Info("SUBSCRIBE refused")
			time.Sleep(10 * time.Millisecond)
		}
		log.Error("database file")
		if n := strings.Count(out.String(), "no decision"); n < calmBurst+9 || n > calmBurst+11 {
			t.Errorf("%d warnings in 10 s", n)
		}
		if n := strings.Count(out.String(), "SUBSCRIBE refused"); n != 1000 {
			t.Errorf("%d other lines, want all", n)
		}
		if !strings.Contains(out.String(), "suppressed=99") || !strings.Contains(out.String(), "database file") {
			t.Errorf("written: %.2000s", out.String())
		}
	})
}
