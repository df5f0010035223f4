package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rollcall/internal/hop"
)

// Limits of one request. A node selector may be long, and digest credentials
// repeat it.
const (
	maxTarget = 16 << 10
	maxHeader = 16 << 10                // without credentials
	maxHead   = 2*maxTarget + maxHeader // request line and header; above it net/http answers 431
)

// Config says how to serve. Handler is required.
type Config struct {
	Handler http.Handler
	TLS     *tls.Config // of ServeTLS; Protocols are to be offered in it
	Trust   hop.Trust   // front ends

	// Challenges, which may be nil, wraps the handler with what a certification
	// authority asks for.
	Challenges func(http.Handler) http.Handler

	Roots   []string // paths of the XCAP roots, for those who look for them
	Origins []string // of web pages that may send requests; "*" for all

	// AccessLog is the level of the line per request; nil for none.
	AccessLog slog.Leveler
	// ReadTimeout is for a whole request, body included; 0 stands for 30 s.
	ReadTimeout time.Duration
}

// Protocols returns the application protocols that are spoken over TLS.
func Protocols() []string { return []string{"h2", "http/1.1"} }

// Server serves HTTP on any number of listeners.
type Server struct {
	cfg   Config
	cors  cors
	inner http.Handler
	http  *http.Server
}

// New returns a server whose clients cannot hold it up: each phase of a request
// has its deadline and its limit.
func New(cfg Config) *Server {
	if cfg.ReadTimeout <= 0 {
		cfg.ReadTimeout = 30 * time.Second
	}
	s := &Server{cfg: cfg, cors: newCORS(cfg.Origins)}
	s.inner = cfg.Handler
	if cfg.Challenges != nil {
		s.inner = cfg.Challenges(cfg.Handler)
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		TLSConfig:         cfg.TLS,
		ReadHeaderTimeout: min(10*time.Second, cfg.ReadTimeout),
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      2 * cfg.ReadTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHead,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
		// Broken handshakes and the like are the noise of any public address.
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	return s
}

// Serve serves plain HTTP until Shutdown, when it returns http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(l) }

// ServeTLS serves HTTP over TLS, HTTP/2 for clients that want it.
func (s *Server) ServeTLS(l net.Listener) error { return s.http.ServeTLS(l, "", "") }

// Shutdown accepts nothing more, tells clients to come back on other connections
// (RFC 9112 §9.6, RFC 9113 §6.8) and waits for requests in progress; when ctx
// ends it closes what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	return err
}

// serve is the way of a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	rec := &record{start: time.Now(), id: s.requestID(r)}
	w.Header().Set("X-Request-Id", rec.id)
	rw := &writer{ResponseWriter: w}
	if s.cfg.AccessLog != nil && slog.Default().Enabled(r.Context(), s.cfg.AccessLog.Level()) {
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		defer func() { s.log(r, rw, rec) }()
	}
	switch {
	case len(r.RequestURI) > maxTarget:
		plain(rw, r, http.StatusRequestURITooLong, "the request target is too long")
	case headerSize(r.Header) > maxHeader:
		plain(rw, r, http.StatusRequestHeaderFieldsTooLarge, "the header is too long")
	case s.cors.answer(rw, r):
	case s.discover(rw, r):
	default:
		s.inner.ServeHTTP(rw, r)
	}
}

// headerSize is the length of a header without credentials.
func headerSize(h http.Header) (size int) {
	for name, values := range h {
		if name == "Authorization" {
			continue
		}
		for _, v := range values {
			size += len(name) + len(": \r\n") + len(v)
		}
	}
	return size
}

// writer notes what was answered.
type writer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status < http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
