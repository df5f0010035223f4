package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

const faultUndelivered = "messages answered 200 that did not arrive once"

// messageCommand measures what MESSAGE costs between users who are there.
type messageCommand struct {
	options `embed:""`
	Users   int `default:"200" help:"Users that register and write to each other."`
	Count   int `default:"10000" help:"Messages."`
}

// Run is called by kong.
func (c *messageCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

func (c *messageCommand) run(ctx context.Context) (*report, error) {
	if c.Users < 2 || c.Count < 1 {
		return nil, fmt.Errorf("--users must be more than 1, --count more than 0")
	}
	accounts, err := c.accounts(c.Users)
	if err != nil {
		return nil, err
	}
	sip, err := newClient(ctx, &c.options)
	if err != nil {
		return nil, err
	}
	defer sip.close()
	arrived := sip.expectMessages(c.Count)
	devices := sip.newDevices(accounts)
	r := &report{Scenario: "message", Setting: fmt.Sprintf("%d messages among %d users over %s", c.Count, c.Users, c.Transport)}
	if err := r.registerAll(ctx, sip, "register", devices, 3600); err != nil {
		return nil, err
	}
	var answered histogram
	p, err := sip.measure("message", func() error {
		return parallel(ctx, c.Count, c.Concurrency, func(ctx context.Context, i int) error {
			from, to := devices[i%c.Users], devices[(i+1)%c.Users]
			return answered.time(func() error { return from.write(ctx, to, i) })
		})
	}, answered.count.Load, map[string]*histogram{"200": &answered})
	r.Phases = append(r.Phases, p)
	if err != nil {
		return nil, err
	}
	for i := range arrived {
		if arrived[i].Load() != 1 {
			sip.faults.add(faultUndelivered, 1)
		}
	}
	err = r.registerAll(ctx, sip, "remove", devices, 0)
	r.Checks = sip.faults.snapshot()
	return r, err
}

// expectMessages returns counters of how often each of n messages arrives.
func (c *client) expectMessages(n int) []atomic.Int32 {
	arrived := make([]atomic.Int32, n)
	c.faults.add(faultUndelivered, 0)
	c.arrived.Store(&arrived)
	return arrived
}

// count notes the arrival of a message.
func (c *client) count(arrived []atomic.Int32, body []byte) {
	text, ok := strings.CutPrefix(string(body), "bench "+c.run+" ")
	if i, err := strconv.Atoi(text); ok && err == nil && i >= 0 && i < len(arrived) {
		arrived[i].Add(1)
	}
}

// write sends the message of a number from one user to another.
func (d *device) write(ctx context.Context, to *device, number int) error {
	cseq := uint32(0)
	id := d.client.identifier()
	m, err := d.client.do(ctx, d.link, d.who, request{
		method: "MESSAGE", uri: to.who.aor, from: fmt.Sprintf("<%s>;tag=%s", d.who.aor, id), to: "<" + to.who.aor + ">",
		callID: id + "@rollcall-bench", cseq: &cseq, headers: "Content-Type: text/plain\r\n", body: fmt.Sprintf("bench %s %d", d.client.run, number),
	})
	if err != nil {
		return err
	}
	if m.status != 200 {
		return d.client.refused("MESSAGE to "+to.who.aor, m)
	}
	return nil
}
