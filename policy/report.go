package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/store"
)

// Report is a decision with everything that led to it, for a person to read.
type Report struct {
	Decision Decision `json:"-"`

	Handling    string           `json:"handling"` // sub-handling of RFC 5025
	Meaning     string           `json:"meaning"`
	Documents   []DocumentReport `json:"documents"`
	Rules       []RuleReport     `json:"rules"`
	Combination []string         `json:"combination"` // how the rules that apply were united
	Shows       []string         `json:"shows,omitempty"`
	// Operator names what of the operator's policy decided instead of the rules.
	Operator string `json:"operator,omitempty"`
	// Stale tells that what is stored would be decided otherwise than what is in
	// force: a document was changed behind the engine's back.
	Stale bool `json:"stale,omitempty"`
}

// DocumentReport is a rule document that was read.
type DocumentReport struct {
	Name     string    `json:"name"`
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified"`
	Rules    int       `json:"rules"`
	Problem  string    `json:"problem,omitempty"`
}

// RuleReport is how one rule fared.
type RuleReport struct {
	Document   string            `json:"document"`
	ID         string            `json:"id"`
	Handling   string            `json:"handling"`
	Matched    bool              `json:"matched"` // all conditions are true
	Counted    bool              `json:"counted"` // and no rule of higher precedence set it aside
	Why        string            `json:"why"`
	Conditions []ConditionReport `json:"conditions,omitempty"`
}

// ConditionReport is how one condition of a rule fared.
type ConditionReport struct {
	Condition string `json:"condition"`
	True      bool   `json:"true"`
	Why       string `json:"why"`
}

// Report decides as Decide does and says everything about how. It reads the rules
// anew, so it takes as long as the first decision for a presentity.
func (e *Engine) Report(ctx context.Context, req Request) (Report, error) {
	r, err := e.report(ctx, req)
	if err == nil && r.Stale { // or a document is being changed at this moment
		return e.report(ctx, req)
	}
	return r, err
}

func (e *Engine) report(ctx context.Context, req Request) (Report, error) {
	c := e.compiler(ctx, req.Presentity)
	if err := c.documents(e, req.Presentity); err != nil {
		return Report{}, err
	}
	set := c.finish()
	r := Report{Documents: c.read}
	f := factsOf(req)
	f.listed = set.refers && set.listed(f)
	var why []Reason
	r.Decision = e.verdict(set, req, &why)
	r.Decision.Reasons = why
	for i, reason := range why {
		if !reason.Operator {
			r.Rules = append(r.Rules, c.ruleReport(&set.rules[i], f, reason))
		}
	}
	r.Combination = set.combination(r.Rules, set.decide(f, nil))
	if rule := r.Decision.Operator; rule != "" {
		r.Operator = rule
		switch rule { // the line before says what holds without an operator
		case "no-document":
			r.Combination = []string{"There is no rule document at all."}
		case "no-rule":
			r.Combination = []string{"No rule applies."}
		}
		r.Combination = append(r.Combination, operatorWords(rule, groupOf(req.Presentity, f), r.Decision.Handling))
	}
	if req.Watcher != "" && req.Watcher == req.Presentity {
		r.Decision = Decision{Handling: Allow, Transform: e.everything, Reasons: why}
		r.Combination = []string{"The watcher is the owner, who always sees everything."}
	} else if inForce, err := e.Decide(ctx, req); err == nil {
		r.Stale = inForce.Handling != r.Decision.Handling || viewKey(inForce) != viewKey(r.Decision)
		r.Decision.Transform, r.Decision.Handling = inForce.Transform, inForce.Handling
	}
	r.Handling, r.Meaning = r.Decision.Handling.String(), r.Decision.Handling.Meaning()
	if r.Decision.Transform != nil {
		r.Shows = r.Decision.Transform.Words()
	}
	return r, nil
}

// viewKey tells views of one handling apart.
func viewKey(d Decision) string {
	if d.Transform == nil {
		return ""
	}
	return d.Transform.Key()
}

// Meaning says what a handling does, in plain words.
func (h Handling) Meaning() string {
	switch h {
	case Confirm:
		return "the watcher waits and sees nothing until the owner decides"
	case PoliteBlock:
		return "the watcher is made to believe that the owner is always offline"
	case Allow:
		return "the watcher sees what the rules that count let it see"
	default:
		return "the watcher is refused"
	}
}

func documentName(key store.DocumentKey) string {
	if key.XUI == "" {
		return key.AUID + "/global/" + key.Path
	}
	return key.AUID + "/users/" + key.XUI + "/" + key.Path
}

func (c *compiler) ruleReport(r *rule, f facts, reason Reason) RuleReport {
	out := RuleReport{
		Document: documentName(r.document), ID: r.id, Handling: r.handling.String(),
		Matched: reason.Matched, Counted: reason.Counted,
	}
	var failed []string
	for _, cond := range r.conditions {
		report := ConditionReport{Condition: cond.String(), True: cond.match(f), Why: c.because(cond, f)}
		if !report.True {
			failed = append(failed, report.Why)
		}
		out.Conditions = append(out.Conditions, report)
	}
	switch {
	case len(failed) > 0:
		out.Why = strings.Join(failed, "; ")
	case len(r.conditions) == 0:
		out.Why = "it has no conditions, so it applies to everyone"
	default:
		reasons := make([]string, len(out.Conditions))
		for i, cond := range out.Conditions {
			reasons[i] = cond.Why
		}
		out.Why = strings.Join(reasons, "; ")
	}
	return out
}

// precedence names the groups of OMA rules, first the one that counts first.
var precedence = [...]struct {
	kind kind
	name string
}{
	{kindAnonymous, "rules for watchers without an identity"},
	{kindIdentity, "rules that name people"},
	{kindExternalList, "rules that refer to lists"},
	{kindOther, "rules for everybody else"},
}

