package explain

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// WriteText prints the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	t := text{printer: printer{out}, r: r, who: plain(r.Watcher), of: plain(r.Presentity)}
	t.all()
	return out.Flush()
}

// printer prints line by line.
type printer struct{ *bufio.Writer }

// line prints one line. What clients sent must not control a terminal.
func (p printer) line(format string, args ...any) {
	p.WriteString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, fmt.Sprintf(format, args...)))
	p.WriteByte('\n')
}

func (p printer) section(n int, title string) {
	p.line("")
	p.line("%d. %s", n, title)
}

// heading says when and of whom the facts were asked.
func (p printer) heading(at time.Time, live bool) {
	from := "from the running server"
	if !live {
		from = "from what is stored; the server was not asked"
	}
	p.line("%s, %s", at.UTC().Format("2006-01-02 15:04:05 MST"), from)
	p.line("")
}

type text struct {
	printer
	r       *Report
	who, of string
}

func (t *text) all() {
	r := t.r
	t.line("What %s sees of %s", t.who, t.of)
	t.heading(r.At, r.Live)
	for _, s := range r.Summary {
		t.line("%s", s)
	}
	if r.Account {
		t.chain()
	}
	if len(r.Problems) > 0 {
		t.line("")
		t.line("Not found out:")
		for _, p := range r.Problems {
			t.line("   %s", p)
		}
	}
}

