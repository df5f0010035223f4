package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// report is the outcome of a run.
type report struct {
	Scenario string           `json:"scenario"`
	Setting  string           `json:"setting"`
	Phases   []phase          `json:"phases"`
	Checks   map[string]int64 `json:"checks"` // each must be zero for a clean run
	Notes    map[string]int64 `json:"notes,omitempty"`
	RSS      int64            `json:"rss_bytes,omitempty"`
	PerSub   int64            `json:"bytes_per_subscription,omitempty"`
}

// phase is one measured part of a run.
type phase struct {
	Name       string             `json:"name"`
	Operations uint64             `json:"operations"`
	Seconds    float64            `json:"seconds"`
	PerSecond  float64            `json:"per_second"`
	CPU        float64            `json:"server_cpu_us_per_operation,omitempty"`
	Latency    map[string]latency `json:"latency"`
}

// measure runs a phase; count tells afterwards how many operations it was.
func (o *options) measure(name string, run func() error, count func() uint64, latencies map[string]*histogram) (phase, error) {
	before, err := processUsage(o.PID)
	if err != nil {
		return phase{}, err
	}
	start := time.Now()
	if err := run(); err != nil {
		return phase{}, fmt.Errorf("%s: %w", name, err)
	}
	took := time.Since(start)
	after, err := processUsage(o.PID)
	if err != nil {
		return phase{}, err
	}
	p := phase{Name: name, Operations: count(), Seconds: took.Seconds(), Latency: map[string]latency{}}
	p.PerSecond = float64(p.Operations) / p.Seconds
	if p.Operations > 0 {
		p.CPU = float64((after.cpu - before.cpu).Microseconds()) / float64(p.Operations)
	}
	for label, h := range latencies {
		p.Latency[label] = h.summary()
	}
	return p, nil
}

// print writes the report and returns errFailed if a check is not zero.
func (r *report) print(out output, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else if err := r.printText(out); err != nil {
		return err
	}
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(r.Checks)) {
		if n := r.Checks[name]; n != 0 {
			failed = append(failed, fmt.Sprintf("%s: %d", name, n))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %s", errFailed, strings.Join(failed, ", "))
	}
	return nil
}

func (r *report) printText(out output) error {
	fmt.Fprintf(out, "%s: %s\n\n", r.Scenario, r.Setting)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "phase\toperations\tseconds\tper second\tserver CPU\tlatency\tp50\tp90\tp99\tmax")
	for _, p := range r.Phases {
		cpu := "-"
		if p.CPU > 0 {
			cpu = fmt.Sprintf("%.0f µs", p.CPU)
		}
		head := fmt.Sprintf("%s\t%d\t%.2f\t%.0f\t%s", p.Name, p.Operations, p.Seconds, p.PerSecond, cpu)
		for _, label := range slices.Sorted(maps.Keys(p.Latency)) {
			l := p.Latency[label]
			fmt.Fprintf(w, "%s\t%s\t%.2f ms\t%.2f ms\t%.2f ms\t%.2f ms\n", head, label, l.P50, l.P90, l.P99, l.Max)
			head = "\t\t\t\t"
		}
		if len(p.Latency) == 0 {
			fmt.Fprintf(w, "%s\t\t\t\t\t\n", head)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if r.RSS > 0 {
		fmt.Fprintf(out, "server memory: %.1f MB", float64(r.RSS)/(1<<20))
		if r.PerSub > 0 {
			fmt.Fprintf(out, ", %d bytes per subscription", r.PerSub)
		}
		fmt.Fprintln(out)
	}
	for _, list := range []map[string]int64{r.Notes, r.Checks} {
		for _, name := range slices.Sorted(maps.Keys(list)) {
			fmt.Fprintf(out, "%s: %d\n", name, list[name])
		}
	}
	return nil
}

// tally counts things by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int64
}

func newTally(names ...string) *tally {
	t := &tally{counts: map[string]int64{}}
	for _, n := range names {
		t.counts[n] = 0
	}
	return t
}

func (t *tally) add(name string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[name] += n
}

func (t *tally) snapshot() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}