// combination says how the rules that apply became one decision.
func (s *ruleset) combination(rules []RuleReport, d Decision) (lines []string) {
	if d.NoPolicy {
		return []string{"There is no rule document at all: everybody has to wait until the owner decides (confirm)."}
	}
	var counted, aside []string
	var highest Handling
	first := kindNone
	for i, r := range rules {
		rule := &s.rules[i]
		switch {
		case r.Counted:
			counted = append(counted, fmt.Sprintf("%q (%s)", r.ID, r.Handling))
			highest = max(highest, rule.handling)
			if rule.ranked {
				first = min(first, rule.kind)
			}
		case r.Matched:
			aside = append(aside, fmt.Sprintf("%q (%s)", r.ID, r.Handling))
		}
	}
	if len(counted) == 0 {
		return []string{"No rule applies, and nobody is let in without a rule (block)."}
	}
	if len(aside) > 0 {
		for _, p := range precedence {
			if p.kind == first {
				lines = append(lines, fmt.Sprintf("Only the %s count here, as the first group in which a rule applies; set aside: %s.", p.name, strings.Join(aside, ", ")))
			}
		}
	}
	if len(counted) == 1 {
		lines = append(lines, "One rule counts: "+counted[0]+".")
	} else {
		lines = append(lines, fmt.Sprintf("%d rules count: %s. The most generous wins: %s.", len(counted), strings.Join(counted, ", "), highest))
	}
	switch {
	case highest == d.Handling:
	case s.damaged:
		lines = append(lines, "A rule document cannot be read, so that nobody is let in before the owner confirms: allow became confirm.")
	case s.blind:
		lines = append(lines, "A list cannot be read; whoever no other rule speaks of may be on it, so that allow became confirm.")
	}
	return lines
}

// because says why a condition is true or false.
func (c *compiler) because(cond condition, f facts) string {
	switch cond := cond.(type) {
	case *identity:
		return cond.because(f)
	case *externalList:
		return c.listed(cond, f)
	case sphere:
		if f.sphere == "" {
			return "the owner's sphere is not known (devices say none, or different ones), and the rule wants " + strings.Join(cond, " or ")
		}
		return fmt.Sprintf("the owner's sphere is %q, and the rule wants %s", f.sphere, strings.Join(cond, " or "))
	case validity:
		return cond.because(f)
	case otherIdentity:
		switch {
		case f.watcher == "":
			return "it is for watchers with an identity, and this one has none"
		case f.listed:
			return "it is for those whom no other rule names, and another rule names " + plain(f.watcher)
		}
		return "no rule names " + plain(f.watcher)
	case anonymousRequest:
		if f.watcher == "" {
			return "the watcher has no identity"
		}
		return "it is for watchers without an identity, and this is " + plain(f.watcher)
	case never:
		if cond == "false-condition" {
			return "the rule has been switched off (false-condition)"
		}
		return fmt.Sprintf("the condition %q is not known here, and an unknown condition is never true", string(cond))
	}
	return cond.String()
}

// name is the watcher as a person would write it.
func (f facts) name() string {
	if f.watcher == "" {
		return "a watcher without an identity"
	}
	return plain(f.watcher)
}

func plain(aor string) string { return strings.TrimPrefix(aor, "sip:") }

// named lists up to five of a set.
func named(set map[string]struct{}) string {
	const most = 5
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, plain(n))
	}
	slices.Sort(names)
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func (c *identity) because(f facts) string {
	if f.watcher == "" {
		return "it is for watchers with an identity, and this one has none"
	}
	who := plain(f.watcher)
	if _, ok := c.ones[f.watcher]; ok {
		return "it names " + who
	}
	var wants []string
	if len(c.ones) > 0 {
		wants = append(wants, named(c.ones))
	}
	for i := range c.many {
		m := &c.many[i]
		group := "everybody with an identity"
		if m.domain != "" {
			group = "everybody of " + m.domain
		}
		if m.match(f) {
			return "it is for " + group
		}
		if m.domain == "" || m.domain == f.domain {
			return "it is for " + group + ", but excludes " + who
		}
		wants = append(wants, group)
	}
	if len(wants) == 0 {
		return "it names nobody that can be understood"
	}
	return "it is for " + strings.Join(wants, ", ") + ", not for " + who
}

func (c validity) because(f facts) string {
	const layout = "2006-01-02 15:04:05 MST"
	if len(c) == 0 {
		return "its times cannot be read, so it is never valid"
	}
	spans := make([]string, len(c))
	for i, in := range c {
		spans[i] = "from " + in.from.UTC().Format(layout) + " until " + in.until.UTC().Format(layout)
	}
	return "it is valid " + strings.Join(spans, " and ") + ", and it is now " + f.now.UTC().Format(layout)
}

// listed says on which list of the condition the watcher is.
func (c *compiler) listed(cond *externalList, f facts) string {
	var seen []string
	for _, anchor := range cond.anchors {
		r := c.anchors[anchor]
		name := listName(anchor)
		switch {
		case f.watcher != "" && slices.Contains(r.members, f.watcher):
			return fmt.Sprintf("%s has the entry %s", name, plain(f.watcher))
		case r.problem != "":
			seen = append(seen, name+" cannot be used: "+r.problem)
		case len(r.members) == 0:
			seen = append(seen, name+" is empty")
		default:
			seen = append(seen, fmt.Sprintf("%s is not on %s, which has %s", f.name(), name, count(len(r.members), "entry", "entries")))
		}
	}
	if len(seen) == 0 {
		return "it refers to no list"
	}
	return strings.Join(seen, "; ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
