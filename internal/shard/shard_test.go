package shard

import (
	"context"
	"sync/atomic"
	"testing"
)

// The index is part of dialog tags that live in databases: it must never change.
func TestIndexIsStable(t *testing.T) {
	for key, want := range map[string]int{"": 69, "sip:alice@localhost": 48} {
		if got := Index(key); got != want {
			t.Errorf("Index(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestOrderAndLimit(t *testing.T) {
	var panics atomic.Int32
	p := New(2, func(any) { panics.Add(1) })
	gate, entered := make(chan struct{}), make(chan struct{})
	p.Post(3, func() { close(entered); <-gate })
	<-entered
	var order []int
	for i := range 2 {
		if !p.Try(3, func() { order = append(order, i) }) {
			t.Fatalf("request %d refused below the limit", i)
		}
	}
	if p.Try(3, func() {}) {
		t.Error("request accepted above the limit")
	}
	if !p.TryKnown(3, func() { order = append(order, 2) }) {
		t.Error("refresh refused where only new work is")
	}
	if p.TryKnown(3, func() {}) {
		t.Error("refreshes have no limit")
	}
	p.Post(3, func() { order = append(order, 100) })
	p.Post(3, func() { panic("work may fail") })
	close(gate)
	if err := p.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(order) != 4 || order[0] != 100 || order[1] != 0 || order[2] != 1 || order[3] != 2 {
		t.Errorf("order %v: continuations first, then requests in order", order)
	}
	if panics.Load() != 1 {
		t.Errorf("panics reported: %d, want 1", panics.Load())
	}
	if p.Try(3, func() {}) {
		t.Error("a stopped pool accepted work")
	}
}
