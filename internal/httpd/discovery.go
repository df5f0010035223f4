package httpd

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// WellKnown is the path (RFC 8615) from which clients that know only the host
// are sent on to the XCAP root.
const WellKnown = "/.well-known/xcap"

// discover answers those who look for the XCAP root.
func (s *Server) discover(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(s.cfg.Roots) == 0 {
		return false
	}
	switch path, _, _ := strings.Cut(r.RequestURI, "?"); path {
	case "/":
	case WellKnown:
		// Relative, so that it holds behind any front end. Temporary, as RFC 6764 §5
		// has it for CardDAV: the root may be moved.
		w.Header().Set("Location", s.cfg.Roots[0]+"/")
	default:
		return false
	}
	status := http.StatusOK
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Del("Location")
		w.Header().Set("Allow", "GET, HEAD")
		status = http.StatusMethodNotAllowed
	case w.Header().Get("Location") != "":
		status = http.StatusTemporaryRedirect
	}
	plain(w, r, status, s.page(r))
	return true
}

// page says what this is and what to type into a client.
func (s *Server) page(r *http.Request) string {
	scheme := "http"
	if s.cfg.Trust.Secure(r) {
		scheme = "https"
	}
	var b strings.Builder
	b.WriteString("This is an XCAP server (RFC 4825): it keeps contact lists and privacy rules of SIP users.\n\n")
	for _, root := range s.cfg.Roots {
		fmt.Fprintf(&b, "XCAP root: %s://%s%s\n", scheme, r.Host, root)
	}
	b.WriteString("\nEnter it in your SIP client, together with your SIP address and password.")
	return b.String()
}

// plain answers with a line of text.
func plain(w http.ResponseWriter, r *http.Request, status int, text string) {
	text += "\n"
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text) // nobody is left to tell
	}
}
