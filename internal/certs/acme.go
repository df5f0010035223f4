package certs

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"rollcall/internal/store"
)

// acmeTimeout bounds one request to the certification authority.
const acmeTimeout = 30 * time.Second

// ACME says from whom to get certificates for which names.
type ACME struct {
	Domains   []string // lower-case
	Email     string   // where the authority sends warnings; may be empty
	Directory string   // URL
	Store     store.Certificates
}

func (a *ACME) manager() *autocert.Manager {
	return &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      cache{a.Store},
		HostPolicy: autocert.HostWhitelist(a.Domains...),
		Email:      a.Email,
		Client: &acme.Client{
			DirectoryURL: a.Directory,
			UserAgent:    "rollcall",
			HTTPClient:   &http.Client{Timeout: acmeTimeout},
		},
	}
}

// cache implements autocert.Cache.
type cache struct{ store store.Certificates }

// Get implements autocert.Cache.
func (c cache) Get(ctx context.Context, name string) ([]byte, error) {
	value, err := c.store.Certificate(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, autocert.ErrCacheMiss
	}
	return value, err
}

// Put implements autocert.Cache.
func (c cache) Put(ctx context.Context, name string, value []byte) error {
	return c.store.PutCertificate(ctx, name, value)
}

// Delete implements autocert.Cache.
func (c cache) Delete(ctx context.Context, name string) error {
	return c.store.DeleteCertificate(ctx, name)
}
