package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// xcapCommand measures documents over HTTP.
type xcapCommand struct {
	options    `embed:""`
	Operations int            `default:"20000" help:"Requests of all together."`
	Entries    int            `default:"50" help:"Entries in each document."`
	Mix        map[string]int `default:"get=40;unchanged=20;element-get=20;put=10;element-put=10" help:"Share of each kind of request."`
}

// Run is called by kong.
func (c *xcapCommand) Run(ctx context.Context, out output) error {
	return c.measured(ctx, out, c.run)
}

const (
	faultDiffers = "documents that differ from what was written"
	listsAUID    = "resource-lists"
	listsType    = "application/resource-lists+xml"
	elementType  = "application/xcap-el+xml"
)

// author is a user at work on the own document; nobody else writes it, so what
// the server must answer is known to the byte.
type author struct {
	who     *credentials
	docs    *documents
	path    string
	entries []string
	etag    string
	writes  int
}

func (c *xcapCommand) run(ctx context.Context) (*report, error) {
	schedule, err := c.schedule()
	if err != nil {
		return nil, err
	}
	accounts, err := c.accounts(c.Concurrency)
	if err != nil {
		return nil, err
	}
	docs := newDocuments(&c.options)
	defer docs.close()
	authors := make([]*author, len(accounts))
	err = parallel(ctx, len(authors), c.Concurrency, func(ctx context.Context, i int) error {
		authors[i] = newAuthor(accounts[i], docs, c.Entries)
		return authors[i].create(ctx)
	})
	if err != nil {
		return nil, err
	}
	latencies := map[string]*histogram{}
	for kind := range operations {
		if c.Mix[kind] > 0 {
			latencies[kind] = &histogram{}
		}
	}
	faults := newTally(faultStatus, faultDiffers)
	var done atomic.Uint64
	limited := ctx
	if c.Duration > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.Duration)
		defer cancel()
	}
	p, err := c.measure("requests", func() error {
		err := parallel(limited, len(authors), len(authors), func(ctx context.Context, i int) error {
			for n := i; n < c.Operations && ctx.Err() == nil; n += len(authors) {
				kind := schedule[n/len(authors)%len(schedule)]
				start := time.Now()
				// An operation under way is finished: what the server has must stay known.
				ok, err := operations[kind](authors[i], context.WithoutCancel(ctx), n)
				if err != nil {
					return err
				}
				latencies[kind].add(time.Since(start))
				done.Add(1)
				if !ok {
					faults.add(faultStatus, 1)
				}
			}
			return nil
		})
		if ctx.Err() == nil && errors.Is(err, limited.Err()) {
			return nil // --duration is over
		}
		return err
	}, done.Load, latencies)
	if err != nil {
		return nil, err
	}
	for _, a := range authors {
		got, err := docs.exchange(ctx, a.who, http.MethodGet, a.path, nil, "")
		if err != nil {
			return nil, err
		}
		if got.status != http.StatusOK || got.body != a.document() {
			faults.add(faultDiffers, 1)
		}
	}
	after, err := processUsage(c.PID)
	return &report{
		Scenario: "xcap",
		Setting:  fmt.Sprintf("%d users, documents of %d entries, %d bytes", len(authors), c.Entries, len(authors[0].document())),
		Phases:   []phase{p}, Checks: faults.snapshot(), RSS: after.rss,
	}, err
}

// schedule deals the kinds of requests evenly.
func (c *xcapCommand) schedule() ([]string, error) {
	if c.Operations < 1 || c.Entries < 1 {
		return nil, fmt.Errorf("--operations and --entries must be more than 0")
	}
	total := 0
	for kind, share := range c.Mix {
		if operations[kind] == nil || share < 0 || share > 1000 {
			return nil, fmt.Errorf("--mix: %s=%d", kind, share)
		}
		total += share
	}
	if total == 0 {
		return nil, fmt.Errorf("--mix: nothing to do")
	}
	credit := map[string]int{}
	kinds := make([]string, 0, len(c.Mix))
	for kind := range c.Mix {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	schedule := make([]string, 0, total)
	for range total {
		best := kinds[0]
		for _, kind := range kinds {
			credit[kind] += c.Mix[kind]
			if credit[kind] > credit[best] {
				best = kind
			}
		}
		credit[best] -= total
		schedule = append(schedule, best)
	}
	return schedule, nil
}

// operations are the kinds of requests; each reports whether the answer was right.
var operations = map[string]func(a *author, ctx context.Context, n int) (bool, error){
	"get":         (*author).get,
	"unchanged":   (*author).unchanged,
	"element-get": (*author).elementGet,
	"put":         (*author).put,
	"element-put": (*author).elementPut,
}

func newAuthor(a account, docs *documents, entries int) *author {
	au := &author{who: newCredentials(a), docs: docs, path: userPath(listsAUID, a.aor), entries: make([]string, entries)}
	for i := range au.entries {
		au.entries[i] = entry(i, 0)
	}
	return au
}

func entry(i, version int) string {
	return fmt.Sprintf(`<entry uri="sip:member%d@example.com"><display-name>Member %d, version %d</display-name></entry>`, i, i, version)
}

func (a *author) document() string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="bench">` + "\n" +
		strings.Join(a.entries, "\n") + "\n</list></resource-lists>\n"
}

func (a *author) element(i int) string {
	return a.path + fmt.Sprintf("/~~/resource-lists/list%%5b@name=%%22bench%%22%%5d/entry%%5b@uri=%%22sip:member%d@example.com%%22%%5d", i)
}

func (a *author) create(ctx context.Context) error {
	etag, err := a.docs.put(ctx, a.who, a.path, listsType, a.document())
	a.etag = etag
	return err
}

func (a *author) get(ctx context.Context, _ int) (bool, error) {
	got, err := a.docs.exchange(ctx, a.who, http.MethodGet, a.path, nil, "")
	return got.status == http.StatusOK && got.etag == a.etag && got.body == a.document(), err
}

func (a *author) unchanged(ctx context.Context, _ int) (bool, error) {
	got, err := a.docs.exchange(ctx, a.who, http.MethodGet, a.path, map[string]string{"If-None-Match": a.etag}, "")
	return got.status == http.StatusNotModified, err
}

func (a *author) elementGet(ctx context.Context, n int) (bool, error) {
	i := n % len(a.entries)
	got, err := a.docs.exchange(ctx, a.who, http.MethodGet, a.element(i), nil, "")
	return got.status == http.StatusOK && got.body == a.entries[i], err
}

func (a *author) put(ctx context.Context, n int) (bool, error) {
	return a.write(ctx, n, listsType, func(int) (path, body string) { return a.path, a.document() })
}

func (a *author) elementPut(ctx context.Context, n int) (bool, error) {
	return a.write(ctx, n, elementType, func(i int) (path, body string) { return a.element(i), a.entries[i] })
}

// write changes one entry and stores it, if the document is still the one known.
func (a *author) write(ctx context.Context, n int, contentType string, what func(i int) (path, body string)) (bool, error) {
	i := n % len(a.entries)
	before := a.entries[i]
	a.writes++
	a.entries[i] = entry(i, a.writes)
	path, body := what(i)
	got, err := a.docs.exchange(ctx, a.who, http.MethodPut, path, map[string]string{"Content-Type": contentType, "If-Match": a.etag}, body)
	if err != nil {
		return false, err
	}
	if got.status != http.StatusOK || got.etag == "" || got.etag == a.etag {
		a.entries[i] = before
		return false, nil
	}
	a.etag = got.etag
	return true, nil
}
