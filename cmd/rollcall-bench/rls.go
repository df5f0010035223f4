package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// rlsCommand measures list subscriptions.
type rlsCommand struct {
	options   `embed:""`
	Lists     int           `default:"20" help:"Users with a buddy list."`
	Members   int           `default:"50" help:"Members of each list."`
	Pool      int           `help:"Users the members are taken from (default: as many as members)."`
	Changes   int           `default:"5" help:"Changes of each member."`
	Rate      float64       `help:"Changes per second of all together (open loop). Without it every change waits until all lists have it."`
	Settle    time.Duration `default:"10s" help:"How long the last NOTIFYs may take."`
	SkipRules bool          `help:"Do not store rules that let everybody watch the members."`
	Keep      bool          `help:"Leave publications and subscriptions behind."`
}

// Run is called by kong.
func (c *rlsCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

// buddyList is the watcher's side of one list subscription.
type buddyList struct {
	board   *board
	watches map[int]*watch // by presentity
	seen    atomic.Int64   // members with state
	full    chan struct{}  // closed when all have
	version int64          // of the last RLMI document
}

func (c *rlsCommand) run(ctx context.Context) (*report, error) {
	if c.Pool == 0 {
		c.Pool = c.Members
	}
	if c.Lists < 1 || c.Members < 1 || c.Changes < 1 || c.Pool < c.Members {
		return nil, fmt.Errorf("--lists, --members and --changes must be more than 0, --pool not less than --members")
	}
	accounts, err := c.accounts(c.Pool + c.Lists)
	if err != nil {
		return nil, err
	}
	members, owners := accounts[:c.Pool], accounts[c.Pool:]
	if !c.SkipRules {
		if err := allowAll(ctx, &c.options, members); err != nil {
			return nil, err
		}
	}
	if err := c.putLists(ctx, owners, members); err != nil {
		return nil, err
	}
	sip, err := newClient(ctx, &c.options)
	if err != nil {
		return nil, err
	}
	defer sip.close()
	b := newBoard(sip, members)
	lists, subs := c.subscriptions(b, owners)
	r := &report{Scenario: "rls", Setting: fmt.Sprintf("%d lists of %d members over %s", c.Lists, c.Members, c.Transport)}
	if err := c.phases(ctx, b, lists, subs, r); err != nil {
		return nil, err
	}
	lost, stale := b.outcome()
	r.Checks, r.Notes = sip.faults.snapshot(), countStates(subs)
	r.Checks[faultLost], r.Checks[faultStale] = lost, stale
	r.Notes["states superseded before they were sent"] = b.skipped.Load()
	if c.Keep {
		return r, nil
	}
	if err := unsubscribeAll(ctx, sip, subs); err != nil {
		return nil, err
	}
	return r, b.withdrawAll(ctx)
}

// member is the presentity at place m of list l.
func (c *rlsCommand) member(l, m int) int { return (l*c.Members + m) % c.Pool }

func serviceURI(owner account) string {
	return strings.Replace(owner.aor, "@", "+presence@", 1)
}

// putLists stores every owner's list and the service that stands for it.
func (c *rlsCommand) putLists(ctx context.Context, owners, members []account) error {
	d := newDocuments(&c.options)
	defer d.close()
	err := parallel(ctx, len(owners), c.Concurrency, func(ctx context.Context, l int) error {
		who := newCredentials(owners[l])
		var list strings.Builder
		list.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="bench">`)
		for m := range c.Members {
			list.WriteString(`<entry uri="` + members[c.member(l, m)].aor + `"/>`)
		}
		list.WriteString("</list></resource-lists>")
		path := userPath("resource-lists", owners[l].aor)
		if _, err := d.put(ctx, who, path, "application/resource-lists+xml", list.String()); err != nil {
			return err
		}
		service := `<?xml version="1.0" encoding="UTF-8"?>
<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="` + serviceURI(owners[l]) + `"><resource-list>` +
			c.XCAP + "/" + path + `/~~/resource-lists/list%5b@name=%22bench%22%5d</resource-list><packages><package>presence</package></packages></service></rls-services>`
		_, err := d.put(ctx, who, userPath("rls-services", owners[l].aor), "application/rls-services+xml", service)
		return err
	})
	if err != nil {
		return fmt.Errorf("lists: %w", err)
	}
	return nil
}

func (c *rlsCommand) subscriptions(b *board, owners []account) ([]*buddyList, []*subscription) {
	lists := make([]*buddyList, len(owners))
	subs := make([]*subscription, len(owners))
	for l := range owners {
		bl := &buddyList{board: b, watches: map[int]*watch{}, full: make(chan struct{}), version: -1}
		for m := range c.Members {
			i := c.member(l, m)
			bl.watches[i] = b.watch(i)
		}
		lists[l] = bl
		subs[l] = b.client.newSubscription(l, newCredentials(owners[l]), serviceURI(owners[l]), listHeaders, bl.news)
	}
	return lists, subs
}

// news takes one multipart body; only the reader of the subscription calls it.
func (l *buddyList) news(body []byte, at time.Time) {
	if version, ok := rlmiVersion(body); !ok || version != l.version+1 {
		// RFC 4662 §5.2: from 0, one more for every NOTIFY.
		l.board.client.faults.add(faultVersion, 1)
		l.version = max(version, l.version)
	} else {
		l.version = version
	}
	markers(body, l.board.client.run, func(index, number int) {
		w := l.watches[index]
		if w == nil {
			return
		}
		first := w.latest.Load() == 0
		l.board.told(w, number, at)
		if first && l.seen.Add(1) == int64(len(l.watches)) {
			close(l.full)
		}
	})
}

// rlmiVersion finds the version of the list document: the only start tag with
// the attribute fullState (RFC 4662 §5.2).
func rlmiVersion(body []byte) (int64, bool) {
	i := bytes.Index(body, []byte("fullState="))
	if i < 0 {
		return -1, false
	}
	start := bytes.LastIndexByte(body[:i], '<')
	end := bytes.IndexByte(body[i:], '>')
	if start < 0 || end < 0 {
		return -1, false
	}
	_, rest, ok := bytes.Cut(body[start:i+end], []byte("version="))
	if !ok || len(rest) < 3 {
		return -1, false
	}
	digits, _, _ := bytes.Cut(rest[1:], rest[:1])
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, err == nil
}

func (c *rlsCommand) phases(ctx context.Context, b *board, lists []*buddyList, subs []*subscription, r *report) error {
	p, err := c.measure("publish", func() error { return b.publishAll(ctx) }, func() uint64 { return uint64(len(b.subjects)) }, nil)
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	before, err := processUsage(c.PID)
	if err != nil {
		return err
	}
	var answered, full histogram
	p, err = c.measure("subscribe to list", func() error {
		return parallel(ctx, len(subs), c.Concurrency, func(ctx context.Context, i int) error {
			return c.subscribeList(ctx, subs[i], lists[i], &answered, &full)
		})
	}, full.count.Load, map[string]*histogram{"200": &answered, "state of all members": &full})
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	after, err := processUsage(c.PID)
	if err != nil {
		return err
	}
	r.RSS, r.PerSub = after.rss, (after.rss-before.rss)/int64(len(subs))
	p, err = c.measure("member change", func() error {
		err := b.changes(ctx, c.Changes, c.Rate)
		b.settle(ctx, c.Settle)
		return err
	}, b.delivered.Load, map[string]*histogram{"change to NOTIFY": &b.latency})
	r.Phases = append(r.Phases, p)
	return err
}

func (c *rlsCommand) subscribeList(ctx context.Context, s *subscription, l *buddyList, answered, full *histogram) error {
	start := time.Now()
	if err := s.send(ctx, 3600); err != nil {
		return err
	}
	answered.add(time.Since(start))
	timeout := time.NewTimer(c.Timeout)
	defer timeout.Stop()
	select {
	case <-l.full:
		full.add(time.Since(start))
		return nil
	case <-timeout.C:
		s.client.faults.add(faultTimeout, 1)
		return fmt.Errorf("%s: %d of %d members have state: %w", s.target, l.seen.Load(), len(l.watches), errTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}
