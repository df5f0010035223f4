package remotelist

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/wheel"
)

const list = `<list xmlns="urn:ietf:params:xml:ns:resource-lists"/>`

// patience bounds every wait.
const patience = 10 * time.Second

func prefix(t *testing.T, text string) Prefix {
	t.Helper()
	p, err := ParsePrefix(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type rig struct {
	*Cache
	t       *testing.T
	changed chan string
}

func newRig(t *testing.T, prefixes ...string) *rig {
	t.Helper()
	r := &rig{t: t, changed: make(chan string, 100)}
	cfg := Config{Wheel: wheel.New(5 * time.Millisecond), Changed: func(url string) { r.changed <- url }}
	for _, p := range prefixes {
		cfg.Prefixes = append(cfg.Prefixes, prefix(t, p))
	}
	r.Cache = New(cfg)
	t.Cleanup(func() {
		r.Close()
		cfg.Wheel.Stop()
	})
	return r
}

// wait returns the list once there is news of it.
func (r *rig) wait(url string) (string, error) {
	r.t.Helper()
	body, err := r.List(url)
	if errors.Is(err, ErrPending) {
		select {
		case <-r.changed:
		case <-time.After(patience):
			r.t.Fatal("nothing comes")
		}
		body, err = r.List(url)
	}
	return string(body), err
}

// again has a list fetched now.
func (r *rig) again(url string) {
	r.t.Helper()
	r.mu.Lock()
	e := r.entries[url]
	r.mu.Unlock()
	r.refresh(e)
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func TestCanonical(t *testing.T) {
	r := newRig(t, "https://XCAP.example.net:443/root", "http://127.0.0.1:8080/")
	for _, tt := range []struct{ ref, want string }{
		{"https://xcap.example.net/root/a", "https://xcap.example.net/root/a"},
		{" HTTPS://Xcap.Example.NET:443/root/a#b ", "https://xcap.example.net/root/a"},
		{"https%3A//xcap.example.net/root/list%5B1%5D", "https://xcap.example.net/root/list%5B1%5D"},
		{"https%3a%2f%2fxcap.example.net%2froot%2fa", "https://xcap.example.net/root/a"},
		{"http%3A//127.0.0.1%3A8080/x", "http://127.0.0.1:8080/x"},
		{"https://xcap.example.net/root/a?xmlns(b=c)", "https://xcap.example.net/root/a?xmlns(b=c)"},
		{"https://xcap.example.net/rooted", ""},
		{"https://xcap.example.net/root/../etc", ""},
		{"https://xcap.example.net/root/%2e%2E/etc", ""},
		{"http://xcap.example.net/root/a", ""},
		{"https://xcap.example.net:8443/root/a", ""},
		{"https://xcap.example.net.evil.example/root/a", ""},
		{"https://xcap.example.net@evil.example/root/a", ""},
		{"https://user:pass@xcap.example.net/root/a", ""},
		{"file:///root/a", ""},
		{"root/a", ""},
		{"https:///root/a", ""},
		{"https://xcap.example.net/root/" + strings.Repeat("a", maxURL), ""},
	} {
		if got, ok := r.Canonical(tt.ref); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%.80s: %.80q, %t, want %q", tt.ref, got, ok, tt.want)
		}
	}
	for _, bad := range []string{"", "xcap.example.net", "ftp://a/", "https://a/?b", "https://a/../b", "https://u@a/"} {
		if _, err := ParsePrefix(bad); err == nil {
			t.Errorf("%q is taken for a prefix", bad)
		}
	}
}

// A list is fetched in the background, then asked for conditionally; the newest
// good one stays in force while its server fails, and goes when the server says so.
func TestLife(t *testing.T) {
	var mu sync.Mutex
	status, body, asked := 200, list, []string{}
	set := func(s int, b string) {
		mu.Lock()
		defer mu.Unlock()
		status, body = s, b
	}
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, req.Header.Get("If-None-Match"))
		if status == 200 && req.Header.Get("If-None-Match") == `"`+body+`"` {
			w.WriteHeader(304)
			return
		}
		w.Header()["ETag"] = []string{`"` + body + `"`}
		w.Header().Set("Content-Type", "application/xcap-el+xml")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}) + "/a"
	r := newRig(t, strings.TrimSuffix(url, "a"))
	if _, err := r.List(url); !errors.Is(err, ErrPending) {
		t.Fatalf("at first: %v", err)
	}
	if got, err := r.wait(url); got != list || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	expect := func(what, want, reason string, news bool) {
		t.Helper()
		r.again(url)
		got, err := r.List(url)
		if string(got) != want || (err == nil) != (reason == "") || err != nil && !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if len(r.changed) > 0 != news {
			t.Errorf("%s: %d announced", what, len(r.changed))
		}
		for len(r.changed) > 0 {
			<-r.changed
		}
	}
	expect("unchanged", list, "", false)
	mu.Lock()
	if last := asked[len(asked)-1]; last != `"`+list+`"` {
		t.Errorf("If-None-Match %q", last)
	}
	mu.Unlock()
	set(200, list+" ")
	expect("changed", list+" ", "", true)
	set(500, "")
	expect("failing", list+" ", "", false)
	set(200, list+" ")
	expect("back", list+" ", "", false)
	set(404, "")
	expect("gone", "", "404", true)
	expect("gone still", "", "404", false)
	set(200, list)
	expect("there again", list, "", true)
}

