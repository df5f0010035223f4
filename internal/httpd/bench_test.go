package httpd

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What a request costs before it reaches its handler.
func BenchmarkServe(b *testing.B) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	for name, cfg := range map[string]Config{"bare": {}, "logged": {AccessLog: slog.LevelInfo}} {
		cfg.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
		cfg.Roots = []string{root}
		s := New(cfg)
		r := httptest.NewRequest("GET", root+"/resource-lists/users/sip:alice@example.test/index", nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.serve(httptest.NewRecorder(), r)
			}
		})
	}
}
