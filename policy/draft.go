package policy

import (
	"context"
	"slices"

	"rollcall/internal/store"
)

// WithDraft returns docs as they would be if draft were stored: an Engine over
// them decides as it would then.
func WithDraft(docs Documents, draft store.Document) Documents { return drafted{docs, draft} }

type drafted struct {
	Documents
	draft store.Document
}

func (d drafted) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	if key == d.draft.DocumentKey {
		return d.draft, nil
	}
	return d.Documents.Document(ctx, key)
}

func (d drafted) ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error) {
	list, err := d.Documents.ListDocuments(ctx, xui, auid)
	if err != nil || xui != d.draft.XUI || auid != "" && auid != d.draft.AUID {
		return list, err
	}
	is := func(o store.Document) bool { return o.DocumentKey == d.draft.DocumentKey }
	if !slices.ContainsFunc(list, is) {
		list = append(slices.Clone(list), store.Document{DocumentKey: d.draft.DocumentKey, Size: len(d.draft.Body)})
	}
	return list, nil
}
