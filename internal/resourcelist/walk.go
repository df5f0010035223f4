package resourcelist

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

// walk is one traversal. The flat list is a set (RFC 4826 §4.5), so a list that
// was read once adds nothing the second time: each is entered at most once, and
// entering one that is still open is a cycle.
type walk struct {
	*Session
	name    Name
	entries []Entry
	member  map[string]int // URI to index in entries
	lists   map[place]progress
	deps    []store.DocumentKey
	known   map[store.DocumentKey]bool
	foreign map[*xmlscan.Doc]bool // of other servers
	full    bool
}

type place struct {
	doc  *xmlscan.Doc
	elem int
}

type progress uint8

const (
	open progress = iota + 1
	done
)

func (s *Session) walk() *walk {
	return &walk{
		Session: s,
		member:  make(map[string]int),
		lists:   make(map[place]progress),
		known:   make(map[store.DocumentKey]bool),
		foreign: make(map[*xmlscan.Doc]bool),
	}
}

func (w *walk) list() List {
	return List{Name: w.name, Entries: w.entries, Deps: w.deps, Truncated: w.full}
}

// descend reads the list at elem. Only errors of the store end it.
func (w *walk) descend(ctx context.Context, doc *xmlscan.Doc, elem, depth int) error {
	at := place{doc, elem}
	w.lists[at] = open
	defer func() { w.lists[at] = done }()
	if len(w.entries) == 0 {
		w.expect(doc, elem)
	}
	for child := range doc.Children(elem) {
		if w.full {
			return nil
		}
		if doc.Elements[child].Name.Space != Namespace {
			continue
		}
		if err := w.child(ctx, doc, child, depth); err != nil {
			return err
		}
	}
	return nil
}

// expect makes room for as many members as the list at elem has children.
func (w *walk) expect(doc *xmlscan.Doc, elem int) {
	n := 0
	for range doc.Children(elem) {
		n++
	}
	n = min(n, w.maxEntries+1)
	w.entries = make([]Entry, 0, n)
	w.member = make(map[string]int, n)
}

func (w *walk) child(ctx context.Context, doc *xmlscan.Doc, elem, depth int) error {
	switch doc.Elements[elem].Name.Local {
	case "entry":
		w.entry(doc, elem, Name{})
	case "list":
		name, _ := doc.Attr(elem, "", "name")
		return w.enter(ctx, "list "+name, doc, elem, depth+1)
	case "entry-ref":
		ref, _ := doc.Attr(elem, "", "ref")
		if w.foreign[doc] {
			// Relative to the XCAP root of the other server, wherever that is.
			w.problem(ref, &unresolved{why: "is a reference within another server"})
			return nil
		}
		return w.entryRef(ctx, ref, nameOf(doc, elem))
	case "external":
		anchor, _ := doc.Attr(elem, "", "anchor")
		return w.external(ctx, doc, anchor, depth)
	}
	return nil
}

// enter descends unless the guards against cycles and depth say no.
func (w *walk) enter(ctx context.Context, ref string, doc *xmlscan.Doc, elem, depth int) error {
	switch w.lists[place{doc, elem}] {
	case open:
		w.problem(ref, &unresolved{why: "refers back to a list that contains it"})
		return nil
	case done:
		return nil
	}
	if depth > w.maxDepth {
		w.problem(ref, &unresolved{why: fmt.Sprintf("nests deeper than %d lists", w.maxDepth)})
		return nil
	}
	return w.descend(ctx, doc, elem, depth)
}

func (w *walk) external(ctx context.Context, from *xmlscan.Doc, anchor string, depth int) error {
	doc, elem, ok, err := w.away(anchor)
	switch {
	case ok:
	case w.foreign[from]:
		err = &unresolved{why: "leads from another server to where lists may not be read from"}
	default:
		doc, elem, err = w.follow(ctx, anchor)
	}
	if err == nil && !doc.Is(elem, Namespace, "list") {
		err = &unresolved{why: "does not name a list"}
	}
	if err != nil {
		return w.failed(anchor, err)
	}
	return w.enter(ctx, anchor, doc, elem, depth+1)
}