// chain prints the way of the data, step by step.
func (t *text) chain() {
	r := t.r
	t.section(1, "Devices of "+t.of+" that are registered")
	t.registrations()
	t.section(2, "What they publish")
	t.publications()
	t.section(3, "What that makes together")
	t.line("   %s", orNothing(r.ComposedSays))
	t.parts()
	t.reachable()
	if r.Sphere != "" {
		t.line("   sphere: %s", r.Sphere)
	}
	t.section(4, "What the rules of "+t.of+" say about "+t.who)
	t.rules()
	t.section(5, "What "+t.who+" is shown")
	t.view()
	t.section(6, "Subscriptions by which "+t.who+" asks")
	t.subscriptions()
	t.section(7, "How "+t.of+" sees the watcher (watcher information)")
	t.watchers()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (t *text) registrations() {
	if len(t.r.Registrations) == 0 {
		t.line("   none")
	}
	for _, reg := range t.r.Registrations {
		t.line("   %s%s", reg.Contact, by(reg.UserAgent))
		line := "registered " + t.ago(reg.Registered)
		if reg.Renewed.After(reg.Registered) {
			line += ", renewed " + t.ago(reg.Renewed)
		}
		t.line("     %s, %s", line, t.ends(reg.Expires, reg.Ends))
		if reg.Flow != "" {
			t.line("     over %s", reg.Flow)
		}
	}
}

func by(agent string) string {
	if agent == "" {
		return ""
	}
	return ", " + agent
}

func (t *text) publications() {
	if len(t.r.Publications) == 0 {
		t.line("   nothing")
	}
	for _, p := range t.r.Publications {
		t.line("   %s", p.Says)
		source := "by a program whose name is not known"
		if p.UserAgent != "" {
			source = "by " + p.UserAgent
		}
		t.line("     %s, %s, %s", source, t.ago(p.Published), t.ends(p.Expires, p.Ends))
	}
	switch {
	case t.r.HardState && len(t.r.Publications) > 0:
		t.line("   A stored document (pidf-manipulation) does not count while a device publishes.")
	case t.r.HardState:
		t.line("   A stored document (pidf-manipulation) counts, as no device publishes.")
	}
	if t.r.Override {
		t.line("   A stored document (pidf-manipulation/override) counts before what devices publish, until it is over.")
	}
	if t.r.Calling {
		t.line("   There is a call in progress.")
	}
}

func (t *text) rules() {
	p := &t.r.Policy
	for _, d := range p.Documents {
		noun := "rules"
		if d.Rules == 1 {
			noun = "rule"
		}
		line := fmt.Sprintf("document %s, %d %s, stored %s", d.Name, d.Rules, noun, t.ago(d.Modified))
		if d.Problem != "" {
			line = fmt.Sprintf("document %s cannot be read: %s", d.Name, d.Problem)
		}
		t.line("   %s", line)
	}
	for _, r := range p.Rules {
		word := "does not apply"
		switch {
		case r.Counted:
			word = "applies"
		case r.Matched:
			word = "would apply, but is set aside"
		}
		t.line("   rule %q (%s) %s: %s", r.ID, r.Handling, word, r.Why)
	}
	for _, c := range p.Combination {
		t.line("   %s", c)
	}
	if p.Handling != "" {
		t.line("   Result: %s, which means that %s.", p.Handling, p.Meaning)
	}
	for i, s := range p.Shows {
		if i == 0 {
			t.line("   Shown: %s", s)
		} else {
			t.line("          %s", s)
		}
	}
	if !p.Decision.Until.IsZero() {
		t.line("   This changes by itself at %s at the earliest.", p.Decision.Until.UTC().Format("2006-01-02 15:04:05 MST"))
	}
}

func (t *text) view() {
	v := &t.r.View
	switch v.State {
	case "active":
		t.line("   %s", v.Says)
		t.line("   The document:")
		for _, l := range strings.Split(strings.TrimRight(v.Body, "\r\n"), "\n") {
			t.line("   | %s", strings.TrimRight(l, "\r"))
		}
	case "pending":
		t.line("   nothing, until there is a decision")
	default:
		t.line("   nothing: the subscription is refused")
	}
}

// forms is what is sent instead of the document shown above.
var forms = map[string]string{
	"gist":    "gets the gist only: one service, one note and what the person does, as its program looks at nothing else",
	"filter":  "gets only the parts that its filter asks for",
	"trigger": "is told only of changes that its filter asks for",
	"changes": "gets only what has changed since the last NOTIFY, after the whole document once",
}

func (t *text) subscriptions() {
	if len(t.r.Subscriptions) == 0 {
		t.line("   none")
	}
	for _, s := range t.r.Subscriptions {
		what := "to " + t.of
		if s.List != "" {
			what = "to the list " + plain(s.List) + ", which has " + t.of
			if service, _, brought := strings.Cut(s.List, ";owner="); brought {
				what = "to the list that it sent to " + plain(service) + ", which has " + t.of
			}
		}
		t.line("   %s: %s, since %s, ends %s unless renewed", what, s.State, t.ago(s.Created), t.in(s.Expires))
		switch {
		case s.Lost:
			t.line("     the connection is gone: nothing can be sent until the watcher comes back")
		case s.Flow != "":
			t.line("     over %s", s.Flow)
		}
		for _, form := range s.Forms {
			t.line("     %s", forms[form])
		}
		switch {
		case s.Notify != nil:
			t.line("     last NOTIFY %s (CSeq %d): %s", t.ago(s.Notify.Sent), s.Notify.CSeq, s.Notify.outcome())
		case t.r.Live:
			t.line("     no NOTIFY since the server was started: nothing is new")
		}
		if s.Waiting {
			t.line("     there is something that it has not been told yet")
		}
	}
}

func (t *text) watchers() {
	if len(t.r.WatcherInfo) == 0 {
		t.line("   not at all")
	}
	for _, w := range t.r.WatcherInfo {
		line := fmt.Sprintf("%s (%s), since %s", w.Status, w.Cause, t.ago(w.Since))
		if w.Status != "terminated" && w.Expires.After(t.r.At) {
			line += ", ends " + t.in(w.Expires)
		}
		t.line("   %s", line)
	}
}

func (t *text) ends(expires, ends time.Time) string {
	if ends.Before(expires) {
		return "ends " + t.in(ends) + ", as its connection is gone"
	}
	return "ends " + t.in(expires) + " unless renewed"
}

func (t *text) ago(at time.Time) string {
	switch d := t.r.At.Sub(at); {
	case at.IsZero():
		return "at an unknown time"
	case d < time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

func (t *text) in(at time.Time) string {
	if d := at.Sub(t.r.At); d >= time.Second {
		return "in " + span(d)
	}
	return "now"
}

// span is a duration in one unit.
func span(d time.Duration) string {
	for _, u := range [...]struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*u.size {
			return fmt.Sprintf("%d %ss", d/u.size, u.name)
		}
	}
	if s := d / time.Second; s != 1 {
		return fmt.Sprintf("%d seconds", s)
	}
	return "1 second"
}
