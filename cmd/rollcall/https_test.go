package main

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/certs/certstest"
)

// The program with all that HTTP clients on the open Internet call for.
func TestHTTPS(t *testing.T) {
	authority, dir := certstest.NewAuthority(t), t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	authority.Write(file("one.pem"), file("one.key"), "one.test")
	authority.Write(file("two.pem"), file("two.key"), "two.test")
	data := t.TempDir()
	mustCommand(t, "", "user", "add", "alice@"+domain, "--password", password("alice"), "--domain", domain, "--data", data)
	s := serve(t, "--data", data, "--domain", domain, "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort, "--https-listen", anyPort,
		"--tls-cert", file("one.pem"), "--tls-key", file("one.key"), "--tls-cert", file("two.pem"), "--tls-key", file("two.key"),
		"--basic-auth", "--cors-origin", "https://mail.example.test", "--enable-test-usages")
	if !strings.HasPrefix(s.xcapRoot, "https://") || !strings.Contains(s.printed, "XCAP    http://") {
		t.Fatalf("printed\n%s", s.printed)
	}

	client := func(name string) *http.Client {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{ServerName: name, RootCAs: authority.Pool()}, ForceAttemptHTTP2: true, DisableCompression: true,
		}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: patience}
	}
	one := client("one.test")
	const body = "<a><!-- 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef --></a>"
	document := s.xcapRoot + "/test-app/users/sip:alice@" + domain + "/index"
	do := func(c *http.Client, method, url, body string, headers ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("alice", password("alice"))
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}

	long := strings.Repeat(" ", 2000)
	if resp, text := do(one, "PUT", document, "<a>"+body+long+"</a>"); resp.StatusCode != 201 || resp.Proto != "HTTP/2.0" {
		t.Fatalf("PUT: %s %d %s", resp.Proto, resp.StatusCode, text)
	}
	resp, _ := do(client("two.test"), "GET", document, "", "Accept-Encoding: gzip", "Origin: https://mail.example.test", "X-Request-Id: mine")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" || !strings.HasSuffix(resp.Header.Get("ETag"), `-gzip"`) ||
		resp.Header.Get("Access-Control-Allow-Origin") != "https://mail.example.test" || resp.Header.Get("X-Request-Id") == "mine" {
		t.Errorf("GET: %d %v", resp.StatusCode, resp.Header)
	}
	for deadline := time.Now().Add(patience); ; {
		if log := s.log.String(); strings.Contains(log, "user=sip:alice@"+domain) && strings.Contains(log, "request="+resp.Header.Get("X-Request-Id")) {
			secret := base64.StdEncoding.EncodeToString([]byte("alice:" + password("alice")))
			if strings.Contains(log, secret) || strings.Contains(log, password("alice")) {
				t.Errorf("a password in the log:\n%s", log)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no access log:\n%s", s.log)
		}
	}

	// In the clear the password is not even looked at.
	plainRoot := strings.Fields(s.printed[strings.Index(s.printed, "XCAP    http://")+len("XCAP"):])[0]
	resp, _ = do(http.DefaultClient, "GET", strings.Replace(document, s.xcapRoot, plainRoot, 1), "")
	if resp.StatusCode != 401 || strings.Contains(strings.Join(resp.Header.Values("WWW-Authenticate"), ","), "Basic") {
		t.Errorf("in the clear: %d %v", resp.StatusCode, resp.Header)
	}
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	top := strings.TrimSuffix(s.xcapRoot, "/xcap-root")
	if resp, _ := do(one, "GET", top+"/.well-known/xcap", ""); resp.StatusCode != 307 || resp.Header.Get("Location") != "/xcap-root/" {
		t.Errorf("well-known: %d %v", resp.StatusCode, resp.Header)
	}
	if _, text := do(one, "GET", top+"/", ""); !strings.Contains(text, s.xcapRoot) {
		t.Errorf("top: %s", text)
	}

	// A new certificate for another name.
	authority.Write(file("two.pem"), file("two.key"), "three.test")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		resp, err := client("three.test").Get(top + "/")
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new certificate is not shown: %v", err)
		}
	}
	s.terminate()
}

func TestBadCertificate(t *testing.T) {
	dir := t.TempDir()
	expectCommand(t, exitUsage, "absent.pem", "", "serve", "--data", dir, "--https-listen", anyPort,
		"--tls-cert", filepath.Join(dir, "absent.pem"), "--tls-key", filepath.Join(dir, "absent.key"))
}
