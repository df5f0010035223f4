package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The same warning comes calmBurst times at once, then once per second.
const (
	calmBurst    = 5
	calmMessages = 1024 // told apart
)

// calm keeps warnings that come again and again, as while the database is away, from
// filling the log. The next one that is written says how many were not.
type calm struct {
	slog.Handler
	seen *sightings
}

func newCalm(h slog.Handler) calm {
	return calm{h, &sightings{of: make(map[string]*sighting)}}
}

// Handle implements slog.Handler.
func (c calm) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		written, left := c.seen.note(r.Message, r.Time)
		if !written {
			return nil
		}
		if left > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("suppressed", left))
		}
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	return calm{c.Handler.WithAttrs(attrs), c.seen}
}

// WithGroup implements slog.Handler.
func (c calm) WithGroup(name string) slog.Handler { return calm{c.Handler.WithGroup(name), c.seen} }

// sightings tells how often messages have come of late.
type sightings struct {
	mu sync.Mutex
	of map[string]*sighting
}

type sighting struct {
	free time.Time // when all of the burst is free again
	left int       // not written since the last one that was
}

// note reports whether a message is to be written, and how many like it have not
// been.
func (s *sightings) note(message string, now time.Time) (written bool, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.of[message]
	if m == nil {
		if len(s.of) >= calmMessages {
			clear(s.of)
		}
		m = &sighting{}
		s.of[message] = m
	}
	if m.free.Before(now) {
		m.free = now
	}
	if m.free.Sub(now) > (calmBurst-1)*time.Second {
		m.left++
		return false, 0
	}
	m.free = m.free.Add(time.Second)
	left, m.left = m.left, 0
	return true, left
}
