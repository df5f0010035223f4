package eventstate

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/store"
)

// Publication is one publication with what was read of its body.
type Publication[D any] struct {
	store.Publication
	Doc D

	agent string    // User-Agent of the newest PUBLISH
	doubt time.Time // when it ends because its connection is gone; zero: it is not
}

// UserAgent returns what the newest PUBLISH says of its sender; "" when it does
// not, or came before the start.
func (p *Publication[D]) UserAgent() string { return p.agent }

// maxAgent bounds what is kept of a User-Agent.
const maxAgent = 80

func clip(s string) string {
	if len(s) > maxAgent {
		s = s[:maxAgent]
	}
	return strings.Clone(strings.ToValidUTF8(s, ""))
}

// Ends returns when the publication is over unless it is renewed.
func (p *Publication[D]) Ends() time.Time {
	if !p.doubt.IsZero() && p.doubt.Before(p.Expires) {
		return p.doubt
	}
	return p.Expires
}

// Doubted reports whether p would last longer if its connection had.
func (p *Publication[D]) Doubted(now time.Time) bool {
	return p.Expires.After(now) && !p.Ends().After(now)
}

// Trust has p last until it expires: its publisher was heard of again.
func (p *Publication[D]) Trust() { p.doubt, p.Flow = time.Time{}, "" }

// Set is the publications of one resource for one event package, in order of
// their lineage, which is the order in which they were first published.
type Set[D any] []*Publication[D]

// Sort puts publications that were loaded into order.
func (s Set[D]) Sort() {
	slices.SortFunc(s, func(a, b *Publication[D]) int { return strings.Compare(a.Lineage, b.Lineage) })
}

// FlowClosed says that a connection is gone: what was published over it and is
// not renewed ends after the grace. It reports whether there is such a thing.
func (s Set[D]) FlowClosed(flow string, ends time.Time) bool {
	found := false
	for _, p := range s {
		if p.Flow == flow && flow != "" && p.doubt.IsZero() {
			p.doubt, found = ends, true
		}
	}
	return found
}

// FlowsLost says that all connections of an earlier run are gone.
func (s Set[D]) FlowsLost(ends time.Time) {
	for _, p := range s {
		if p.Flow != "" {
			p.doubt = ends
		}
	}
}

// with returns the set with next in place of all that lineages names.
func (s Set[D]) with(next *Publication[D], gone []store.PublicationKey) Set[D] {
	out := make(Set[D], 0, len(s)+1)
	for _, p := range s {
		if !slices.Contains(gone, p.Key()) && (next == nil || p.Lineage != next.Lineage) {
			out = append(out, p)
		}
	}
	if next == nil {
		return out
	}
	i, _ := slices.BinarySearchFunc(out, next.Lineage, func(p *Publication[D], lineage string) int {
		return strings.Compare(p.Lineage, lineage)
	})
	return slices.Insert(out, i, next)
}

// newETag returns a token nobody can guess (RFC 3903 §14.2).
func newETag() string { return rand.Text() }

// newLineage names a publication so that later ones sort behind it.
func newLineage(now time.Time) string {
	var random [4]byte
	rand.Read(random[:]) // never fails
	return fmt.Sprintf("%016x%s", now.UnixNano(), hex.EncodeToString(random[:]))
}