func (w *walk) entryRef(ctx context.Context, ref string, display Name) error {
	doc, elem, err := w.follow(ctx, ref)
	if err == nil && !doc.Is(elem, Namespace, "entry") {
		err = &unresolved{why: "does not name an entry"}
	}
	if err != nil {
		return w.failed(ref, err)
	}
	w.entry(doc, elem, display)
	return nil
}

// follow finds the element that ref names.
func (w *walk) follow(ctx context.Context, ref string) (*xmlscan.Doc, int, error) {
	if err := w.count(); err != nil {
		return nil, 0, err
	}
	key, node, err := w.locate(ref)
	if err != nil {
		return nil, 0, err
	}
	w.depend(key)
	doc, err := w.load(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	match, err := node.Eval(doc)
	switch {
	case errors.Is(err, xcapuri.ErrNoMatch):
		return nil, 0, &unresolved{"element does not exist", true}
	case err != nil:
		return nil, 0, &unresolved{why: err.Error()}
	case match.Attr >= 0 || match.Namespace:
		return nil, 0, &unresolved{why: "does not name an element"}
	}
	return doc, match.Elem, nil
}

// count bounds the references that are followed.
func (w *walk) count() error {
	if w.references >= maxReferences {
		return &unresolved{why: fmt.Sprintf("more than %d references", maxReferences)}
	}
	w.references++
	return nil
}

func (w *walk) depend(key store.DocumentKey) {
	if !w.known[key] {
		w.known[key] = true
		w.deps = append(w.deps, key)
	}
}

// failed notes a reference that leads nowhere and passes on errors of the store.
func (w *walk) failed(ref string, err error) error {
	if !errors.Is(err, ErrUnresolved) {
		return err
	}
	w.problem(ref, err)
	return nil
}

func (w *walk) problem(ref string, err error) {
	w.add(Entry{
		URI:       strings.Clone(ref),
		Problem:   err.Error(),
		Reference: true,
		Absent:    errors.Is(err, ErrAbsent),
	})
}

func (w *walk) entry(doc *xmlscan.Doc, elem int, display Name) {
	uri, _ := doc.Attr(elem, "", "uri")
	if display.DisplayName == "" {
		display = nameOf(doc, elem)
	}
	aor, why := subscribable(uri)
	if why != "" {
		w.add(Entry{URI: strings.Clone(uri), Name: display, Problem: why})
		return
	}
	w.add(Entry{URI: aor, Name: display})
}

// add appends e unless its URI is in the list already.
func (w *walk) add(e Entry) {
	if i, ok := w.member[e.URI]; ok {
		if w.entries[i].DisplayName == "" {
			w.entries[i].Name = e.Name
		}
		return
	}
	if len(w.entries) >= w.maxEntries {
		w.full = true
		w.entries = append(w.entries, Entry{
			URI:       e.URI,
			Problem:   fmt.Sprintf("the list has more than %d members", w.maxEntries),
			Reference: true,
		})
		return
	}
	w.member[e.URI] = len(w.entries)
	w.entries = append(w.entries, e)
}

// subscribable returns the canonical address-of-record behind an entry, or why
// nobody can subscribe to it: only sip, sips and pres can be.
func subscribable(uri string) (aor, why string) {
	aor, err := sipuri.AOR(uri)
	if err != nil {
		return "", "is no address: " + err.Error()
	}
	if !strings.HasPrefix(aor, "sip:") {
		scheme, _, _ := strings.Cut(aor, ":")
		return "", "has scheme " + scheme + ", which cannot be subscribed to"
	}
	if user, _ := sipuri.Split(aor); user == "" {
		return "", "names a host, nobody at it"
	}
	if aor == uri {
		aor = strings.Clone(aor) // not a part of the document
	}
	return aor, ""
}

func nameOf(doc *xmlscan.Doc, elem int) Name {
	for child := range doc.Children(elem) {
		if !doc.Is(child, Namespace, "display-name") {
			continue
		}
		name := Name{DisplayName: strings.Join(strings.Fields(doc.Text(child)), " ")}
		if lang, _ := doc.Attr(child, namespaceXML, "lang"); isLang(lang) {
			name.Lang = strings.Clone(lang)
		}
		return name
	}
	return Name{}
}

const namespaceXML = "http://www.w3.org/XML/1998/namespace"

// isLang reports whether s has the form of a language tag (XML 1.0 §2.12).
func isLang(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' {
			return false
		}
	}
	return true
}
