package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rollcall/internal/bus"
	"rollcall/internal/store"
)

// Limits of what a change notice may hold.
const (
	maxNotice        = 1 << 20
	maxNoticeEntries = 10_000
)

// notice tells a running server what a command changed behind its back, in the
// database they share.
type notice struct {
	Users     []string         `json:"users,omitempty"` // canonical AORs
	Documents []noticeDocument `json:"documents,omitempty"`
}

type noticeDocument struct {
	XUI     string `json:"xui"`
	AUID    string `json:"auid"`
	Path    string `json:"path"`
	OldETag string `json:"old_etag,omitempty"`
}

func (d noticeDocument) key() store.DocumentKey {
	return store.DocumentKey{XUI: d.XUI, AUID: d.AUID, Path: d.Path}
}

// adminHandler serves health, metrics, profiles and change notices.
func (n *node) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("POST /admin/changed", n.changed)
	mux.HandleFunc("GET /admin/explain", n.explainHandler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// readyz reports whether requests can be served: listeners up, database there.
func (n *node) readyz(w http.ResponseWriter, r *http.Request) {
	if !n.ready.Load() {
		answer(w, http.StatusServiceUnavailable, "starting or stopping")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if err := n.store.Ping(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, "database: "+err.Error())
		return
	}
	answer(w, http.StatusOK, "ready")
}

// changed puts what a command line did on the bus. It only makes the server look
// again, so a notice that is wrong does no harm.
func (n *node) changed(w http.ResponseWriter, r *http.Request) {
	var notice notice
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxNotice))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&notice); err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	if len(notice.Users)+len(notice.Documents) > maxNoticeEntries {
		answer(w, http.StatusRequestEntityTooLarge, "too many entries")
		return
	}
	for _, aor := range notice.Users {
		n.bus.Publish(bus.UserChanged{AOR: aor})
	}
	for _, d := range notice.Documents {
		n.store.Forget(d.key())
		stored, err := n.store.Document(r.Context(), d.key())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		n.bus.Publish(bus.DocumentChanged{Key: d.key(), OldETag: d.OldETag, NewETag: stored.ETag})
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// adminURL returns where the admin listener of this configuration is asked.
func adminURL(listen, path string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usageError{fmt.Errorf("admin-listen: %w", err)}
	}
	if port == "0" {
		return "", usageError{errors.New("admin-listen: a port number is needed to find the server")}
	}
	if a, err := netip.ParseAddr(host); host == "" || (err == nil && a.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}
