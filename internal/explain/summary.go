package explain

import (
	"fmt"
	"strings"

	"rollcall/policy"
)

// summary is the answer in a few sentences: first what the rules want, then what
// there is to see, then whether the watcher gets it.
func (r *Report) summary() []string {
	who, of := plain(r.Watcher), plain(r.Presentity)
	if !r.Account {
		return []string{fmt.Sprintf("There is no account %s here, so nobody can watch it: subscriptions get 404.", of)}
	}
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	d := r.Policy.Decision
	switch {
	case r.Watcher == r.Presentity:
		say("%s asks about itself, and always sees everything.", who)
	case r.Policy.Handling == "":
		say("The rules of %s cannot be read now, so %s sees nothing.", of, who)
	case d.NoPolicy && d.Operator == "":
		say("%s sees nothing yet: %s has no rules, so everybody has to wait until %s decides.", who, of, of)
	case d.Handling == policy.Block:
		say("%s sees nothing: %s. A subscription gets 403.", who, r.decided("the rules of "+of+" refuse", "no rule of "+of+" lets anybody like "+who+" in"))
	case d.Handling == policy.Confirm:
		say("%s sees nothing yet: %s.", who, r.decided(of+" has to decide first", ""))
	case d.Handling == policy.PoliteBlock:
		say("%s is made to believe that %s is offline: %s.", who, of, r.decided("so say the rules of "+of, ""))
	default:
		say("%s may see %s: %s.", who, of, r.decided("so say the rules of "+of, ""))
	}
	for _, doc := range r.Policy.Documents {
		if doc.Problem != "" {
			say("A rule document of %s cannot be read (%s); as long as that is so, nobody is let in without a decision.", of, doc.Name)
		}
	}
	if r.View.State == "active" && d.Handling == policy.Allow {
		lines = append(lines, r.shown(of)...)
	}
	lines = append(lines, r.told(who, of)...)
	if r.Policy.Stale {
		say("The server still goes by older rules than those that are stored: a document was changed without telling it. Store the document once more, or restart the server.")
	}
	return lines
}

// decided adds the rules that count to what they say, unless the operator decides.
func (r *Report) decided(text, without string) string {
	if rule := r.Policy.Decision.Operator; rule != "" {
		return "so decided the operator of the server (policy " + rule + ")"
	}
	var ids []string
	for _, rule := range r.Policy.Rules {
		if rule.Counted && rule.Handling == r.Policy.Handling {
			ids = append(ids, fmt.Sprintf("%q", rule.ID))
		}
	}
	switch {
	case len(ids) == 1:
		return text + " (rule " + ids[0] + ")"
	case len(ids) > 1:
		return text + " (rules " + strings.Join(ids, ", ") + ")"
	case without != "":
		return without
	}
	return text
}

// shown says what there is to see for one who may.
func (r *Report) shown(of string) (lines []string) {
	switch {
	case len(r.Registrations)+len(r.Publications) == 0 && !r.HardState:
		lines = append(lines, of+" is offline: no device is registered, and none publishes anything.")
	case r.View.Body == r.Composed:
		lines = append(lines, "There is to see: "+r.View.Says+".")
	case r.View.Says == r.ComposedSays:
		lines = append(lines, "There is to see: "+r.View.Says+". The rules leave out details.")
	default:
		lines = append(lines, "There is to see: "+r.View.Says+". The rules leave out something: without them it would be "+r.ComposedSays+".")
	}
	return lines
}

// told says whether the watcher gets what it may see.
func (r *Report) told(who, of string) (lines []string) {
	for _, p := range r.Problems {
		if strings.HasPrefix(p, "subscriptions:") {
			return nil
		}
	}
	if len(r.Subscriptions) == 0 {
		waits := ""
		for _, w := range r.WatcherInfo {
			if w.Status == "waiting" {
				waits = " It did before, and is still waiting for a decision."
			}
		}
		return []string{fmt.Sprintf("%s does not ask: it has no subscription to %s, neither of its own nor through a list.%s", who, of, waits)}
	}
	healthy := false
	for _, s := range r.Subscriptions {
		healthy = healthy || s.trouble() == "" && (s.List != "" || s.State == r.View.State)
	}
	if healthy {
		return nil
	}
	for _, s := range r.Subscriptions {
		switch t := s.trouble(); {
		case t != "":
			lines = append(lines, fmt.Sprintf("What %s was told may be out of date: %s.", who, t))
		case s.State != r.View.State && r.Live:
			lines = append(lines, fmt.Sprintf("%s was last told %q, which is about to change to %q.", who, s.State, r.View.State))
		}
	}
	return lines
}

// trouble is why a subscription does not bring what it should, "" if it does.
func (s *Subscription) trouble() string {
	switch n := s.Notify; {
	case s.Lost:
		return "its connection is gone, and it has to subscribe again"
	case n == nil:
		return ""
	case n.Failure != "":
		return "the last NOTIFY failed (" + n.outcome() + ")"
	case !n.Answered:
		return "the last NOTIFY has not been answered yet"
	}
	return ""
}

// failures are what the labels of failed NOTIFYs mean.
var failures = map[string]string{
	"busy":      "its connection does not take more",
	"flow":      "its connection is gone",
	"timeout":   "no answer in time",
	"transport": "it could not be sent",
}

func (n *Notify) outcome() string {
	switch {
	case n.Status > 0:
		return fmt.Sprintf("answered %d", n.Status)
	case !n.Answered:
		return "not answered yet"
	case failures[n.Failure] != "":
		return failures[n.Failure]
	}
	return n.Failure
}
