package xcap

import (
	"net/http"
	"slices"
	"strings"
)

// conditions are the preconditions of a request (RFC 9110 §13). Dates do not
// count: no answer carries one that a client could compare with.
type conditions struct {
	match, noneMatch *entityTags
}

// entityTags is the value of If-Match or If-None-Match.
type entityTags struct {
	any    bool     // "*"
	strong []string // opaque tags, without quotes
	weak   []string
}

func parseConditions(h http.Header) conditions {
	return conditions{match: parseTags(h["If-Match"]), noneMatch: parseTags(h["If-None-Match"])}
}

// parseTags reads a list of entity-tags. Tags without quotes are tolerated.
func parseTags(lines []string) *entityTags {
	if len(lines) == 0 {
		return nil
	}
	t := &entityTags{}
	for _, rest := range lines {
		for rest = strings.TrimLeft(rest, ", \t"); rest != ""; rest = strings.TrimLeft(rest, ", \t") {
			opaque, weak := strings.CutPrefix(rest, "W/")
			quoted := strings.HasPrefix(opaque, `"`)
			var tag string
			if quoted {
				tag, rest, _ = strings.Cut(opaque[1:], `"`)
			} else {
				tag, rest, _ = strings.Cut(opaque, ",")
				tag = strings.TrimRight(tag, " \t")
			}
			switch {
			case tag == "*" && !quoted && !weak:
				t.any = true
			case weak:
				t.weak = append(t.weak, tag)
			default:
				t.strong = append(t.strong, tag)
			}
		}
	}
	return t
}

// check evaluates the conditions on a document with that entity-tag, empty when
// there is no document. It returns 0 to go on, else the status to answer.
// RFC 4825 §7.11: all nodes of a document share its tag, and for If-None-Match
// it counts for a node that is yet to be created, too.
func (c conditions) check(etag, method string) int {
	if m := c.match; m != nil {
		// RFC 9110 §13.1.1: strong comparison.
		if etag == "" || !m.any && !slices.Contains(m.strong, etag) {
			return http.StatusPreconditionFailed
		}
	}
	if n := c.noneMatch; n != nil && etag != "" {
		// RFC 9110 §13.1.2: weak comparison.
		if n.any || slices.Contains(n.strong, etag) || slices.Contains(n.weak, etag) {
			if method == http.MethodGet || method == http.MethodHead {
				return http.StatusNotModified
			}
			return http.StatusPreconditionFailed
		}
	}
	return 0
}
