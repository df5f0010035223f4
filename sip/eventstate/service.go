package eventstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/metrics"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/flows"
	"rollcall/sip/wire"
)

// Store is what a Service needs of the store.
type Store interface {
	Committer
	Defer(b store.Batch)
	LoadPublications(ctx context.Context, now time.Time, fn func(store.Publication) error) error
}

// Config is what a Service is made of.
type Config struct {
	Store     Store
	Users     Users
	Pool      *shard.Pool
	Wheel     *wheel.Wheel
	Metrics   *metrics.Metrics
	Admission Admission
	Limits    Limits
	// FlowGrace is how long a publication outlives the connection it came over
	// when it is not renewed; twice that after a restart.
	FlowGrace time.Duration
}

// Service keeps the publications of one event package and the state S that is
// composed of those of each resource.
type Service[D, S any] struct {
	cfg     Config
	ctx     context.Context // of work no request asked for
	cancel  context.CancelFunc
	desk    Desk[D]
	compose func(set Set[D], before S) S
	flows   *flows.Tracker
	notify  atomic.Pointer[func(event, resource string)]
	rooms   [shard.Count]map[string]*resource[D, S] // by AOR, of those with publications; owned by the shards
	states  sync.Map                                // by AOR, S of those in rooms, for any goroutine
}

// resource is one whose state is published.
type resource[D, S any] struct {
	aor   string
	set   Set[D]
	timer wheel.Timer
}

// New returns a service. compose makes the state of a resource; before is what it
// made last, or zero. Restore comes next.
func New[D, S any](cfg Config, terms Terms[D], compose func(set Set[D], before S) S) *Service[D, S] {
	s := &Service[D, S]{cfg: cfg, compose: compose, desk: Desk[D]{Terms: terms, Limits: cfg.Limits, Store: cfg.Store}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.flows = flows.New(s.flowClosed)
	for i := range s.rooms {
		s.rooms[i] = make(map[string]*resource[D, S])
	}
	s.Notify(func(string, string) {})
	return s
}

// Notify sets what is told that there may be news of a resource. It must not block.
func (s *Service[D, S]) Notify(fn func(event, resource string)) { s.notify.Store(&fn) }

// Stop ends work that waits for the store.
func (s *Service[D, S]) Stop() { s.cancel() }

// State returns the state of a resource, zero when nothing is published. It may be
// called on any goroutine, so what compose makes is not to be changed.
func (s *Service[D, S]) State(aor string) S {
	v, _ := s.states.Load(aor)
	state, _ := v.(S)
	return state
}

func (s *Service[D, S]) find(aor string) *resource[D, S] { return s.rooms[shard.Index(aor)][aor] }

// Publish implements Publisher.
func (s *Service[D, S]) Publish(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	refused := s.cfg.Admission.Check(req, aor, s.desk.Terms.Event, who, func() error {
		_, err := s.cfg.Users.Get(ctx, aor)
		return err
	})
	if refused != nil {
		Respond(req, aor, *refused)
		return
	}
	var set Set[D]
	if r := s.find(aor); r != nil {
		set = r.set
	}
	next, resp := s.desk.Publish(ctx, req, aor, set)
	Respond(req, aor, resp)
	if resp.Status != 200 {
		return
	}
	s.replace(aor, next)
	if len(next) > 0 {
		s.flows.Add(req.Flow, aor)
	}
}

// replace makes set the publications of aor and tells of it if that is news.
func (s *Service[D, S]) replace(aor string, set Set[D]) {
	room := s.rooms[shard.Index(aor)]
	r := room[aor]
	if r == nil {
		if len(set) == 0 {
			return
		}
		r = &resource[D, S]{aor: aor}
		room[aor] = r
	}
	s.cfg.Metrics.Publications.Add(float64(len(set) - len(r.set)))
	news := !sameDocuments(r.set, set)
	r.set = set
	if len(set) == 0 {
		s.cfg.Wheel.Cancel(&r.timer)
		delete(room, aor)
	} else {
		s.arm(r)
	}
	if len(set) == 0 {
		s.states.Delete(aor)
	} else if news {
		s.states.Store(aor, s.compose(set, s.State(aor)))
	}
	if news {
		(*s.notify.Load())(s.desk.Terms.Event, aor)
	}
}

// sameDocuments reports whether two sets hold the same, so that a refresh is no news.
func sameDocuments[D any](a, b Set[D]) bool {
	return slices.EqualFunc(a, b, func(x, y *Publication[D]) bool {
		return x.Lineage == y.Lineage && bytes.Equal(x.Body, y.Body)
	})
}

func (s *Service[D, S]) arm(r *resource[D, S]) {
	first := r.set[0].Ends()
	for _, p := range r.set[1:] {
		if p.Ends().Before(first) {
			first = p.Ends()
		}
	}
	s.cfg.Wheel.Set(&r.timer, first, func() {
		s.cfg.Pool.Post(shard.Index(r.aor), func() { s.expire(r.aor) })
	})
}

// expire drops what is over.
func (s *Service[D, S]) expire(aor string) {
	r := s.find(aor)
	if r == nil {
		return
	}
	now := time.Now()
	var b store.Batch
	kept := make(Set[D], 0, len(r.set))
	for _, p := range r.set {
		if p.Ends().After(now) {
			kept = append(kept, p)
		} else {
			b.DropPublications = append(b.DropPublications, p.Key())
		}
	}
	if len(b.DropPublications) > 0 {
		s.cfg.Store.Defer(b)
	}
	s.replace(aor, kept)
}

func (s *Service[D, S]) flowClosed(aor, ref string) {
	s.cfg.Pool.Post(shard.Index(aor), func() {
		if r := s.find(aor); r != nil && r.set.FlowClosed(ref, time.Now().Add(s.cfg.FlowGrace)) {
			s.arm(r)
		}
	})
}

// UserChanged says that an account was added, changed or removed.
func (s *Service[D, S]) UserChanged(aor string) {
	s.cfg.Pool.Post(shard.Index(aor), func() {
		if s.find(aor) == nil {
			return
		}
		if _, err := s.cfg.Users.Get(s.ctx, aor); errors.Is(err, store.ErrNotFound) {
			s.replace(aor, nil) // the rows went with the account
		}
	})
}

// Restore takes over the publications of an earlier run, before traffic begins.
func (s *Service[D, S]) Restore(ctx context.Context) error {
	event := s.desk.Terms.Event
	sets := make(map[string]Set[D])
	err := s.cfg.Store.LoadPublications(ctx, time.Now(), func(row store.Publication) error {
		if row.Event != event {
			return nil
		}
		content, err := s.desk.Terms.Read(row.ContentType, row.Body, nil)
		if err != nil {
			slog.Error("stored publication dropped", "event", event, "resource", row.AOR, "error", err)
			s.cfg.Store.Defer(store.Batch{DropPublications: []store.PublicationKey{row.Key()}})
			return nil
		}
		sets[row.AOR] = append(sets[row.AOR], &Publication[D]{Publication: row, Doc: content.Doc})
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading publications of %s: %w", event, err)
	}
	done := make(chan struct{}, len(sets))
	for aor, set := range sets {
		set.Sort()
		set.FlowsLost(time.Now().Add(2 * s.cfg.FlowGrace))
		s.cfg.Pool.Post(shard.Index(aor), func() {
			s.replace(aor, set)
			done <- struct{}{}
		})
	}
	for range sets {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("restoring publications of %s: %w", event, ctx.Err())
		}
	}
	return nil
}
