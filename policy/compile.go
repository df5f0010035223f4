package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// Limits of one rule set. What exceeds them counts as damaged.
const (
	maxDocuments = 32
	maxRules     = 5000
	maxMembers   = 100000
)

// compile reads all rule documents of a presentity and the lists they refer to.
// The error is that of the store.
func (e *Engine) compile(ctx context.Context, presentity string) (*ruleset, error) {
	c := e.compiler(ctx, presentity)
	if err := c.documents(e, presentity); err != nil {
		return nil, err
	}
	return c.finish(), nil
}

func (e *Engine) compiler(ctx context.Context, presentity string) *compiler {
	return &compiler{
		ctx:     ctx,
		session: e.lists.Session(presentity),
		anchors: make(map[string]resolved),
		known:   make(map[store.DocumentKey]bool),
		set:     &ruleset{provide: e.opt.ProvideDefault},
	}
}

// documents reads all rule documents.
func (c *compiler) documents(e *Engine, presentity string) error {
	for _, auid := range e.opt.AUIDs {
		listed, err := e.docs.ListDocuments(c.ctx, presentity, auid)
		if err != nil {
			return fmt.Errorf("listing rules of %s: %w", presentity, err)
		}
		for _, d := range listed {
			if err := c.document(e.docs, d.DocumentKey); err != nil {
				return err
			}
		}
	}
	return nil
}

type compiler struct {
	ctx     context.Context
	session *resourcelist.Session
	anchors map[string]resolved
	members int
	known   map[store.DocumentKey]bool
	read    []DocumentReport // in order
	set     *ruleset
}

// resolved is a reference of an external-list condition, looked up once.
type resolved struct {
	members []string
	problem string
}

func (c *compiler) document(docs Documents, key store.DocumentKey) error {
	doc, err := docs.Document(c.ctx, key)
	if errors.Is(err, store.ErrNotFound) { // removed since it was listed
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading rules of %s: %w", key.XUI, err)
	}
	c.depend(key)
	c.set.documents++
	report := DocumentReport{Name: documentName(key), ETag: doc.ETag, Modified: doc.Modified}
	defer func() { c.read = append(c.read, report) }()
	if c.set.documents > maxDocuments {
		c.set.damaged = true
		report.Problem = fmt.Sprintf("there are more than %d rule documents", maxDocuments)
		return nil
	}
	rules, err := parseRules(key, doc.Body, c.list)
	report.Rules = len(rules)
	switch {
	case damaged(err):
		report.Problem = err.Error()
		slog.Warn("rule document cannot be read", "xui", key.XUI, "auid", key.AUID, "path", key.Path, "error", err)
		c.set.damaged = true
	case err != nil:
		return err
	case len(c.set.rules)+len(rules) > maxRules:
		report.Problem = fmt.Sprintf("there are more than %d rules", maxRules)
		c.set.damaged = true
	default:
		c.set.rules = append(c.set.rules, rules...)
	}
	return nil
}

func damaged(err error) bool {
	var scan *xmlscan.Error
	return errors.Is(err, errNotRules) || errors.As(err, &scan)
}

// list resolves a reference of an external-list condition.
func (c *compiler) list(anchor string) ([]string, string, error) {
	if r, ok := c.anchors[anchor]; ok {
		return r.members, r.problem, nil
	}
	list, err := c.session.Ref(c.ctx, anchor)
	for _, key := range list.Deps {
		c.depend(key)
	}
	if err != nil && !errors.Is(err, resourcelist.ErrUnresolved) {
		return nil, "", err
	}
	var r resolved
	if err != nil {
		r.problem = err.Error()
		c.set.blind = c.set.blind || !errors.Is(err, resourcelist.ErrAbsent)
	}
	if len(list.Entries) > 0 {
		r.members = make([]string, 0, len(list.Entries))
	}
	for i := range list.Entries {
		entry := &list.Entries[i]
		switch {
		case entry.Problem == "":
			r.members = append(r.members, entry.URI)
		case entry.Reference:
			r.problem = entry.Problem
			c.set.blind = c.set.blind || !entry.Absent
		}
	}
	if c.members += len(r.members); c.members > maxMembers {
		c.set.blind = true
		r = resolved{problem: fmt.Sprintf("the lists have more than %d members", maxMembers)}
	}
	c.anchors[anchor] = r
	return r.members, r.problem, nil
}

func (c *compiler) depend(key store.DocumentKey) {
	if !c.known[key] {
		c.known[key] = true
		c.set.deps = append(c.set.deps, key)
	}
}

// finish computes what decisions look up.
func (c *compiler) finish() *ruleset {
	s := c.set
	s.cost = 16 + len(s.deps)
	for i := range s.rules {
		s.cost += 8
		for _, cond := range s.rules[i].conditions {
			s.cost++
			switch cond := cond.(type) {
			case validity:
				for _, in := range cond {
					s.bounds = append(s.bounds, in.from, in.until)
				}
				s.cost += 2 * len(cond)
			case *externalList:
				s.cost += len(cond.members)
			case *identity:
				s.cost += len(cond.ones) + cond.exceptions()
			case otherIdentity:
				s.refers = true
			}
		}
	}
	slices.SortFunc(s.bounds, func(a, b time.Time) int { return a.Compare(b) })
	return s
}

func (c *identity) exceptions() int {
	n := len(c.many)
	for i := range c.many {
		n += len(c.many[i].exceptIDs) + len(c.many[i].exceptDomains)
	}
	return n
}
