package main

import (
	"context"
	"fmt"
	"time"
)

// publishCommand measures what publications cost that nobody watches.
type publishCommand struct {
	options `embed:""`
	Count   int `default:"2000" help:"Users that publish."`
	Changes int `default:"3" help:"Changes of each."`
}

// Run is called by kong.
func (c *publishCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

func (c *publishCommand) run(ctx context.Context) (*report, error) {
	if c.Count < 1 || c.Changes < 0 {
		return nil, fmt.Errorf("--count must be more than 0")
	}
	accounts, err := c.accounts(c.Count)
	if err != nil {
		return nil, err
	}
	sip, err := newClient(ctx, &c.options)
	if err != nil {
		return nil, err
	}
	defer sip.close()
	users := make([]*presentity, len(accounts))
	for i, a := range accounts {
		users[i] = sip.newPresentity(i, a)
	}
	r := &report{Scenario: "publish", Setting: fmt.Sprintf("%d users, nobody watches, over %s", c.Count, c.Transport)}
	change := func(ctx context.Context, i int) error { return users[i].publish(ctx, time.Time{}, nil) }
	if err := r.publishAll(ctx, sip, "publish", len(users), change); err != nil {
		return nil, err
	}
	for range c.Changes {
		if err := r.publishAll(ctx, sip, "modify", len(users), change); err != nil {
			return nil, err
		}
	}
	usage, err := processUsage(c.PID)
	if err != nil {
		return nil, err
	}
	r.RSS = usage.rss
	err = r.publishAll(ctx, sip, "remove", len(users), func(ctx context.Context, i int) error { return users[i].withdraw(ctx) })
	r.Checks = sip.faults.snapshot()
	return r, err
}

func (r *report) publishAll(ctx context.Context, sip *client, name string, n int, publish func(context.Context, int) error) error {
	var answered histogram
	p, err := sip.measure(name, func() error {
		return parallel(ctx, n, sip.Concurrency, func(ctx context.Context, i int) error {
			return answered.time(func() error { return publish(ctx, i) })
		})
	}, answered.count.Load, map[string]*histogram{"200": &answered})
	r.Phases = append(r.Phases, p)
	return err
}
