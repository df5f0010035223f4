package rls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/sip/presence"
	"rollcall/sip/wire"
)

// errNoList says that a resource is not, or no longer, a list.
var errNoList = errors.New("not a list")

// packageError says that a service does not serve an event package.
type packageError struct{ packages []string }

func (e *packageError) Error() string { return "the service does not serve this event package" }

func (e *packageError) allow() []wire.Header {
	if len(e.packages) == 0 {
		return nil
	}
	return []wire.Header{{Name: "Allow-Events", Value: strings.Join(e.packages, ", ")}}
}

// place is where a list is defined.
type place struct {
	resource string
	owner    string
	document store.DocumentKey
	// standing is the package of a list that is there even without a service: it
	// is user+package of a user.
	standing string
	// recipients tells that the list came in a SUBSCRIBE.
	recipients bool
	// linphone tells that Linphone reads it.
	linphone bool
}

// content is a list as it was read.
type content struct {
	resourcelist.List
	deps []store.DocumentKey // those of List, and where it is defined
	// services are those that the document has besides.
	services map[string]bool
}

// standing splits the address of a list that clients make up for a user: Blink
// subscribes to user+presence and user+dialog.
func (s *Service) standing(user string) (base, event string, ok bool) {
	i := strings.LastIndexByte(user, '+')
	if i <= 0 || s.events[user[i+1:]] == nil && user[i+1:] != presence.Event {
		return "", "", false
	}
	return user[:i], user[i+1:], true
}

// locate finds out which list a resource is, if any. A user's own address never
// is one, so that the common case is one look into the cache of accounts.
func (s *Service) locate(ctx context.Context, resource string) (place, error) {
	exists, err := s.exists(ctx, resource)
	if err != nil {
		return place{}, err
	}
	if exists {
		return place{}, errNoList
	}
	user, domain := sipuri.Split(resource)
	if base, event, ok := s.standing(user); ok {
		owner := "sip:" + base + "@" + domain
		exists, err := s.exists(ctx, owner)
		if err != nil {
			return place{}, err
		}
		if exists { // whatever others may claim
			return place{resource: resource, owner: owner, document: serviceDocument(owner), standing: event}, nil
		}
	}
	key, err := s.cfg.Claims.Claimant(ctx, resource)
	if errors.Is(err, store.ErrNotFound) {
		return place{}, errNoList
	}
	if err != nil {
		return place{}, fmt.Errorf("who claims %s: %w", resource, err)
	}
	// RFC 4826 §4.4.7: only documents named index count.
	if key != serviceDocument(key.XUI) || key.XUI == "" {
		return place{}, errNoList
	}
	return place{resource: resource, owner: key.XUI, document: key}, nil
}

func serviceDocument(owner string) store.DocumentKey {
	return store.DocumentKey{XUI: owner, AUID: AUID, Path: "index"}
}

func (s *Service) exists(ctx context.Context, aor string) (bool, error) {
	_, err := s.cfg.Users.Get(ctx, aor)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking up %s: %w", aor, err)
	}
	return true, nil
}

// read flattens the list. Deps are filled even with an error.
func (s *Service) read(ctx context.Context, at place, event string) (content, error) {
	c := content{deps: []store.DocumentKey{at.document}}
	doc, service, others, err := s.definition(ctx, at)
	if err != nil {
		return c, err
	}
	if service < 0 {
		return c, s.absent(ctx, at, event)
	}
	if err := checkPackages(doc, service, event); err != nil {
		return c, err
	}
	c.services = others
	c.List, err = s.flatten(ctx, doc, service, at.owner)
	c.deps = append(c.deps, c.Deps...)
	if errors.Is(err, resourcelist.ErrAbsent) {
		// The list will be there when the client has written it: empty till then.
		err = nil
	}
	return c, err
}

// definition finds the service that a list is, or -1, and the addresses of the other
// services of its document.
func (s *Service) definition(ctx context.Context, at place) (doc *xmlscan.Doc, service int, others map[string]bool, err error) {
	stored, err := s.cfg.Documents.Document(ctx, at.document)
	if errors.Is(err, store.ErrNotFound) {
		return nil, -1, nil, nil
	}
	if err != nil {
		return nil, -1, nil, fmt.Errorf("reading services of %s: %w", at.owner, err)
	}
	if doc, err = resourcelist.Scan(stored.Body); err != nil {
		slog.Warn("rls-services document cannot be read", "xui", at.owner, "error", err)
		return nil, -1, nil, nil
	}
	service, others = findService(doc, at.resource)
	return doc, service, others, nil
}

// absent is what a list without a service is: empty if it is that of a user, else
// there is none.
func (s *Service) absent(ctx context.Context, at place, event string) error {
	if at.standing == "" {
		return errNoList
	}
	if at.standing != event {
		return &packageError{[]string{at.standing}}
	}
	exists, err := s.exists(ctx, at.owner)
	if err == nil && !exists {
		return errNoList
	}
	return err
}

func (s *Service) flatten(ctx context.Context, doc *xmlscan.Doc, service int, owner string) (resourcelist.List, error) {
	for child := range doc.Children(service) {
		switch {
		case doc.Is(child, resourcelist.NamespaceRLS, "list"):
			return s.cfg.Resolver.Inline(ctx, doc, child, owner)
		case doc.Is(child, resourcelist.NamespaceRLS, "resource-list"):
			return s.cfg.Resolver.Ref(ctx, strings.TrimSpace(doc.Text(child)), owner)
		}
	}
	return resourcelist.List{}, nil
}

// findService returns the service whose uri is that of the resource, or -1, and the
// addresses of the other services.
func findService(doc *xmlscan.Doc, resource string) (service int, others map[string]bool) {
	service = -1
	if !doc.Is(0, resourcelist.NamespaceRLS, "rls-services") {
		return service, nil
	}
	for child := range doc.Children(0) {
		if !doc.Is(child, resourcelist.NamespaceRLS, "service") {
			continue
		}
		uri, _ := doc.Attr(child, "", "uri")
		aor, err := sipuri.AOR(uri)
		switch {
		case err != nil:
		case aor == resource && service < 0:
			service = child
		default:
			if others == nil {
				others = make(map[string]bool)
			}
			others[strings.Clone(aor)] = true
		}
	}
	return service, others
}

// packagesOf returns the event packages that a service names. RFC 4826 §4.1: unless
// it is limited to them, every event package is served.
func packagesOf(doc *xmlscan.Doc, service int) (names []string, limited bool) {
	for child := range doc.Children(service) {
		if !doc.Is(child, resourcelist.NamespaceRLS, "packages") {
			continue
		}
		for p := range doc.Children(child) {
			if doc.Is(p, resourcelist.NamespaceRLS, "package") {
				names = append(names, strings.TrimSpace(doc.Text(p)))
			}
		}
		return names, true
	}
	return nil, false
}

func checkPackages(doc *xmlscan.Doc, service int, event string) error {
	names, limited := packagesOf(doc, service)
	if !limited || slices.Contains(names, event) {
		return nil
	}
	wrong := new(packageError)
	for _, name := range names {
		if isToken(name) && len(wrong.packages) < maxAllowed {
			wrong.packages = append(wrong.packages, strings.Clone(name))
		}
	}
	return wrong
}

// maxAllowed bounds Allow-Events of a refusal.
const maxAllowed = 16

// isToken reports whether s may stand in a header field as it is.
func isToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return true
}
