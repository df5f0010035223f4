package events

import (
	"context"
	"fmt"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
)

const documentPrefix = "d "

// documentState is one document in one version.
type documentState struct{ selector, etag string }

func (d documentState) same(other state) bool { return d == other }

// documentData is told of a document. The members are those of RFC 5874 §3.
type documentData struct {
	Document string `json:"document"` // selector, relative to the XCAP root
	Change   string `json:"change"`
	NewETag  string `json:"new_etag,omitempty"`
	Previous string `json:"previous_etag,omitempty"`
}

func (d documentState) event(c change) (string, any) {
	return "document", documentData{Document: d.selector, Change: changes[c], NewETag: d.etag}
}

// since adds the version that a client has.
func (d documentData) since(before state) documentData {
	if old, ok := before.(documentState); ok {
		d.Previous = old.etag
	}
	return d
}

// lookAtDocuments finds what there is to read now.
func (f *feed) lookAtDocuments(ctx context.Context) error {
	found := make(map[string]bool)
	for _, owner := range f.owners {
		docs, err := f.hub.cfg.Documents.ListDocuments(ctx, owner, "")
		if err != nil {
			return fmt.Errorf("listing documents of %s: %w", owner, err)
		}
		for _, doc := range docs {
			if !f.hub.cfg.Readable(f.key.user, doc.DocumentKey) {
				continue
			}
			d := documentState{selector(doc.DocumentKey), doc.ETag}
			found[documentPrefix+d.selector] = true
			f.table.set(documentPrefix+d.selector, d)
		}
	}
	for _, key := range f.table.keys(documentPrefix) {
		if !found[key] {
			f.table.remove(key, func(s state) state { return documentState{selector: s.(documentState).selector} })
		}
	}
	return nil
}

// selector is the URI of a document, relative to the first XCAP root. Documents
// below other roots have that of their root in front.
func selector(key store.DocumentKey) string {
	return xcapuri.Request{AUID: key.AUID, XUI: key.XUI, Path: key.Path}.DocumentURI()[1:]
}
