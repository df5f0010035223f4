package xcapdiff

import (
	"slices"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

const (
	listType      = "application/resource-lists+xml"
	listNamespace = "urn:ietf:params:xml:ns:resource-lists"

	// maxTargets bounds what one subscription may name.
	maxTargets = 256
)

// kind is what a target names.
type kind uint8

const (
	document kind = iota
	collection
	element
	attribute
)

// target is one resource that a watcher named (RFC 5875 §4.1).
type target struct {
	kind  kind
	sel   string            // as sent
	key   store.DocumentKey // Path is a prefix for a collection
	nodes []*xcapuri.NodeSelector
}

// parse reads the body of a SUBSCRIBE (RFC 5875 §4.4). What the watcher may not
// read, and what names nothing here, is left out without a word (§4.7).
func (s *Service) parse(sub *event.Subscription) ([]target, error) {
	if len(sub.Body) == 0 {
		return nil, &event.Refusal{Status: 400, Reason: "List Of Documents Expected"}
	}
	if sub.ContentType != listType {
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: listType}}}
	}
	d, err := xmlscan.Scan(sub.Body, xmlscan.DefaultLimits())
	if err != nil || !d.Is(0, listNamespace, "resource-lists") {
		return nil, &event.Refusal{Status: 400, Reason: "Malformed Resource List"}
	}
	var targets []target
	seen := make(map[string]bool)
	for _, uri := range entries(d) {
		if seen[uri] {
			continue
		}
		seen[uri] = true
		if len(seen) > maxTargets {
			return nil, &event.Refusal{Status: 413}
		}
		if t, ok := s.target(uri, sub.Watcher); ok {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// entries returns the URIs of a flat list, in order.
func entries(d *xmlscan.Doc) []string {
	var uris []string
	for list := range d.Children(0) {
		if !d.Is(list, listNamespace, "list") {
			continue
		}
		for entry := range d.Children(list) {
			if uri, ok := d.Attr(entry, "", "uri"); ok && d.Is(entry, listNamespace, "entry") {
				uris = append(uris, uri)
			}
		}
	}
	return uris
}

// target resolves one URI: absolute, below the root, or relative to it.
func (s *Service) target(uri, who string) (target, bool) {
	if strings.HasSuffix(uri, "/") {
		return s.collection(uri, who)
	}
	r, err := xcapuri.ParseRef(uri, s.cfg.Roots)
	if err != nil {
		return target{}, false
	}
	t := target{sel: uri}
	if t.key, err = r.Key(); err != nil || !s.readable(who, t.key) {
		return target{}, false
	}
	if r.Node == nil {
		return t, true
	}
	switch r.Node.Terminal {
	case xcapuri.Element:
		t.kind = element
	case xcapuri.Attribute:
		t.kind = attribute
	default:
		return target{}, false // RFC 5875 §4.1: no namespace bindings
	}
	namespaces := s.cfg.Usages[t.key.AUID].Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, space := range namespaces {
		t.nodes = append(t.nodes, r.Node.WithDefault(space))
	}
	return t, true
}

// collection resolves a URI that ends in a slash: all of a usage that is the
// watcher's, or a directory in a user's tree.
func (s *Service) collection(uri, who string) (target, bool) {
	const name = "-" // of a document that stands for all in the directory
	for _, rest := range [...]string{name, name + "/" + name, "users/" + name + "/" + name} {
		r, err := xcapuri.ParseRef(uri+rest, s.cfg.Roots)
		if err != nil || r.Node != nil || r.Global && rest != name {
			continue
		}
		t := target{kind: collection, sel: uri, key: store.DocumentKey{XUI: who, AUID: r.AUID}}
		if rest == name {
			key, err := r.Key()
			if err != nil {
				return target{}, false
			}
			t.key.XUI, t.key.Path = key.XUI, strings.TrimSuffix(r.Path, name)
		}
		return t, s.readable(who, t.key)
	}
	return target{}, false
}

// readable applies the rules of GET (RFC 5875 §7). Of the global tree they are
// applied when a document is read.
func (s *Service) readable(who string, key store.DocumentKey) bool {
	return key.XUI == "" || s.cfg.Readable(who, key)
}

// holds reports whether a document lies in the collection t.
func (t *target) holds(key store.DocumentKey) bool {
	return t.kind == collection && t.key.XUI == key.XUI && t.key.AUID == key.AUID && strings.HasPrefix(key.Path, t.key.Path)
}

// topics are what news may concern the targets.
func (src *source) topics() []string {
	var topics []string
	for i := range src.targets {
		key := src.targets[i].key
		concerned := []string{key.XUI}
		switch {
		case key.XUI == "":
			concerned[0] = globalTopic(key.AUID)
		case src.computed(key):
			concerned = append(concerned, watchersTopic(key.XUI))
		}
		for _, topic := range concerned {
			if !slices.Contains(topics, topic) {
				topics = append(topics, topic)
			}
		}
	}
	return topics
}
