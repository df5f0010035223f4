package usage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/auth"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

const nsRLSServices = "urn:ietf:params:xml:ns:rls-services"

// maxServices bounds the services of one document: each of them costs lookups.
const maxServices = 256

// RLSServices is the rls-services usage (RFC 4826 §4.4). Only readers, canonical
// AORs, may read the global index.
func RLSServices(readers []string) *Usage {
	s := newSchema(name{nsRLSServices, "rls-services"}, nil, rlsServiceDeclarations(), resourceListDeclarations())
	return &Usage{
		AUID:       "rls-services",
		MIMEType:   "application/rls-services+xml",
		DefaultNS:  nsRLSServices,
		Namespaces: []string{nsRLSServices, nsResourceLists},
		Validate: func(d *xmlscan.Doc) *Conflict {
			if c := s.validate(d); c != nil {
				return c
			}
			var exists []Exists
			for service := range d.Children(0) {
				for child := range d.Children(service) {
					if d.Is(child, nsRLSServices, "list") {
						exists = duplicatesInLists(d, exists, child, nsRLSServices)
					}
				}
			}
			if len(exists) > 0 {
				return notUnique(exists)
			}
			return nil
		},
		Constrain: constrainServices,
		Global:    globalServices,
		// RFC 4826 §4.4.9: the index is the union of everybody's lists.
		GlobalReadable: func(who auth.Identity) bool {
			return who.AOR != "" && slices.Contains(readers, who.AOR)
		},
	}
}

// rlsServiceDeclarations is the schema of RFC 4826 §4.2.
func rlsServiceDeclarations() declarations {
	const ns = nsRLSServices
	foreign := others(ns).anyNumber()
	packages := group(ns, sequence(element(ns, "package", simple(ns, anyString)), foreign).anyNumber())
	service := group(ns, sequence(
		oneOf(
			element(ns, "resource-list", simple(ns, anyURI)),
			element(ns, "list", listType()),
		),
		element(ns, "packages", packages).optional(),
		foreign,
	), required("uri", anyURI))
	service.anyAttr = true
	return declarations{{ns, "rls-services"}: group(ns, element(ns, "service", service).anyNumber())}
}

// constrainServices enforces RFC 4826 §4.4.5. The claims are the canonical AORs
// of the services.
func constrainServices(ctx context.Context, env Env, key store.DocumentKey, d *xmlscan.Doc) ([]string, *Conflict, error) {
	check := serviceCheck{env: env, key: key, doc: d, claimed: map[string]bool{}}
	var claims []string
	var exists []Exists
	for service := range d.Children(0) {
		if len(claims)+len(exists) == maxServices {
			return nil, constraint(d, 0, "a document may have "+strconv.Itoa(maxServices)+" services at most"), nil
		}
		uri, _ := d.Attr(service, "", "uri")
		aor, err := sipuri.AOR(collapse(uri))
		if err != nil || !strings.HasPrefix(aor, "sip:") {
			return nil, constraint(d, service, "the uri must be a SIP URI, not "+quote(uri)), nil
		}
		taken, err := check.taken(ctx, aor)
		if err != nil {
			return nil, nil, err
		}
		if taken {
			alt, err := check.alternatives(ctx, aor)
			if err != nil {
				return nil, nil, err
			}
			exists = append(exists, Exists{Field: fieldSelector(d, service, "uri", nsRLSServices), AltValues: alt})
			continue
		}
		check.claimed[aor] = true
		claims = append(claims, aor)
	}
	if len(exists) > 0 {
		return nil, &Conflict{Element: UniquenessFailure, Phrase: "the URI of a service is already in use", Exists: exists[:min(len(exists), maxExists)]}, nil
	}
	if c := checkServiceLists(env, key, d); c != nil {
		return nil, c, nil
	}
	return claims, nil, nil
}

// serviceCheck decides whether a URI is free for a service of one document.
type serviceCheck struct {
	env     Env
	key     store.DocumentKey
	doc     *xmlscan.Doc
	claimed map[string]bool // by earlier services of the same document
}

