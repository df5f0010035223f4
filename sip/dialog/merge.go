package dialog

import (
	"fmt"
	"hash/fnv"

	"rollcall/sip/eventstate"
)

// entry is one dialog of a user, made of what all publishers say of it.
type entry struct {
	dialog
	lineage string // publication that first spoke of it
	theirs  string // and its id there
}

// calls are the dialogs of one user. They are not changed once made.
type calls []entry

// compose merges the publications of a user. before is what was made of the
// earlier ones: a dialog that is still spoken of never goes back from there.
func compose(set eventstate.Set[*document], before calls) calls {
	var out calls
	ids := map[string]bool{}
	for _, p := range set {
		first := len(out) // those behind are of this publication
		for _, d := range p.Doc.dialogs {
			if i := find(out[:first], d); i >= 0 {
				out[i].join(d)
				continue
			}
			e := entry{dialog: d, lineage: p.Lineage, theirs: d.id}
			e.resume(before)
			e.id = unused(ids, e.id)
			out = append(out, e)
		}
	}
	return out
}

// find returns the entry that is the same dialog, -1 if there is none.
func find(all calls, d dialog) int {
	for i := range all {
		if all[i].is(d) {
			return i
		}
	}
	return -1
}

// is reports whether two publishers mean the same dialog: the one of RFC 3261
// §12, where a tag may not be known yet. Without a Call-ID only the publisher
// knows which dialog it is.
func (e *entry) is(d dialog) bool {
	return d.callID != "" && d.callID == e.callID && agree(d.localTag, e.localTag) && agree(d.remoteTag, e.remoteTag)
}

func agree(a, b string) bool { return a == "" || b == "" || a == b }

// join adds what another publisher says.
func (e *entry) join(d dialog) {
	if d.phase > e.phase {
		e.phase, e.event, e.code = d.phase, d.event, d.code
	}
	for _, f := range [...]struct{ to, from *string }{
		{&e.localTag, &d.localTag}, {&e.remoteTag, &d.remoteTag}, {&e.direction, &d.direction},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if e.local == (party{}) {
		e.local = d.local
	}
	if e.remote == (party{}) {
		e.remote = d.remote
	}
}

// resume goes on from what was known of the dialog, or gives it its id. An id
// without a Call-ID may be used for one call after the other; a dialog has an end.
func (e *entry) resume(before calls) {
	for i := range before {
		b := &before[i]
		if e.callID == "" {
			if b.lineage == e.lineage && b.theirs == e.theirs && b.callID == "" {
				e.id = b.id
				return
			}
			continue
		}
		if b.is(e.dialog) {
			e.id = b.id
			e.join(b.dialog)
			return
		}
	}
	h := fnv.New64a()
	if e.callID == "" {
		fmt.Fprintf(h, "%s\x00%s", e.lineage, e.theirs)
	} else {
		fmt.Fprintf(h, "%s\x00%s\x00%s", e.callID, e.localTag, e.remoteTag)
	}
	e.id = fmt.Sprintf("d%016x", h.Sum64())
}

// unused returns id, or another if it is taken.
func unused(taken map[string]bool, id string) string {
	for i := 1; taken[id]; i++ {
		id = fmt.Sprintf("%s-%d", id, i)
	}
	taken[id] = true
	return id
}

// update applies a partial document to what a publisher said before (RFC 4235
// §3.10): it speaks of the dialogs that changed.
func (doc *document) update(old *document) *document {
	if !doc.partial || old == nil {
		return &document{dialogs: doc.dialogs}
	}
	changed := map[string]dialog{}
	for _, d := range doc.dialogs {
		changed[d.id] = d
	}
	out := &document{}
	for _, d := range old.dialogs {
		if c, ok := changed[d.id]; ok {
			d = c
			delete(changed, d.id)
		} else if d.phase == terminated {
			continue // told long ago
		}
		out.dialogs = append(out.dialogs, d)
	}
	for _, d := range doc.dialogs {
		if _, fresh := changed[d.id]; fresh {
			out.dialogs = append(out.dialogs, d)
		}
	}
	return out
}
