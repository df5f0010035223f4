package httpd

import (
	"net/http"
	"slices"
	"strings"
)

// What pages of other origins may send and see.
const (
	corsMethods = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
	corsHeaders = "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID"
	corsExposed = "ETag, WWW-Authenticate, Allow, Location, Retry-After, X-Request-Id"
	corsMaxAge  = "600"
)

// cors lets web pages of some origins use the server (Fetch standard, CORS
// protocol).
type cors struct {
	origins []string
	all     bool
}

func newCORS(origins []string) cors {
	return cors{origins: origins, all: slices.Contains(origins, "*")}
}

// answer adds what browsers want to know, and answers their preflight requests:
// those come without credentials.
func (c *cors) answer(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(c.origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case slices.ContainsFunc(c.origins, func(o string) bool { return strings.EqualFold(o, origin) }):
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case c.all:
		// Pages of just anyone must not act with credentials that the browser has.
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
