package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// subBuckets is how finely each power of two is divided: the error of a
// percentile is below 1/64.
const (
	subBuckets = 64
	subBits    = 6
	buckets    = subBuckets * (40 - subBits)
)

// histogram counts durations in microseconds, in buckets that grow with the
// value. It is safe for concurrent use and of fixed size.
type histogram struct {
	counts [buckets]atomic.Uint64
	count  atomic.Uint64
	max    atomic.Int64 // nanoseconds
}

func bucketOf(us uint64) int {
	if us < subBuckets {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	i := (shift+1)*subBuckets + int(us>>shift) - subBuckets
	return min(i, buckets-1)
}

// upperBound is the largest value of a bucket.
func upperBound(i int) uint64 {
	if i < subBuckets {
		return uint64(i)
	}
	shift := i/subBuckets - 1
	return (uint64(i%subBuckets)+subBuckets+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d.Microseconds()))].Add(1)
	h.count.Add(1)
	for {
		old := h.max.Load()
		if int64(d) <= old || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// time adds how long fn takes, unless it fails.
func (h *histogram) time(fn func() error) error {
	start := time.Now()
	if err := fn(); err != nil {
		return err
	}
	h.add(time.Since(start))
	return nil
}

// percentile returns the value that the given share of all values does not exceed.
func (h *histogram) percentile(share float64) time.Duration {
	total := h.count.Load()
	if total == 0 {
		return 0
	}
	rank := max(uint64(share*float64(total)+0.9999999), 1)
	longest := time.Duration(h.max.Load())
	var seen uint64
	for i := range h.counts {
		seen += h.counts[i].Load()
		if seen >= rank {
			return min(time.Duration(upperBound(i))*time.Microsecond, longest)
		}
	}
	return longest
}

// latency is a histogram's summary in milliseconds.
type latency struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (h *histogram) summary() latency {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return latency{ms(h.percentile(0.5)), ms(h.percentile(0.9)), ms(h.percentile(0.99)), ms(time.Duration(h.max.Load()))}
}
