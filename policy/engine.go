package policy

import (
	"context"
	"errors"

	"rollcall/internal/resourcelist"
)

// Engine decides. It is safe for concurrent use.
type Engine struct {
	docs  Documents
	lists *resourcelist.Resolver
	opt   Options
	cache cache
	// everything is what the presentity itself is shown.
	everything *Transformation
}

// NewEngine returns an engine that reads rules from docs and the lists they
// refer to through lists.
func NewEngine(docs Documents, lists *resourcelist.Resolver, opt Options) *Engine {
	if opt.CacheSize <= 0 {
		opt.CacheSize = DefaultCacheSize
	}
	if len(opt.AUIDs) == 0 {
		opt.AUIDs = []string{AUIDPresRules, AUIDOMAPresRules}
	}
	e := &Engine{docs: docs, lists: lists, opt: opt, everything: Everything()}
	e.cache.init(opt.CacheSize)
	return e
}

// Decide says how a watcher is to be treated. An error means that the rules
// cannot be read now; the watcher must then be shown the least: pending.
func (e *Engine) Decide(ctx context.Context, req Request) (Decision, error) {
	return e.decide(ctx, req, nil)
}

// Explain decides as Decide does and says how each rule fared. Report says more.
func (e *Engine) Explain(ctx context.Context, req Request) (Decision, error) {
	var why []Reason
	d, err := e.decide(ctx, req, &why)
	d.Reasons = why
	return d, err
}

func (e *Engine) decide(ctx context.Context, req Request, why *[]Reason) (Decision, error) {
	if req.Watcher != "" && req.Watcher == req.Presentity {
		if why != nil {
			*why = append(*why, Reason{Matched: true, Counted: true, Handling: Allow, Why: "the presentity itself"})
		}
		return Decision{Handling: Allow, Transform: e.everything}, nil
	}
	set, err := e.rules(ctx, req.Presentity)
	if err != nil {
		return Decision{Handling: Confirm}, err
	}
	return e.verdict(set, req, why), nil
}

// errAborted is what waiters get when the compilation did not return.
var errAborted = errors.New("compiling the rules was aborted")

func (e *Engine) lead(ctx context.Context, presentity string, l *load) (set *ruleset, err error) {
	err = errAborted
	defer func() { e.cache.finish(presentity, l, set, err) }()
	return e.compile(ctx, presentity)
}

// rules returns the compiled rules of a presentity. Callers that need the same
// rules at the same time share one compilation.
func (e *Engine) rules(ctx context.Context, presentity string) (*ruleset, error) {
	for {
		if set := e.cache.get(presentity); set != nil {
			return set, nil
		}
		l, leader := e.cache.begin(presentity)
		if leader {
			return e.lead(ctx, presentity, l)
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Another caller's deadline is not ours.
		if errors.Is(l.err, context.Canceled) || errors.Is(l.err, context.DeadlineExceeded) {
			continue
		}
		return l.set, l.err
	}
}
