package eventfilter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ContentType is the media type of filter documents.
const ContentType = "application/simple-filter+xml"

const namespace = "urn:ietf:params:xml:ns:simple-filter"

// Limits of one set and of each filter in it.
const (
	maxFilters     = 64
	maxExpressions = 16   // of a filter
	maxExpression  = 1024 // octets
	maxSteps       = 16   // of a path
	maxConditions  = 16   // comparisons in an expression
)

// Error says why a filter document is not accepted.
type Error struct{ Text string }

func (e *Error) Error() string { return "event filter: " + e.Text }

func invalid(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Set is the filters of one subscription. It is immutable and can be used on any
// goroutine; nil is none.
type Set struct {
	subject string // what is subscribed to
	filters []*Filter
}

// Filter says what of the documents of one resource, or domain, is delivered and
// when. It is immutable.
type Filter struct {
	id     string
	target string // canonical URI, or "@" and a domain; of a removal it may be empty
	uri    string // as written
	domain string

	enabled, remove bool
	bare            bool // neither what nor trigger stands in it

	what     content
	triggers []trigger
	key      string
}

// For returns the filter that applies to documents of a resource, nil when there
// is none. The resource's own comes before that of its domain, and these before
// those of the lists it is in, the innermost first, and the one for all that is
// subscribed to (RFC 4660 §3.3.1, §3.3.2). Without a domain those for domains do not
// count: they are for the servers of these (RFC 4660 §4.1).
func (s *Set) For(resource, domain string, lists ...string) *Filter {
	if s == nil {
		return nil
	}
	targets := append([]string{resource, "@" + strings.ToLower(domain)}, lists...)
	for _, target := range append(targets, s.subject) {
		for _, f := range s.filters {
			if f.target == target && f.enabled {
				return f
			}
		}
	}
	return nil
}

// Key identifies what the filter delivers: equal keys give equal documents. It is
// empty when everything is delivered.
func (f *Filter) Key() string { return f.key }

// HasTriggers reports whether only some changes are to be told.
func (f *Filter) HasTriggers() bool { return len(f.triggers) > 0 }

func (f *Filter) seal() {
	if text := f.what.canonical(); text != "" {
		sum := sha256.Sum256([]byte(text))
		f.key = hex.EncodeToString(sum[:12])
	}
}

// Merge returns the filters in force after a SUBSCRIBE inside the dialog brought
// more (RFC 4660 §5.2.2): the same id replaces, a removal removes, and no two
// filters are for one resource or domain.
func (s *Set) Merge(update *Set) (*Set, error) {
	merged := &Set{subject: update.subject}
	changes := make(map[string]*Filter, len(update.filters))
	for _, f := range update.filters {
		changes[f.id] = f
	}
	if s != nil {
		for _, old := range s.filters {
			change := changes[old.id]
			delete(changes, old.id)
			switch {
			case change == nil:
				merged.filters = append(merged.filters, old)
			case change.remove:
			case change.bare: // RFC 4661 §3.4: only switched on or off
				merged.filters = append(merged.filters, old.switched(change))
			default:
				merged.filters = append(merged.filters, change)
			}
		}
	}
	for _, f := range update.filters {
		if changes[f.id] == nil || f.remove {
			continue
		}
		if f.bare && f.enabled {
			return nil, invalid("the filter %q has neither what nor trigger", f.id)
		}
		merged.filters = append(merged.filters, f)
	}
	return merged.checked()
}

// switched is f as a later mention without content leaves it.
func (f *Filter) switched(change *Filter) *Filter {
	g := *f
	g.enabled = change.enabled
	if change.uri != "" || change.domain != "" {
		g.uri, g.domain, g.target = change.uri, change.domain, change.target
	}
	return &g
}

// checked returns s, nil when it is empty, or an error if it cannot be.
func (s *Set) checked() (*Set, error) {
	if len(s.filters) > maxFilters {
		return nil, invalid("more than %d filters", maxFilters)
	}
	targets := make(map[string]string, len(s.filters))
	for _, f := range s.filters {
		if other, taken := targets[f.target]; taken {
			return nil, invalid("the filters %q and %q are for the same resource", other, f.id)
		}
		targets[f.target] = f.id
	}
	if len(s.filters) == 0 {
		return nil, nil
	}
	return s, nil
}
