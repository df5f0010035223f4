package policy

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// facts are what conditions are evaluated on.
type facts struct {
	watcher string // empty: unauthenticated
	domain  string // of the watcher
	sphere  string
	now     time.Time
	listed  bool // some rule refers to the watcher by identity or external list
}

func factsOf(req Request) facts {
	return facts{watcher: req.Watcher, domain: domainOf(req.Watcher), sphere: req.Sphere, now: req.Now}
}

// withoutPort cuts the port that an address may keep; colons in brackets are part
// of the host.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}

// condition is one child of a conditions element.
type condition interface {
	match(f facts) bool
	// kind is what precedence and other-identity go by.
	kind() kind
	// String describes the condition for explanations.
	String() string
}

// kind orders the conditions of OMA documents: of the applicable rules only
// those of the lowest kind count.
type kind uint8

const (
	kindAnonymous kind = iota + 1
	kindIdentity
	kindExternalList
	kindOther
	kindNone
)

// identity is true if any of its children is. RFC 4745 §7.1.
type identity struct {
	ones map[string]struct{}
	many []many
}

// many is any authenticated watcher, or any of one domain, less the exceptions.
type many struct {
	domain        string // empty: any
	exceptIDs     map[string]struct{}
	exceptDomains map[string]struct{}
}

func (c *identity) kind() kind { return kindIdentity }

func (c *identity) match(f facts) bool {
	if f.watcher == "" { // RFC 4745 §7.1: only authenticated identities match
		return false
	}
	if _, ok := c.ones[f.watcher]; ok {
		return true
	}
	for i := range c.many {
		if c.many[i].match(f) {
			return true
		}
	}
	return false
}

func (m *many) match(f facts) bool {
	if m.domain != "" && m.domain != f.domain {
		return false
	}
	if _, ok := m.exceptIDs[f.watcher]; ok {
		return false
	}
	_, ok := m.exceptDomains[f.domain]
	return !ok
}

func (c *identity) String() string {
	var parts []string
	switch len(c.ones) {
	case 0:
	case 1:
		for id := range c.ones {
			parts = append(parts, id)
		}
	default:
		parts = append(parts, fmt.Sprintf("one of %d identities", len(c.ones)))
	}
	for i := range c.many {
		m := &c.many[i]
		who := "anyone authenticated"
		if m.domain != "" {
			who = "anyone of " + m.domain
		}
		if n := len(m.exceptIDs) + len(m.exceptDomains); n > 0 {
			who += fmt.Sprintf(" with %d exceptions", n)
		}
		parts = append(parts, who)
	}
	if len(parts) == 0 {
		return "identity: nobody"
	}
	return "identity: " + strings.Join(parts, ", ")
}

// sphere is true if the presentity's sphere is one of the tokens. An undefined
// sphere is none of them. RFC 5025 §3.1.2.
type sphere []string

func (c sphere) kind() kind { return kindNone }

func (c sphere) match(f facts) bool {
	if f.sphere == "" {
		return false
	}
	for _, token := range c {
		if strings.EqualFold(token, f.sphere) {
			return true
		}
	}
	return false
}

func (c sphere) String() string { return "sphere: " + strings.Join(c, " ") }

// validity is true within any of its intervals. RFC 4745 §7.3.
type validity []interval

type interval struct{ from, until time.Time }

func (c validity) kind() kind { return kindNone }

func (c validity) match(f facts) bool {
	for _, i := range c {
		if !f.now.Before(i.from) && f.now.Before(i.until) {
			return true
		}
	}
	return false
}

func (c validity) String() string {
	parts := make([]string, len(c))
	for n, i := range c {
		parts[n] = i.from.Format(time.RFC3339) + " to " + i.until.Format(time.RFC3339)
	}
	return "validity: " + strings.Join(parts, ", ")
}

// externalList is true for the members of the lists it refers to.
type externalList struct {
	members  map[string]struct{}
	anchors  []string // the references, as they are written
	problems []string
}

func (c *externalList) kind() kind { return kindExternalList }

func (c *externalList) match(f facts) bool {
	_, ok := c.members[f.watcher]
	return ok
}

func (c *externalList) String() string {
	s := fmt.Sprintf("external-list: %d members", len(c.members))
	if len(c.problems) > 0 {
		s += " (" + strings.Join(c.problems, "; ") + ")"
	}
	return s
}

// otherIdentity is true for an authenticated watcher no rule refers to.
type otherIdentity struct{}

func (otherIdentity) kind() kind         { return kindOther }
func (otherIdentity) match(f facts) bool { return f.watcher != "" && !f.listed }
func (otherIdentity) String() string     { return "other-identity" }

// anonymousRequest is true when there is no usable identity.
type anonymousRequest struct{}

func (anonymousRequest) kind() kind         { return kindAnonymous }
func (anonymousRequest) match(f facts) bool { return f.watcher == "" }
func (anonymousRequest) String() string     { return "anonymous-request" }

// never is a condition nobody here knows. RFC 4745 §7: it is false.
type never string

func (never) kind() kind       { return kindNone }
func (never) match(facts) bool { return false }
func (c never) String() string { return "unknown condition " + string(c) }

// canonicalDomain is the form domains are compared in: percent-decoded, IDNA
// ToASCII. RFC 4745 §7.1.3: what cannot be converted matches nothing.
func canonicalDomain(s string) (string, bool) {
	s, err := url.PathUnescape(strings.TrimSpace(s))
	if err != nil || s == "" {
		return "", false
	}
	s, err = idna.Lookup.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil || s == "" {
		return "", false
	}
	return strings.ToLower(s), true
}
