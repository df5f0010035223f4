package xcapdiff

import (
	"context"
	"log/slog"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/xmlpatch"
	"rollcall/sip/event"
)

// maxPatch bounds the patches in a report: beyond it a document is only named,
// and fetched (RFC 5875 §4.7).
const maxPatch = 64 << 10

// History is where earlier versions of documents come from.
type History interface {
	Versions(ctx context.Context, key store.DocumentKey) ([]store.Version, error)
	Version(ctx context.Context, key store.DocumentKey, number int) (store.Version, error)
}

// mode is how changes of documents are told (RFC 5875 §4.3).
type mode uint8

const (
	noPatching mode = iota
	patching        // each version by itself
	aggregate       // all versions in one
)

// mode is what the watcher asked for with the newest SUBSCRIBE, or something
// simpler.
func (src *source) mode() mode {
	if src.s.cfg.History == nil {
		return noPatching
	}
	return src.s.asked(src.sub)
}

func modeAsked(sub *event.Subscription) mode {
	switch strings.ToLower(sub.EventParam("diff-processing")) {
	case "xcap-patching":
		return patching
	case "aggregate":
		return aggregate
	}
	return noPatching
}

// step is a patch from one version of a document to a later one.
type step struct {
	from, to string // entity-tags
	patch    []byte // empty: only the entity-tag differs
}

// steps returns the patches from one version of a document to another, none when
// they cannot be made or are too large.
func (src *source) steps(key store.DocumentKey, from, to string, m mode) []step {
	if m == noPatching || key.XUI == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	versions, err := src.between(ctx, key, from, to, m)
	if err != nil {
		slog.Warn("history not read for xcap-diff", "id", src.sub.ID, "error", err)
		return nil
	}
	var steps []step
	size := 0
	for i := 1; i < len(versions); i++ {
		old, now := &versions[i-1], &versions[i]
		s := step{from: old.ETag, to: now.ETag}
		if string(old.Body) != string(now.Body) {
			ops, ok := xmlpatch.Diff(old.Body, now.Body)
			if !ok {
				return nil
			}
			for j := range ops {
				s.patch = ops[j].Append(s.patch, namespace)
			}
		}
		if size += len(s.patch); size > maxPatch {
			return nil
		}
		steps = append(steps, s)
	}
	return steps
}

// between returns the versions of a document from one to another, both included,
// oldest first, or just these two. None are returned when some are not remembered,
// or the document did not exist at some time.
func (src *source) between(ctx context.Context, key store.DocumentKey, from, to string, m mode) ([]store.Version, error) {
	all, err := src.s.cfg.History.Versions(ctx, key)
	if err != nil {
		return nil, err
	}
	var chain []store.Version
	for _, v := range all { // newest first
		switch {
		case v.Deleted:
			return nil, nil
		case len(chain) == 0 && v.ETag != to:
			continue // newer than what is reported
		case len(chain) == 0 || v.ETag == from || m == patching:
			full, err := src.s.cfg.History.Version(ctx, key, v.Number)
			if err != nil {
				return nil, err
			}
			chain = append([]store.Version{full}, chain...)
		}
		if v.ETag == from {
			return chain, nil
		}
	}
	return nil, nil
}
