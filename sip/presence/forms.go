package presence

import (
	"log/slog"
	"sync"

	"rollcall/internal/pidf"
	"rollcall/internal/xmlscan"
)

// maxForms bounds what is kept of each kind; beyond it, it is made each time.
const maxForms = 16

// forms is what is made of a rendered view for those who do not want it as it
// is: once for all of them, and as long as the view is the one that is shown. It
// can be used on any goroutine.
type forms struct {
	body []byte

	mu    sync.Mutex
	doc   *xmlscan.Doc // of body
	full  *versioned
	gist  *View                 // for simple clients
	diffs map[string]*versioned // by Tag of the older view; nil: none is smaller than full
}

// index returns the view as a document. The caller holds mu.
func (f *forms) index() *xmlscan.Doc {
	if f.doc == nil {
		d, err := xmlscan.Scan(f.body, xmlscan.Limits{Bytes: len(f.body)})
		if err != nil {
			slog.Error("a presence document of our own cannot be read", "error", err)
			return nil
		}
		f.doc = d
	}
	return f.doc
}

// pidfFull returns the view as pidf-full, nil when it has no such form.
func (f *forms) pidfFull() *versioned {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.makeFull()
}

func (f *forms) makeFull() *versioned {
	if f.full == nil {
		if d := f.index(); d != nil {
			f.full = pidfFull(d)
		}
	}
	return f.full
}

// pidfDiff returns how the view differs from an older one as pidf-diff, nil when
// pidf-full is not larger.
func (f *forms) pidfDiff(old *View) *versioned {
	f.mu.Lock()
	defer f.mu.Unlock()
	diff, made := f.diffs[old.Tag]
	if made {
		return diff
	}
	full, doc := f.makeFull(), f.index()
	if doc == nil {
		return nil
	}
	if diff = pidfDiff(old.Body, doc); diff != nil && diff.size() >= full.size() {
		diff = nil
	}
	if len(f.diffs) < maxForms {
		if f.diffs == nil {
			f.diffs = make(map[string]*versioned)
		}
		f.diffs[old.Tag] = diff
	}
	return diff
}

// simple is the view as clients get it that look at one tuple: another view of the
// same state, with a tag of its own.
func (v View) simple(aor string) View {
	if v.forms == nil || len(v.Body) == 0 {
		return v
	}
	f := v.forms
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gist == nil {
		g := activeView(pidf.Effective(v.Body, pidf.OfflineTupleID(aor)))
		f.gist = &g
	}
	return *f.gist
}
