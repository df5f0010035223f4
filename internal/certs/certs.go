package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/time/rate"
)

// Config says where certificates come from.
type Config struct {
	Pairs []Pair // the first is for clients that ask for none of the others
	ACME  *ACME  // nil: files only
}

// Store answers which certificate a client gets. It is safe for concurrent use.
type Store struct {
	pairs   []*pair
	acme    *autocert.Manager
	domains []string       // those of acme
	failing rate.Sometimes // tells that acme does not work
}

// New returns a store after reading all files once.
func New(cfg Config) (*Store, error) {
	s := &Store{failing: rate.Sometimes{Interval: time.Minute}}
	for _, p := range cfg.Pairs {
		loaded := &pair{Pair: p}
		if err := loaded.read(); err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, loaded)
	}
	if cfg.ACME != nil {
		s.domains = cfg.ACME.Domains
		s.acme = cfg.ACME.manager()
	}
	if len(s.pairs) == 0 && s.acme == nil {
		return nil, errors.New("no certificates")
	}
	return s, nil
}

// TLSConfig returns the configuration of a server that speaks these application
// protocols (RFC 7301), the most preferred first.
func (s *Store) TLSConfig(protocols ...string) *tls.Config {
	if s.acme != nil && len(protocols) > 0 {
		protocols = append(slices.Clip(protocols), acme.ALPNProto) // RFC 8737
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		GetCertificate: s.certificate,
	}
}

// HTTPHandler answers the challenges that come over plain HTTP (RFC 8555 §8.3)
// and leaves all other requests to next.
func (s *Store) HTTPHandler(next http.Handler) http.Handler {
	if s.acme == nil {
		return next
	}
	return s.acme.HTTPHandler(next)
}

// certificate chooses by the name and the algorithms that the client asks for.
func (s *Store) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme != nil && slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		return s.acme.GetCertificate(hello)
	}
	for _, p := range s.pairs {
		if c := p.current.Load(); hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if s.acme != nil && slices.Contains(s.domains, name) {
		return s.obtain(hello)
	}
	if len(s.pairs) > 0 {
		// Not the one asked for; it is for the client to decide.
		return s.pairs[0].current.Load(), nil
	}
	if name != "" {
		return nil, errors.New("no certificate for " + name)
	}
	// Clients that address a host by number send no name.
	named := *hello
	named.ServerName = s.domains[0]
	return s.obtain(&named)
}

// obtain returns a certificate got over ACME, which takes some seconds when it is
// the first time.
func (s *Store) obtain(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := s.acme.GetCertificate(hello)
	if err != nil {
		s.failing.Do(func() { slog.Error("no certificate over ACME", "name", hello.ServerName, "error", err) })
	}
	return c, err
}

// Watch reads files anew when they have changed, which it looks for at that
// interval, and whenever something comes from reload, until ctx ends.
func (s *Store) Watch(ctx context.Context, every time.Duration, reload <-chan os.Signal) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-reload:
			asked = true
		case <-t.C:
		}
		for _, p := range s.pairs {
			p.refresh(asked)
		}
	}
}
