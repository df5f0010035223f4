package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/certs/certstest"
	"rollcall/internal/store/memory"
)

// acmeServer is an authority that speaks RFC 8555, for one order at a time. It
// takes signatures on trust, and keys by asking back over plain HTTP or TLS.
type acmeServer struct {
	*httptest.Server
	t         *testing.T
	authority *certstest.Authority
	challenge string // the type offered
	prove     func(name, token string) error

	mu     sync.Mutex
	name   string
	status string // of authorization and order
	cert   []byte
	orders int
}

func newACMEServer(t *testing.T, challenge string, prove func(name, token string) error) *acmeServer {
	a := &acmeServer{t: t, authority: certstest.NewAuthority(t), challenge: challenge, prove: prove, status: "pending"}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *acmeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", "nonce")
	var payload struct {
		Identifiers []struct{ Value string }
		CSR         string
	}
	if r.Method == http.MethodPost {
		var jws struct{ Payload string }
		if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
			a.t.Error(err)
		}
		if text, err := base64.RawURLEncoding.DecodeString(jws.Payload); err == nil && len(text) > 0 {
			_ = json.Unmarshal(text, &payload)
		}
	}
	switch r.URL.Path {
	case "/":
		a.answer(w, 200, map[string]any{"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/new", "revokeCert": a.URL + "/revoke", "keyChange": a.URL + "/key"})
	case "/nonce":
	case "/account":
		w.Header().Set("Location", a.URL+"/account/1")
		a.answer(w, 201, map[string]any{"status": "valid"})
	case "/new":
		a.name, a.status = payload.Identifiers[0].Value, "pending"
		a.orders++
		a.order(w, 201)
	case "/order":
		a.order(w, 200)
	case "/authz":
		a.answer(w, 200, map[string]any{
			"status": strings.Replace(a.status, "ready", "valid", 1), "identifier": map[string]string{"type": "dns", "value": a.name},
			"challenges": []any{map[string]string{"type": a.challenge, "url": a.URL + "/challenge", "token": "token-1", "status": "pending"}},
		})
	case "/challenge":
		a.status = "ready"
		if err := a.prove(a.name, "token-1"); err != nil {
			a.t.Errorf("challenge: %v", err)
			a.status = "invalid"
		}
		a.answer(w, 200, map[string]string{"type": a.challenge, "url": a.URL + "/challenge", "token": "token-1", "status": "processing"})
	case "/finalize":
		der, err := base64.RawURLEncoding.DecodeString(payload.CSR)
		if err != nil {
			a.t.Error(err)
		}
		request, err := x509.ParseCertificateRequest(der)
		if err != nil {
			a.t.Error(err)
			return
		}
		a.cert, a.status = a.authority.Sign(request.PublicKey, request.DNSNames...), "valid"
		a.order(w, 200)
	case "/cert":
		_, _ = w.Write(a.cert)
	default:
		http.NotFound(w, r)
	}
}

func (a *acmeServer) order(w http.ResponseWriter, status int) {
	w.Header().Set("Location", a.URL+"/order")
	a.answer(w, status, map[string]any{
		"status": a.status, "identifiers": []any{map[string]string{"type": "dns", "value": a.name}},
		"authorizations": []string{a.URL + "/authz"}, "finalize": a.URL + "/finalize", "certificate": a.URL + "/cert",
	})
}

func (a *acmeServer) answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Both ways to prove that a name is ours, and what was got is there for other
// nodes and after a restart.
func TestACME(t *testing.T) {
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			var plain, secure string // where the authority asks back
			authority := newACMEServer(t, challenge, func(name, token string) error {
				if challenge == "http-01" {
					return proveHTTP(plain, name, token)
				}
				return proveTLS(secure, name)
			})
			st := memory.New()
			node := func() *Store {
				s, err := New(Config{ACME: &ACME{Domains: []string{"xcap.test"}, Email: "admin@xcap.test", Directory: authority.URL, Store: st}})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			first := node()
			if challenge == "http-01" {
				// RFC 8555 §8.3: any node may be asked.
				second := httptest.NewServer(node().HTTPHandler(http.NotFoundHandler()))
				defer second.Close()
				plain = second.URL
				first.HTTPHandler(http.NotFoundHandler())
			}
			secure = listen(t, first, "h2", "http/1.1")
			cfg := &tls.Config{ServerName: "xcap.test", RootCAs: authority.authority.Pool()}
			for _, addr := range []string{secure, secure, listen(t, node(), "h2", "http/1.1")} {
				if got, err := shown(t, addr, cfg); err != nil || got != "xcap.test" {
					t.Errorf("%s, %v", got, err)
				}
			}
			if got, err := shown(t, secure, &tls.Config{InsecureSkipVerify: true}); err != nil || got != "xcap.test" {
				t.Errorf("without a name: %s, %v", got, err)
			}
			if authority.orders != 1 {
				t.Errorf("%d orders", authority.orders)
			}
			for _, name := range []string{"xcap.test", "acme_account+key"} {
				if _, err := st.Certificate(context.Background(), name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func proveHTTP(base, name, token string) error {
	req, err := http.NewRequest(http.MethodGet, base+"/.well-known/acme-challenge/"+token, nil)
	if err != nil {
		return err
	}
	req.Host = name
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != 200 || !strings.HasPrefix(string(text), token+".")) {
		err = fmt.Errorf("%d %s", resp.StatusCode, text)
	}
	return err
}

// proveTLS checks as RFC 8737 §3 says.
func proveTLS(addr, name string) error {
	c, err := tls.DialWithDialer(&net.Dialer{}, "tcp", addr, &tls.Config{ServerName: name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	state := c.ConnectionState()
	if state.NegotiatedProtocol != "acme-tls/1" {
		return fmt.Errorf("protocol %q", state.NegotiatedProtocol)
	}
	for _, e := range state.PeerCertificates[0].Extensions {
		if e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical {
			return nil
		}
	}
	return fmt.Errorf("no acmeIdentifier")
}
