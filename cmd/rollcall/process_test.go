package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// testDir holds the program under test.
var testDir string

// atOnce is how many parallel tests run at once: they wait for processes and for
// time to pass, hardly for the processor.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(atOnce)
	}
	dir, err := os.MkdirTemp("", "rollcall-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	name := filepath.Join(testDir, "rollcall")
	build := slices.Concat([]string{"build"}, raceFlags, []string{"-o", name, "."})
	if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return name, nil
})

// server is a running rollcall process.
type server struct {
	t        *testing.T
	cmd      *exec.Cmd
	log      *lockedBuffer
	printed  string
	exited   chan error
	sip      string
	xcapRoot string
	admin    string
}

// lockedBuffer collects what a process writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts the server and waits until it is ready. It ends with the test.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, cmd: exec.Command(name, append([]string{"serve"}, args...)...), log: &lockedBuffer{}, exited: make(chan error, 1)}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		s.scan(out, ready)
		s.exited <- s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.kill()
		if strings.Contains(s.log.String(), "DATA RACE") {
			t.Error("a data race in the server")
		}
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log)
		}
	})
	select {
	case <-ready:
	case err := <-s.exited:
		s.exited <- err
		t.Fatalf("server ended: %v\n%s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("server not ready:\n%s", s.log)
	}
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	return s
}

// scan reads the addresses a person is told.
func (s *server) scan(out io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(out)
	var text strings.Builder
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		switch f := strings.Fields(lines.Text()); {
		case len(f) > 1 && f[0] == "SIP" && s.sip == "":
			s.sip = f[1]
		case len(f) > 1 && f[0] == "XCAP" && f[1] != "root":
			s.xcapRoot = f[1]
		case len(f) > 1 && f[0] == "Admin":
			s.admin = strings.TrimSuffix(f[1], "/")
		case len(f) > 0 && f[0] == "Ready.":
			s.printed = text.String()
			close(ready)
		}
	}
}

// kill ends the process at once, like a power failure.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	s.wait()
}

func (s *server) wait() error {
	s.t.Helper()
	select {
	case err := <-s.exited:
		s.exited <- err
		return err
	case <-time.After(patience):
		s.t.Error("the process does not end")
		return nil
	}
}

// terminate asks the process to end and checks that it does so well.
func (s *server) terminate() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		s.t.Errorf("after SIGTERM: %v", err)
	}
}

// command runs the program with a command line and returns exit code and output.
func command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code = run(ctx, args, console{strings.NewReader(stdin), &out, &errOut})
	return code, out.String(), errOut.String()
}

// mustCommand is command for those that have to work.
func mustCommand(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	code, out, errOut := command(t, stdin, args...)
	if code != 0 {
		t.Fatalf("rollcall %s: exit code %d\n%s", strings.Join(args, " "), code, errOut)
	}
	return out
}

// xcapClient is one user's client of the document store.
type xcapClient struct {
	t    *testing.T
	root string
	http *http.Client
}

func newXCAPClient(t *testing.T, root, user, password string) *xcapClient {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &xcapClient{t: t, root: root, http: &http.Client{
		Transport: &digest.Transport{Username: user, Password: password, Transport: transport}, Timeout: patience,
	}}
}

// do sends one request; the target is used as written. headers are name: value.
func (c *xcapClient) do(method, target string, body string, headers ...string) (*http.Response, string) {
	c.t.Helper()
	u, err := url.Parse(c.root)
	if err != nil {
		c.t.Fatal(err)
	}
	u.Opaque = "//" + u.Host + u.Path + "/" + target
	req := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}}
	if body != "" {
		data := []byte(body)
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(text)
}

// put stores a document and returns its entity-tag.
func (c *xcapClient) put(status int, target, contentType, body string, headers ...string) string {
	c.t.Helper()
	resp, text := c.do("PUT", target, body, append(headers, "Content-Type: "+contentType)...)
	if resp.StatusCode != status {
		c.t.Fatalf("PUT %s: want %d, got %d %s", target, status, resp.StatusCode, text)
	}
	return resp.Header.Get("ETag")
}