// taken reports whether aor is a user, belongs to one, or is another service.
// RFC 4826 §4.4.5: unique over the server and no existing resource.
func (c *serviceCheck) taken(ctx context.Context, aor string) (bool, error) {
	if c.claimed[aor] {
		return true, nil
	}
	if user, err := c.isUser(ctx, aor); user || err != nil {
		return user, err
	}
	// joe+presence@domain goes with joe@domain: only joe may define it.
	if owner, tagged := taggedOwner(aor); tagged && owner != c.key.XUI {
		if user, err := c.isUser(ctx, owner); user || err != nil {
			return user, err
		}
	}
	by, err := c.env.Documents.Claimant(ctx, aor)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("who claims %s: %w", aor, err)
	}
	return by != c.key, nil
}

func (c *serviceCheck) isUser(ctx context.Context, aor string) (bool, error) {
	_, err := c.env.Users.Get(ctx, aor)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("user %s: %w", aor, err)
	}
	return true, nil
}

// taggedOwner takes the +tag off the user part.
func taggedOwner(aor string) (owner string, tagged bool) {
	user, domain := sipuri.Split(aor)
	base, _, ok := strings.Cut(user, "+")
	return "sip:" + base + "@" + domain, ok && base != ""
}

// Bounds of the search for free URIs to suggest.
const (
	maxAlternatives = 2
	maxAttempts     = 8
)

// alternatives suggests URIs like aor that are free now (RFC 4825 §8.2.5).
func (c *serviceCheck) alternatives(ctx context.Context, aor string) ([]string, error) {
	user, domain := sipuri.Split(aor)
	if owner, tagged := taggedOwner(aor); user == "" || tagged && owner != c.key.XUI {
		// Nothing near another user's address: suggest one near the owner's.
		user, _ = sipuri.Split(c.key.XUI)
		user += "+list"
	}
	var free []string
	for n := 2; n < 2+maxAttempts && len(free) < maxAlternatives; n++ {
		candidate := "sip:" + user + "-" + strconv.Itoa(n)
		if domain != "" {
			candidate += "@" + domain
		}
		taken, err := c.taken(ctx, candidate)
		if err != nil {
			return nil, err
		}
		if !taken {
			free = append(free, candidate)
		}
	}
	return free, nil
}

// checkServiceLists checks what the services refer to: the text of the URIs
// only, nothing is looked up (RFC 4826 §4.4.5).
func checkServiceLists(env Env, key store.DocumentKey, d *xmlscan.Doc) *Conflict {
	for service := range d.Children(0) {
		for child := range d.Children(service) {
			switch {
			case d.Is(child, nsRLSServices, "list"):
				if c := checkReferences(d, child); c != nil {
					return c
				}
			case d.Is(child, nsRLSServices, "resource-list"):
				if problem := listProblem(env, key, collapse(d.Text(child))); problem != "" {
					return constraint(d, child, problem)
				}
			}
		}
	}
	return nil
}

// listProblem says what is wrong with the URI of a resource-list, "" if nothing
// is. The host is not looked at: it is whatever name the client knows us by.
func listProblem(env Env, key store.DocumentKey, uri string) string {
	if !httpURI(uri) {
		return "the list must be named by an absolute HTTP URI, not " + quote(uri)
	}
	ref, err := xcapuri.ParseRef(uri, env.Roots)
	if err != nil {
		return quote(uri) + " names no list on this server: " + err.Error()
	}
	if ref.AUID != "resource-lists" {
		return "the list must be in a resource-lists document, not in " + quote(ref.AUID)
	}
	if key.XUI == "" {
		return ""
	}
	if ref.Global {
		return "the list must be in your own resource-lists document, not in the global one"
	}
	if owner, err := sipuri.AOR(ref.XUI); err != nil || owner != key.XUI {
		return "the list must be in your own resource-lists document, not in that of " + quote(ref.XUI)
	}
	return ""
}
