package presence

import (
	"log/slog"
	"sync"

	"rollcall/internal/eventfilter"
	"rollcall/internal/pidf"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

// These bound what is kept of each kind; beyond it, it is made each time.
const (
	maxDiffs    = 16
	maxFiltered = 64
)

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

	filtered map[string]View // by Key of the filter
}

// document returns the view as a document, nil when it cannot be read.
func (f *forms) document() *xmlscan.Doc {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index()
}

// filter returns what a filter leaves of the view.
func (f *forms) filter(by *eventfilter.Filter) View {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v, made := f.filtered[by.Key()]; made {
		return v
	}
	d := f.index()
	if d == nil {
		return View{State: event.Active, Tag: "unreadable"}
	}
	v := activeView(by.Apply(d))
	if len(f.filtered) < maxFiltered {
		if f.filtered == nil {
			f.filtered = make(map[string]View)
		}
		f.filtered[by.Key()] = v
	}
	return v
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
	if len(f.diffs) < maxDiffs {
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
