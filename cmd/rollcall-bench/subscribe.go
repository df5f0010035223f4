package main

import (
	"context"
	"fmt"
)

// subscribeCommand measures what subscriptions cost.
type subscribeCommand struct {
	options   `embed:""`
	Count     int  `default:"2000" help:"Subscriptions."`
	Watched   int  `default:"100" help:"Presentities they are spread over."`
	Refreshes int  `default:"1" help:"Refreshes of each."`
	Expires   int  `default:"3600" help:"Lifetime asked for, in seconds."`
	SkipRules bool `help:"Do not store rules that let everybody watch the presentities."`
	Keep      bool `help:"Leave the subscriptions behind."`
}

// Run is called by kong.
func (c *subscribeCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

func (c *subscribeCommand) run(ctx context.Context) (*report, error) {
	if c.Count < 1 || c.Watched < 1 || c.Refreshes < 0 || c.Expires < 1 {
		return nil, fmt.Errorf("--count, --watched and --expires must be more than 0")
	}
	perWatcher := min(watchingLimit, c.Watched)
	accounts, err := c.accounts(c.Watched + (c.Count+perWatcher-1)/perWatcher)
	if err != nil {
		return nil, err
	}
	presentities, watchers := accounts[:c.Watched], accounts[c.Watched:]
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

	subs := make([]*subscription, c.Count)
	for w, a := range watchers {
		who := newCredentials(a)
		for i := w * perWatcher; i < min((w+1)*perWatcher, c.Count); i++ {
			subs[i] = sip.newSubscription(i, who, presentities[i%c.Watched].aor, presenceHeaders, nil)
		}
	}
	r := &report{Scenario: "subscribe", Setting: fmt.Sprintf("%d subscriptions to %d presentities over %s", c.Count, c.Watched, c.Transport)}
	before, err := processUsage(c.PID)
	if err != nil {
		return nil, err
	}
	if err := c.phase(ctx, r, "subscribe", sip, subs); err != nil {
		return nil, err
	}
	after, err := processUsage(c.PID)
	if err != nil {
		return nil, err
	}
	r.RSS, r.PerSub = after.rss, (after.rss-before.rss)/int64(c.Count)
	for range c.Refreshes {
		if err := c.phase(ctx, r, "refresh", sip, subs); err != nil {
			return nil, err
		}
	}
	r.Checks, r.Notes = sip.faults.snapshot(), countStates(subs)
	if c.Keep {
		return r, nil
	}
	return r, unsubscribeAll(ctx, sip, subs)
}

func (c *subscribeCommand) phase(ctx context.Context, r *report, name string, sip *client, subs []*subscription) error {
	var answered, notified histogram
	p, err := c.measure(name, func() error { return subscribeAll(ctx, sip, subs, c.Expires, &answered, &notified) },
		func() uint64 { return notified.count.Load() }, map[string]*histogram{"200": &answered, "NOTIFY": &notified})
	r.Phases = append(r.Phases, p)
	return err
}
