package main

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// fanoutCommand measures how changes reach watchers.
type fanoutCommand struct {
	options      `embed:""`
	Presentities int           `default:"50" help:"Users that publish."`
	Watchers     int           `default:"20" help:"Watchers of each of them."`
	Changes      int           `default:"20" help:"Changes of each of them."`
	Rate         float64       `help:"Changes per second of all together (open loop). Without it every change waits until all watchers have it (closed loop)."`
	Settle       time.Duration `default:"10s" help:"How long the last NOTIFYs may take."`
	SkipRules    bool          `help:"Do not store rules that let everybody watch the presentities."`
	Keep         bool          `help:"Leave publications and subscriptions behind."`
}

// watchingLimit is how many presentities one simulated watcher watches.
const watchingLimit = 64

// watcherAccounts is how many accounts watch, so that nobody watches anybody
// twice or too many.
func (c *fanoutCommand) watcherAccounts() int {
	return max(c.Watchers, (c.Presentities*c.Watchers+watchingLimit-1)/watchingLimit)
}

// Run is called by kong.
func (c *fanoutCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

func (c *fanoutCommand) run(ctx context.Context) (*report, error) {
	if c.Presentities < 1 || c.Watchers < 1 || c.Changes < 1 {
		return nil, fmt.Errorf("--presentities, --watchers and --changes must be more than 0")
	}
	accounts, err := c.accounts(c.Presentities + c.watcherAccounts())
	if err != nil {
		return nil, err
	}
	presentities, watchers := accounts[:c.Presentities], accounts[c.Presentities:]
	if !c.SkipRules {
		if err := allowAll(ctx, &c.options, presentities); err != nil {
			return nil, err
		}
	}
	sip, err := newClient(ctx, &c.options)
	if err != nil {
		return nil, err
	}
	defer sip.close()
	b := newBoard(sip, presentities)
	subs := c.subscriptions(b, watchers)

	loop := "closed loop"
	if c.Rate > 0 {
		loop = fmt.Sprintf("open loop at %g changes per second", c.Rate)
	}
	r := &report{Scenario: "fanout", Setting: fmt.Sprintf("%d presentities with %d watchers each over %s, %s", c.Presentities, c.Watchers, c.Transport, loop)}
	if err := c.phases(ctx, b, subs, r); err != nil {
		return nil, err
	}
	lost, stale := b.outcome()
	r.Checks = sip.faults.snapshot()
	r.Checks[faultLost], r.Checks[faultStale] = lost, stale
	r.Notes = countStates(subs)
	r.Notes["states superseded before they were sent"] = b.skipped.Load()
	if c.Keep {
		return r, nil
	}
	if err := unsubscribeAll(ctx, sip, subs); err != nil {
		return nil, err
	}
	return r, b.withdrawAll(ctx)
}

// subscriptions spreads the watchers over the presentities.
func (c *fanoutCommand) subscriptions(b *board, watchers []account) []*subscription {
	who := make([]*credentials, len(watchers))
	for i, a := range watchers {
		who[i] = newCredentials(a)
	}
	var subs []*subscription
	for i := range b.subjects {
		for range c.Watchers {
			w := b.watch(i)
			news := func(body []byte, at time.Time) {
				markers(body, b.client.run, func(index, number int) {
					if index == i {
						b.told(w, number, at)
					}
				})
			}
			n := len(subs)
			subs = append(subs, b.client.newSubscription(n, who[n%len(who)], b.subjects[i].who.aor, presenceHeaders, news))
		}
	}
	return subs
}

func (c *fanoutCommand) phases(ctx context.Context, b *board, subs []*subscription, r *report) error {
	constant := func(n int) func() uint64 { return func() uint64 { return uint64(n) } }
	p, err := c.measure("publish", func() error { return b.publishAll(ctx) }, constant(len(b.subjects)), nil)
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)

	before, err := processUsage(c.PID)
	if err != nil {
		return err
	}
	var answered, notified histogram
	p, err = c.measure("subscribe", func() error { return subscribeAll(ctx, b.client, subs, 3600, &answered, &notified) },
		constant(len(subs)), map[string]*histogram{"200": &answered, "first NOTIFY": &notified})
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	after, err := processUsage(c.PID)
	if err != nil {
		return err
	}
	r.RSS, r.PerSub = after.rss, (after.rss-before.rss)/int64(len(subs))

	p, err = c.measure("NOTIFY", func() error {
		err := b.changes(ctx, c.Changes, c.Rate)
		b.settle(ctx, c.Settle)
		return err
	}, b.delivered.Load, map[string]*histogram{"change to NOTIFY": &b.latency})
	maps.DeleteFunc(p.Latency, func(string, latency) bool { return p.Operations == 0 })
	r.Phases = append(r.Phases, p)
	return err
}
