package main

import (
	"context"
	"fmt"
	"strings"
)

// registerCommand measures what registrations cost.
type registerCommand struct {
	options   `embed:""`
	Count     int  `default:"2000" help:"Users that register."`
	Refreshes int  `default:"3" help:"Refreshes of each."`
	Expires   int  `default:"3600" help:"Lifetime asked for, in seconds."`
	Keep      bool `help:"Leave the registrations behind."`
}

// Run is called by kong.
func (c *registerCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

func (c *registerCommand) run(ctx context.Context) (*report, error) {
	if c.Count < 1 || c.Refreshes < 0 || c.Expires < 1 {
		return nil, fmt.Errorf("--count and --expires must be more than 0")
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
	devices := sip.newDevices(accounts)
	r := &report{Scenario: "register", Setting: fmt.Sprintf("%d users over %s", c.Count, c.Transport)}
	if err := r.registerAll(ctx, sip, "register", devices, c.Expires); err != nil {
		return nil, err
	}
	for range c.Refreshes {
		if err := r.registerAll(ctx, sip, "refresh", devices, c.Expires); err != nil {
			return nil, err
		}
	}
	usage, err := processUsage(c.PID)
	if err != nil {
		return nil, err
	}
	r.RSS, r.Checks = usage.rss, sip.faults.snapshot()
	if c.Keep {
		return r, nil
	}
	return r, r.registerAll(ctx, sip, "remove", devices, 0)
}

// device is a client of a simulated user that registers.
type device struct {
	client *client
	link   *link
	who    *credentials
	callID string
	cseq   uint32
}

func (c *client) newDevices(accounts []account) []*device {
	list := make([]*device, len(accounts))
	for i, a := range accounts {
		list[i] = &device{client: c, link: c.link(i), who: newCredentials(a), callID: c.identifier() + "@rollcall-bench"}
	}
	return list
}

// registerAll is the phase in which every device registers once.
func (r *report) registerAll(ctx context.Context, sip *client, name string, devices []*device, seconds int) error {
	var answered histogram
	p, err := sip.measure(name, func() error {
		return parallel(ctx, len(devices), sip.Concurrency, func(ctx context.Context, i int) error {
			return answered.time(func() error { return devices[i].register(ctx, seconds) })
		})
	}, answered.count.Load, map[string]*histogram{"200": &answered})
	r.Phases = append(r.Phases, p)
	return err
}

func (d *device) register(ctx context.Context, seconds int) error {
	_, domain, _ := strings.Cut(d.who.aor, "@")
	m, err := d.client.do(ctx, d.link, d.who, request{
		method: "REGISTER", uri: "sip:" + domain, from: fmt.Sprintf("<%s>;tag=%s", d.who.aor, d.client.identifier()), to: "<" + d.who.aor + ">",
		callID: d.callID, cseq: &d.cseq, contact: d.who.user, headers: fmt.Sprintf("Expires: %d\r\n", seconds),
	})
	if err != nil {
		return err
	}
	if m.status != 200 || seconds > 0 && m.get("contact") == "" {
		return d.client.refused("REGISTER "+d.who.aor, m)
	}
	return nil
}
