package xcap

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/chi/v5"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/httpauth"
	"rollcall/internal/httpd"
	"rollcall/internal/metrics"
	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// Config is what a server needs. Store, Users, Auth, Bus, Roots, Domains and
// Usages are required.
type Config struct {
	Store   store.Documents
	Users   *auth.Users
	Auth    *auth.Authenticator
	Bus     *bus.Bus
	Roots   []string // paths (or URIs) of the XCAP roots
	Domains []string // SIP domains; the first is the realm of requests that name none
	Usages  []*usage.Usage
	Limits  xmlscan.Limits // of a document; zero fields stand for the defaults

	// Timeout bounds reading a body and waiting for the store; 0 stands for 30 s.
	Timeout time.Duration
	Quotas  Quotas
	// Delegates may use documents of other users, SuperUsers those of all;
	// canonical AORs.
	Delegates  []Delegate
	SuperUsers []string
	// Watchers tells who watches a user's presence; nil means nobody.
	Watchers func(presentity string) []usage.Watcher
	// Trust are the networks of front ends whose asserted identity is believed.
	Trust []netip.Prefix
	// Throttle slows down guessing of passwords; nil means one of its own.
	Throttle *auth.Throttle
	// Basic also takes the Basic scheme, over TLS only.
	Basic bool
	// Metrics may be nil.
	Metrics *metrics.Metrics
}

const (
	defaultTimeout = 30 * time.Second
	maxTarget      = 16 << 10 // octets of a request target
)

// server answers XCAP requests.
type server struct {
	Config
	usages map[string]*usage.Usage
	gate   httpauth.Gate
	access access
	quotas *quotas
	trees  map[string]*tree // by path of the root
	writes *locks
	coder  *coder
	scans  *scanned
}

// New returns the handler of everything below the XCAP roots. It must see the
// request target as received: no multiplexer that cleans or redirects paths
// may stand in front of it.
func New(cfg Config) http.Handler {
	if cfg.Throttle == nil {
		cfg.Throttle = auth.NewThrottle()
	}
	if cfg.Metrics == nil {
		cfg.Metrics = metrics.New()
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Limits.Bytes <= 0 {
		cfg.Limits.Bytes = xmlscan.DefaultLimits().Bytes
	}
	s := &server{
		Config: cfg,
		usages: make(map[string]*usage.Usage, len(cfg.Usages)),
		gate: httpauth.Gate{
			Auth: cfg.Auth, Throttle: cfg.Throttle, Metrics: cfg.Metrics,
			Domains: cfg.Domains, Trust: cfg.Trust, Basic: cfg.Basic,
		},
		access: newAccess(cfg.SuperUsers, cfg.Delegates),
		quotas: newQuotas(cfg.Quotas),
		writes: newLocks(),
		coder:  newCoder(),
		scans:  newScanned(),
	}
	s.trees = newTrees(&s.Config)
	for _, u := range cfg.Usages {
		s.usages[u.AUID] = u
	}
	// RFC 4825 §6: one handler reads the raw target itself, so there is nothing to
	// route.
	return chi.Chain(s.observe, s.recover).Handler(s)
}

// request is an HTTP request on its way through the checks.
type request struct {
	*http.Request
	target xcapuri.Request
	tree   *tree
	who    auth.Identity
	usage  *usage.Usage
	key    store.DocumentKey // within the tree
	cond   conditions

	delegated bool // by another than the owner
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
	defer cancel()
	req := &request{Request: r.WithContext(ctx)}
	resp := s.answer(req, w)
	if req.delegated {
		s.audit(req, resp.status)
	}
	httpd.SetUser(ctx, req.who.AOR)
	s.coder.apply(req, &resp)
	resp.write(w, r.Method == http.MethodHead)
}

// answer makes the checks in the order 401, 404 or 403, 400, 405 and hands the
// request to its method.
func (s *server) answer(req *request, w http.ResponseWriter) response {
	if len(req.RequestURI) > maxTarget {
		return response{status: http.StatusRequestURITooLong}
	}
	target, parseErr := xcapuri.Parse(req.RequestURI, s.Roots)
	if parseErr != nil && target.Root == "" && !s.atTop() {
		return refused(parseErr)
	}
	req.target, req.tree = target, s.trees[target.Root]
	if u := s.public(req); u != nil {
		return s.getPublic(req, u, parseErr)
	}
	if resp := s.authenticate(req); resp.status != 0 {
		return resp
	}
	if target.Path == "" {
		return refused(parseErr)
	}
	if resp := s.authorize(req); resp.status != 0 {
		return resp
	}
	if parseErr != nil {
		return refused(parseErr)
	}
	req.cond = parseConditions(req.Header)
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return s.read(req)
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		if resp := req.writable(); resp.status != 0 {
			return resp
		}
		if resp := s.tooOften(req); resp.status != 0 {
			return resp
		}
		req.cond.plain()
		// Slow senders must not hold the connection for longer than the request
		// may take. A writer without deadlines is one under test.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.Timeout))
		switch req.Method {
		case http.MethodPut:
			return s.put(req)
		case http.MethodPatch:
			return s.patch(req)
		}
		return s.delete(req)
	case http.MethodOptions:
		resp := response{status: http.StatusNoContent, allow: req.allowed()}
		if req.patchable() {
			resp.acceptPatch = acceptPatch // RFC 5789 §3.1
		}
		return resp
	}
	// RFC 4825 §8.1: POST, and whatever else, is not for XCAP resources.
	return response{status: http.StatusMethodNotAllowed, allow: req.allowed()}
}

// read answers GET and HEAD, whatever coding the client has the document in.
func (s *server) read(req *request) response {
	if acceptsGzip(req.Header["Accept-Encoding"]) {
		req.cond.plain()
	}
	return s.get(req)
}

// allowed lists the methods of the resource (RFC 9110 §10.2.1).
func (req *request) allowed() string {
	switch {
	case req.computed(), req.target.Global:
		return "GET, HEAD, OPTIONS"
	case req.patchable():
		return "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
	}
	return "GET, HEAD, PUT, DELETE, OPTIONS"
}

// patchable reports whether the resource is one for PATCH: a stored document as
// a whole.
func (req *request) patchable() bool {
	return req.target.Node == nil && !req.target.Global && !req.computed()
}

// computed reports whether the resource has no stored form that could be written.
func (req *request) computed() bool {
	return req.usage.ReadOnly || req.target.Node != nil && req.target.Node.Terminal == xcapuri.Namespaces
}

// atTop reports whether a root is the top of the server, whose path is empty.
func (s *server) atTop() bool {
	for _, root := range s.Roots {
		if xcapuri.RootPath(root) == "/" {
			return true
		}
	}
	return false
}

// writable refuses to write what is only computed.
func (req *request) writable() response {
	switch {
	case req.computed(), req.Method == http.MethodPatch && req.target.Node != nil:
		// RFC 4825 §8.2, §8.4.
		return response{status: http.StatusMethodNotAllowed, allow: req.allowed()}
	case req.target.Global:
		return response{status: http.StatusForbidden}
	}
	return response{}
}

// selectors returns the node selector in the default document namespace of the
// usage, followed by those to try when it selects nothing.
func (req *request) selectors() []*xcapuri.NodeSelector {
	node := req.target.Node
	selectors := []*xcapuri.NodeSelector{node.WithDefault(req.usage.DefaultNS)}
	for _, step := range node.Steps {
		if !step.Any && step.Name.Prefix == "" {
			for _, space := range req.usage.AltNS {
				selectors = append(selectors, node.WithDefault(space))
			}
			break
		}
	}
	return selectors
}
