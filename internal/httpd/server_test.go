package httpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"rollcall/internal/hop"
)

var loopback = hop.Trust{netip.MustParsePrefix("127.0.0.0/8")}

func TestProtocols(t *testing.T) {
	r := start(t, Config{})
	for url, want := range map[string]string{"http://" + r.plain + "/x": "GET HTTP/1.1", "https://" + r.secure + "/x": "GET HTTP/2.0"} {
		resp, text := r.do("GET", url)
		if text != want || resp.ContentLength != int64(len(want)) {
			t.Errorf("%s: %q, length %d", url, text, resp.ContentLength)
		}
	}
}

// RFC 9110 §15.5.15 and RFC 6585 §5: too long is said, not just felt.
func TestLongRequests(t *testing.T) {
	r := start(t, Config{Roots: []string{root}})
	for _, scheme := range []string{"http://" + r.plain, "https://" + r.secure} {
		for _, c := range []struct {
			what, target string
			header       int
			status       int
		}{
			{"long enough", "/" + strings.Repeat("a", 16<<10-1), 0, 200},
			{"target", "/" + strings.Repeat("a", 16<<10), 0, 414},
			{"query", "/?" + strings.Repeat("a", 17<<10), 0, 414},
			{"header", "/x", 17 << 10, 431},
		} {
			resp, _ := r.do("GET", scheme+c.target, "X-Long", strings.Repeat("b", c.header))
			if resp.StatusCode != c.status {
				t.Errorf("%s %s: %d, want %d", scheme, c.what, resp.StatusCode, c.status)
			}
		}
	}
	// Credentials for the longest target have room.
	resp, _ := r.do("GET", "http://"+r.plain+"/"+strings.Repeat("a", 16<<10-1), "Authorization", "Digest uri="+strings.Repeat("a", 16<<10))
	if resp.StatusCode != 200 {
		t.Errorf("credentials: %d", resp.StatusCode)
	}
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", 20<<10))
	if resp := c.answer(); resp.StatusCode != 431 {
		t.Errorf("flood of header lines: %d", resp.StatusCode)
	}
	c.closed()
}

// A body that does not come must not hold a connection.
func TestSlowBody(t *testing.T) {
	seen := make(chan error, 1)
	r := start(t, Config{ReadTimeout: 100 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		seen <- err
		w.WriteHeader(http.StatusRequestTimeout)
	})})
	c := r.dial()
	c.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
	if resp := c.answer(); resp.StatusCode != 408 || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
	c.closed()
	if err := <-seen; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler sees %v", err)
	}
	// Over HTTP/2 a stream has the same deadline.
	pr, pw := io.Pipe()
	defer pw.Close()
	req, err := http.NewRequest("PUT", "https://"+r.secure+"/x", pr)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-seen; resp.StatusCode != 408 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("HTTP/2: %d, %v", resp.StatusCode, err)
	}
	// A header that does not come.
	slow := r.dial()
	slow.send("GET /x HTTP/1.1\r\nHost:")
	slow.closed()
}

// Requests in progress are answered, with word that the connection ends; new
// connections are refused.
func TestDrain(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-leave
		}
		_, _ = io.WriteString(w, "done")
	})})
	idle, busy := r.dial(), r.dial()
	idle.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp := idle.answer(); resp.Close {
		t.Error("no keep-alive")
	}
	busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	stopped := make(chan error)
	go func() { stopped <- r.server.Shutdown(context.Background()) }()
	idle.closed()
	select {
	case err := <-stopped:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	close(leave)
	if resp := busy.answer(); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
	busy.closed()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// What takes longer than there is time for is cut off.
func TestDrainEnds(t *testing.T) {
	entered := make(chan struct{})
	r := start(t, Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})})
	c := r.dial()
	c.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	c.closed()
}

func TestRequestID(t *testing.T) {
	trusting, strict := start(t, Config{Trust: loopback}), start(t, Config{})
	for _, c := range []struct {
		r    *rig
		id   string
		kept bool
	}{
		{trusting, "", false}, {trusting, "7f3a-b.c:d_e", true}, {trusting, "a b", false}, {trusting, strings.Repeat("x", 65), false},
		{strict, "7f3a", false},
	} {
		resp, _ := c.r.do("GET", "http://"+c.r.plain+"/x", "X-Request-Id", c.id)
		if got := resp.Header.Get("X-Request-Id"); got == "" || (got == c.id) != c.kept {
			t.Errorf("%q: %q", c.id, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	text := logged(t)
	r := start(t, Config{Trust: loopback, AccessLog: slog.LevelInfo})
	r.do("PUT", "http://"+r.plain+"/doc?xmlns(a=b)", "Authorization", "Basic c2VjcmV0", "X-Forwarded-For", "192.0.2.7", "X-Request-Id", "id-1")
	r.do("GET", "http://"+r.plain+"/"+strings.Repeat("y", 2000))
	var lines []string
	for deadline := time.Now().Add(10 * time.Second); len(lines) < 2; { // the line is written after the answer
		lines = strings.Split(strings.TrimSpace(text()), "\n")
		if time.Now().After(deadline) {
			t.Fatalf("%q", lines)
		}
	}
	for _, want := range []string{"level=INFO", "method=PUT", "path=/doc ", "status=200", "bytes=12", "took=", "user=sip:alice@example.test", "address=192.0.2.7", "request=id-1"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %q in %s", want, lines[0])
		}
	}
	if strings.Contains(text(), "c2VjcmV0") || len(lines[1]) > 1000 {
		t.Errorf("%s", text())
	}
	quiet := start(t, Config{})
	quiet.do("GET", "http://"+quiet.plain+"/quiet")
	debug := start(t, Config{AccessLog: slog.LevelDebug})
	debug.do("GET", "http://"+debug.plain+"/quiet")
	if strings.Contains(text(), "quiet") {
		t.Errorf("%s", text())
	}
}

func TestDiscovery(t *testing.T) {
	r := start(t, Config{Roots: []string{root, "/second"}, Trust: loopback})
	base := "http://" + r.plain
	resp, text := r.do("GET", base+"/")
	for _, want := range []string{"XCAP", "XCAP root: " + base + root + "\n", base + "/second"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || resp.ContentLength != int64(len(text)) {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if _, text := r.do("GET", base+"/", "X-Forwarded-Proto", "https"); !strings.Contains(text, "https://"+r.plain+root) {
		t.Errorf("behind a front end with TLS: %s", text)
	}
	resp, _ = r.do("GET", base+WellKnown)
	if resp.StatusCode != 307 || resp.Header.Get("Location") != root+"/" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, text := r.do("HEAD", base+"/"); resp.StatusCode != 200 || text != "" || resp.ContentLength <= 0 {
		t.Errorf("HEAD: %d %q", resp.StatusCode, text)
	}
	if resp, _ := r.do("PUT", base+WellKnown); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || resp.Header.Get("Location") != "" {
		t.Errorf("PUT: %d %v", resp.StatusCode, resp.Header)
	}
	if _, text := r.do("GET", base+"/other"); text != "GET HTTP/1.1" {
		t.Errorf("other paths: %s", text)
	}
}
