package xcap

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5/middleware"
)

// observe counts every request.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		s.Metrics.HTTPRequests.WithLabelValues(methodLabel(r.Method), strconv.Itoa(ww.Status())).Inc()
		s.Metrics.HTTPSeconds.Observe(time.Since(start).Seconds())
	})
}

// methodLabel keeps the number of label values fixed.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost, http.MethodOptions:
		return method
	}
	return "other"
}

// recover turns a panic into a 500.
func (s *server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				s.Metrics.Panics.Inc()
				slog.Error("panic in http request", "method", r.Method, "target", r.RequestURI, "panic", v, "stack", string(debug.Stack()))
				response{status: http.StatusInternalServerError}.write(w, false)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