// What is not to be had has a precise reason.
func TestReasons(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		kind := "application/xcap-el+xml"
		switch req.URL.Path {
		case "/in/401":
			w.WriteHeader(401)
		case "/in/text":
			kind = "text/plain"
		case "/in/away":
			http.Redirect(w, req, "/out/a", http.StatusFound)
			return
		case "/in/loop":
			http.Redirect(w, req, "/in/loop", http.StatusFound)
			return
		case "/in/moved":
			http.Redirect(w, req, "/in/ok", http.StatusFound)
			return
		case "/in/large":
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, strings.Repeat(" ", maxList+1))
			return
		}
		w.Header().Set("Content-Type", kind)
		fmt.Fprint(w, list)
	})
	inside := "http://localhost" + url[strings.LastIndexByte(url, ':'):] + "/in/ok"
	if _, err := newRig(t, inside).wait(inside + "/"); err == nil || !strings.Contains(err.Error(), "private network") {
		t.Errorf("a name that leads to a private address: %v", err)
	}
	r := newRig(t, url+"/in/")
	for _, tt := range []struct{ url, reason string }{
		{url + "/in/ok", ""},
		{url + "/in/moved", ""},
		{url + "/in/401", "answers 401"},
		{url + "/in/text", "text/plain"},
		{url + "/in/away", "redirect to where"},
		{url + "/in/loop", "redirects"},
		{url + "/in/large", "octets"},
	} {
		got, err := r.wait(tt.url)
		if tt.reason == "" && (err != nil || got != list) || tt.reason != "" && (err == nil || !strings.Contains(err.Error(), tt.reason)) {
			t.Errorf("%s: %q, %v, want %q", tt.url, got, err, tt.reason)
		}
	}
}

func TestRoom(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprint(w, list)
	})
	r := newRig(t, url+"/")
	for i := range maxURLs {
		_, _ = r.List(fmt.Sprintf("%s/%d", url, i))
	}
	if _, err := r.List(url + "/more"); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	r.mu.Lock()
	r.entries[url+"/7"].used = time.Now().Add(-idle - time.Second)
	r.mu.Unlock()
	if _, err := r.List(url + "/more"); !errors.Is(err, ErrPending) {
		t.Errorf("in place of one that nobody uses: %v", err)
	}
}

// The hosts and times that Cache-Control knows.
func TestFreshness(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "max-age=300": 5 * time.Minute, "private, MAX-AGE=\"600\"": 10 * time.Minute,
		"max-age=1": minFresh, "no-cache": minFresh, "max-age=x": 0, "s-maxage=9": 0,
	} {
		if got := freshness(http.Header{"Cache-Control": {value}}); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("https://a.example/b/c")
	f.Add("https%3A//a.example/b/list%5B%40name%3D%22x%22%5D")
	f.Add("HTTPS%3a%2F%2fa.example%2fb")
	p, err := ParsePrefix("https://a.example/b/")
	if err != nil {
		f.Fatal(err)
	}
	c := &Cache{cfg: Config{Prefixes: []Prefix{p}}}
	f.Fuzz(func(t *testing.T, ref string) {
		url, ok := c.Canonical(ref)
		if !ok {
			return
		}
		if !strings.HasPrefix(url, "https://a.example/b/") {
			t.Fatalf("%q leads to %q", ref, url)
		}
		if again, ok := c.Canonical(url); !ok || again != url {
			t.Fatalf("%q is not canonical: %q", url, again)
		}
	})
}
