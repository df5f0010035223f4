package metrics

import (
	"errors"
	"testing"
	"time"
)

func TestEverythingIsRegistered(t *testing.T) {
	m := New()
	m.SIPRequests.WithLabelValues("PUBLISH", "200").Inc()
	m.Commit(3, time.Millisecond, errors.New("disk full"))
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, s := range f.Metric {
			switch {
			case s.Counter != nil:
				got[f.GetName()] += s.Counter.GetValue()
			case s.Histogram != nil:
				got[f.GetName()] += s.Histogram.GetSampleSum()
			}
		}
	}
	for name, want := range map[string]float64{
		"rollcall_sip_requests_total": 1, "rollcall_commit_errors_total": 1, "rollcall_commit_batches": 3,
	} {
		if got[name] != want {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
	if _, ok := got["go_goroutines"]; !ok && len(families) < 10 {
		t.Error("runtime metrics are missing")
	}
}

// Two sets of metrics live side by side: tests start many servers in one process.
func TestNewTwice(t *testing.T) { New(); New() }
