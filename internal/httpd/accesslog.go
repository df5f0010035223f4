package httpd

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"rollcall/internal/hop"
)

const (
	maxRequestID = 64
	maxLogged    = 512 // octets of a path
)

// record is what is known of a request besides what it says itself.
type record struct {
	start time.Time
	id    string
	user  string
}

type recordKey struct{}

// SetUser notes for the access log who sent the request with that context. It is
// for the handler, on its own goroutine.
func SetUser(ctx context.Context, aor string) {
	if rec, ok := ctx.Value(recordKey{}).(*record); ok {
		rec.user = aor
	}
}

// log writes the line of a request: nothing in it lets anyone in.
func (s *Server) log(r *http.Request, w *writer, rec *record) {
	if w.status == 0 {
		w.status = http.StatusOK // what net/http answers for a handler that did not
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if len(path) > maxLogged {
		path = path[:maxLogged] + "..."
	}
	slog.LogAttrs(r.Context(), s.cfg.AccessLog.Level(), "http",
		slog.String("method", r.Method), slog.String("path", path), slog.Int("status", w.status), slog.Int64("bytes", w.bytes),
		slog.Duration("took", time.Since(rec.start)), slog.String("user", rec.user),
		slog.String("address", s.cfg.Trust.Client(r).String()), slog.String("request", rec.id))
}

// requestID returns the identifier that a trusted front end gave the request,
// else a new one.
func (s *Server) requestID(r *http.Request) string {
	if given := r.Header.Get("X-Request-Id"); validID(given) && s.cfg.Trust.Contains(hop.Peer(r)) {
		return given
	}
	return rand.Text()[:16]
}

func validID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_.:+/=", c) < 0 {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}
