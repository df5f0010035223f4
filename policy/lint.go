package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Finding is something about a user's rules that its owner may not have meant.
type Finding struct {
	Document string `json:"document,omitempty"`
	Rule     string `json:"rule,omitempty"`
	// Warning tells a likely mistake from a remark.
	Warning bool   `json:"warning"`
	Text    string `json:"text"`
}

// Limits of Lint. Whether the rules of a set above them decide anything is not
// looked into.
const (
	maxClasses = 1000 // kinds of watchers
	maxMoments = 256  // times and spheres
	maxTried   = 20_000_000
)

// Lint looks for open-to-all, unreachable and dangling rules, and for documents
// that cannot be read. now is the time from which on rules are to have an effect.
func (e *Engine) Lint(ctx context.Context, presentity string, now time.Time) ([]Finding, error) {
	c := e.compiler(ctx, presentity)
	if err := c.documents(e, presentity); err != nil {
		return nil, err
	}
	l := linter{compiler: c, set: c.finish(), presentity: presentity, now: now}
	l.documents()
	l.moments = l.situations()
	l.classes = l.watchers()
	for i := range l.set.rules {
		l.conditions(&l.set.rules[i])
	}
	l.openToAll()
	l.unreachable()
	return l.found, nil
}

type linter struct {
	*compiler
	set        *ruleset
	presentity string
	now        time.Time
	moments    []situation
	classes    []facts
	partial    bool // there are more moments or classes
	found      []Finding
}

// situation is a time and a sphere.
type situation struct {
	now    time.Time
	sphere string
}

func (l *linter) report(r *rule, warning bool, format string, args ...any) {
	f := Finding{Warning: warning, Text: fmt.Sprintf(format, args...)}
	if r != nil {
		f.Document, f.Rule = documentName(r.document), r.id
	}
	l.found = append(l.found, f)
}

// documents reports what cannot be read.
func (l *linter) documents() {
	for _, d := range l.read {
		if d.Problem != "" {
			l.found = append(l.found, Finding{Document: d.Name, Warning: true, Text: "cannot be read (" + d.Problem +
				"), so that nobody is let in before the owner confirms"})
		}
	}
}

// conditions reports conditions that can never be true.
func (l *linter) conditions(r *rule) {
	if r.off {
		return // on purpose
	}
	for _, cond := range r.conditions {
		switch cond := cond.(type) {
		case never:
			l.report(r, true, "has the condition %q, which is not known here: the rule never applies", string(cond))
		case *identity:
			if len(cond.ones)+len(cond.many) == 0 {
				l.report(r, true, "names nobody that can be understood: the rule never applies")
			}
		case validity:
			if len(cond) == 0 {
				l.report(r, true, "has times that cannot be read: the rule never applies")
			} else if !slices.ContainsFunc(cond, func(i interval) bool { return i.until.After(l.now) && i.until.After(i.from) }) {
				l.report(r, true, "is out of date: its validity is over")
			}
		case *externalList:
			for _, anchor := range cond.anchors {
				if p := l.anchors[anchor].problem; p != "" {
					l.report(r, true, "refers to %s, which cannot be used: %s", listName(anchor), p)
				} else if len(l.anchors[anchor].members) == 0 {
					l.report(r, false, "refers to %s, which is empty", listName(anchor))
				}
			}
		}
	}
}

// situations are the moments and spheres that rules can tell apart.
func (l *linter) situations() []situation {
	times := []time.Time{l.now}
	spheres := []string{""}
	for _, b := range l.set.bounds {
		if b.After(l.now) && !b.Equal(times[len(times)-1]) {
			times = append(times, b)
		}
	}
	for i := range l.set.rules {
		for _, cond := range l.set.rules[i].conditions {
			if tokens, ok := cond.(sphere); ok {
				for _, token := range tokens {
					if token = strings.ToLower(token); !slices.Contains(spheres, token) && len(spheres) <= maxMoments {
						spheres = append(spheres, token)
					}
				}
			}
		}
	}
	var out []situation
	for _, t := range times {
		for _, s := range spheres {
			if len(out) == maxMoments {
				l.partial = true
				return out
			}
			out = append(out, situation{t, s})
		}
	}
	return out
}

// somewhere is a domain that no rule names (RFC 2606).
const somewhere = "stranger.invalid"

