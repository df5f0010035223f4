package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Transformation is what a watcher is shown of a presence document (RFC 5025
// §3.3). It is immutable and safe for concurrent use.
type Transformation struct {
	grant grant
	key   string
}

// Everything is the transformation that leaves the document as it is.
func Everything() *Transformation { return newTransformation(provideAll()) }

func newTransformation(g *grant) *Transformation {
	t := &Transformation{grant: *g}
	if g.isAll() {
		t.key = "all"
		return t
	}
	sum := sha256.Sum256([]byte(g.canonical()))
	t.key = hex.EncodeToString(sum[:16])
	return t
}

// Key identifies the transformation: equal keys give equal views.
func (t *Transformation) Key() string { return t.key }

// All reports whether the transformation shows everything.
func (t *Transformation) All() bool { return t.grant.isAll() }

// canonical writes the grant out such that equal grants give equal text.
func (g *grant) canonical() string {
	var b strings.Builder
	g.services.write(&b)
	g.persons.write(&b)
	g.devices.write(&b)
	if g.everything {
		b.WriteString("all")
		return b.String()
	}
	fmt.Fprintf(&b, "%d,%d", g.attributes, g.input)
	unknown := make([]string, 0, len(g.unknown))
	for n := range g.unknown {
		unknown = append(unknown, fmt.Sprintf("%q%q", n.space, n.local))
	}
	slices.Sort(unknown)
	b.WriteString(strings.Join(unknown, ","))
	return b.String()
}

func (s *selection) write(b *strings.Builder) {
	if s.all {
		b.WriteString("all\n")
		return
	}
	for _, set := range []map[string]struct{}{s.classes, s.ids, s.uris, s.schemes} {
		members := make([]string, 0, len(set))
		for m := range set {
			members = append(members, m)
		}
		slices.Sort(members)
		fmt.Fprintf(b, "%q\n", members)
	}
}
