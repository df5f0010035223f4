package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 30 * time.Second
	trimWorth = 32 << 20 // octets
)

// heap is what the runtime tells of its memory, in octets.
type heap struct {
	allocated uint64 // since the start
	live      uint64 // at the last collection
	resident  uint64 // of the heap, used or not
}

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	at := func(i int) uint64 {
		if s[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return s[i].Value.Uint64()
	}
	return heap{allocated: at(0), live: at(1), resident: at(2) + at(3) + at(4)}
}

// quiet reports whether little has been done since an earlier time.
func (h heap) quiet(before heap) bool { return h.allocated-before.allocated < h.live/8 }

// excess reports whether what a rush has left behind is worth giving back.
func (h heap) excess() bool { return h.resident > h.live+max(h.live/4, trimWorth) }

// trim gives memory back to the system that a rush has left behind: the collector
// would keep as much again as is in use until the next one. Many idle subscriptions
// take what they need then, and no more.
func trim(ctx context.Context) {
	t := time.NewTicker(trimEvery)
	defer t.Stop()
	before := readHeap()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := readHeap()
		if now.quiet(before) && now.excess() {
			debug.FreeOSMemory()
			after := readHeap()
			slog.Debug("memory given back", "before", now.resident, "after", after.resident, "live", after.live)
			now = after
		}
		before = now
	}
}