// watchers are examples of all kinds of watchers that the rules tell apart:
// those of whom the same conditions are true are of one kind.
func (l *linter) watchers() []facts {
	_, domain, _ := strings.Cut(l.presentity, "@")
	candidates := map[string]struct{}{
		"": {}, l.presentity: {}, "sip:stranger@" + somewhere: {}, "sip:a-stranger@" + domain: {},
	}
	for i := range l.set.rules {
		for _, cond := range l.set.rules[i].conditions {
			switch cond := cond.(type) {
			case *identity:
				candidates = union(candidates, cond.ones)
				for _, m := range cond.many {
					candidates = union(candidates, m.exceptIDs)
					candidates = insert(candidates, "sip:a-stranger@"+m.domain)
					for d := range m.exceptDomains {
						candidates = insert(candidates, "sip:a-stranger@"+d)
					}
				}
			case *externalList:
				candidates = union(candidates, cond.members)
			}
		}
	}
	delete(candidates, "sip:a-stranger@")
	names := make([]string, 0, len(candidates))
	for name := range candidates {
		names = append(names, name)
	}
	slices.Sort(names)
	kinds := make(map[string]bool)
	var out []facts
	for _, name := range names {
		f := factsOf(Request{Presentity: l.presentity, Watcher: name, Now: l.now})
		kind := l.kindOf(f)
		if kinds[kind] {
			continue
		}
		if len(out) == maxClasses {
			l.partial = true
			return out
		}
		kinds[kind] = true
		out = append(out, f)
	}
	return out
}

// kindOf writes out which conditions about watchers are true of f.
func (l *linter) kindOf(f facts) string {
	var b strings.Builder
	if f.watcher == "" {
		b.WriteByte('?')
	}
	for i := range l.set.rules {
		for _, cond := range l.set.rules[i].conditions {
			switch cond.(type) {
			case *identity, *externalList:
				if cond.match(f) {
					b.WriteByte('1')
				} else {
					b.WriteByte('0')
				}
			}
		}
	}
	return b.String()
}

func (s *ruleset) verdict(f facts, at situation) Decision {
	f.now, f.sphere = at.now, at.sphere
	return s.decide(f, nil)
}

// openToAll reports rules that let in whoever asks.
func (l *linter) openToAll() {
	for i := range l.set.rules {
		r := &l.set.rules[i]
		if r.handling != Allow {
			continue
		}
		if who := l.audience(r); who != "" {
			l.report(r, true, "is open to all: it lets in %s", who)
		}
	}
}

// audience is whom a rule is for if that is as good as everybody.
func (l *linter) audience(r *rule) string {
	alone := &ruleset{documents: 1, rules: []rule{*r}}
	stranger := factsOf(Request{Watcher: "sip:stranger@" + somewhere})
	for _, at := range l.moments {
		if alone.verdict(facts{}, at).Handling == Allow && !r.is(kindAnonymous) {
			return "everybody, also watchers without an identity"
		}
		if alone.verdict(stranger, at).Handling == Allow {
			if r.is(kindOther) {
				return "everybody whom no other rule names, of any domain"
			}
			return "everybody with an identity, of any domain"
		}
	}
	return ""
}

func (r *rule) is(k kind) bool {
	return slices.ContainsFunc(r.conditions, func(c condition) bool { return c.kind() == k })
}

// unreachable reports rules without which every watcher would be treated the same.
func (l *linter) unreachable() {
	rules := len(l.set.rules)
	if l.partial || rules*rules*len(l.classes)*len(l.moments) > maxTried {
		l.report(nil, false, "there are too many rules, people, times or spheres (%d rules) to find out which rules decide something", rules)
		return
	}
	for i := range l.set.rules {
		r := &l.set.rules[i]
		if r.off || l.decisive(i) {
			continue
		}
		if r.handling == Block {
			l.report(r, false, "changes nothing: whom it refuses would be refused without it, too")
			continue
		}
		if l.nobodyListed(r) {
			l.report(r, false, "decides nothing as long as nobody is on its list")
			continue
		}
		l.report(r, true, "decides nothing: without it every watcher would be treated the same, %s", l.whyIdle(r))
	}
}

// nobodyListed reports whether a rule is for people of lists, which are there, but
// empty: nobody has been let in, or blocked, yet.
func (l *linter) nobodyListed(r *rule) bool {
	return slices.ContainsFunc(r.conditions, func(c condition) bool {
		list, ok := c.(*externalList)
		return ok && len(list.members)+len(list.problems) == 0
	})
}

// whyIdle guesses why a rule decides nothing.
func (l *linter) whyIdle(r *rule) string {
	for _, f := range l.classes {
		for _, at := range l.moments {
			f := f
			f.now, f.sphere = at.now, at.sphere
			f.listed = l.set.listed(f)
			if r.match(f) {
				return "as other rules say as much or come first"
			}
		}
	}
	return "as its conditions are never all true"
}

// decisive reports whether anybody is treated otherwise without rule i.
func (l *linter) decisive(i int) bool {
	without := &ruleset{
		documents: l.set.documents, damaged: l.set.damaged, blind: l.set.blind,
		provide: l.set.provide, refers: l.set.refers,
		rules: slices.Delete(slices.Clone(l.set.rules), i, i+1),
	}
	for _, f := range l.classes {
		for _, at := range l.moments {
			with, less := l.set.verdict(f, at), without.verdict(f, at)
			if with.Handling != less.Handling || viewKey(with) != viewKey(less) {
				return true
			}
		}
	}
	return false
}
