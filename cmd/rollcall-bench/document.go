package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxDocument bounds what is read of an answer.
const maxDocument = 16 << 20

// documents is the XCAP side: keep-alive connections for all users.
type documents struct {
	root     string
	asserted bool // a trusted front end vouches for the user
	http     *http.Client
}

func newDocuments(o *options) *documents {
	return &documents{root: o.XCAP, asserted: o.NoAuth, http: &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			MaxIdleConns:        o.Concurrency,
			MaxIdleConnsPerHost: o.Concurrency,
			MaxConnsPerHost:     o.Concurrency,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
		// Answers come from the target or not at all.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (d *documents) close() { d.http.CloseIdleConnections() }

// answer is what a request for a document came to.
type answer struct {
	status int
	etag   string
	body   string
}

// exchange sends one request, with a second try when there is a challenge.
func (d *documents) exchange(ctx context.Context, who *credentials, method, path string, headers map[string]string, body string) (answer, error) {
	for attempt := 0; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, method, d.root+"/"+path, strings.NewReader(body))
		if err != nil {
			return answer{}, err
		}
		for k, v := range headers {
			req.Header.Set(k, v)
		}
		if d.asserted {
			req.Header.Set("X-XCAP-Asserted-Identity", `"`+who.aor+`"`)
		} else if a := who.authorization(method, req.URL.RequestURI()); a != "" {
			req.Header.Set("Authorization", a)
		}
		resp, err := d.http.Do(req)
		if err != nil {
			return answer{}, err
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
		resp.Body.Close()
		if err != nil {
			return answer{}, err
		}
		if resp.StatusCode == http.StatusUnauthorized && attempt == 0 {
			if err := who.accept(resp.Header.Values("WWW-Authenticate")); err != nil {
				return answer{}, err
			}
			continue
		}
		return answer{resp.StatusCode, resp.Header.Get("ETag"), string(text)}, nil
	}
}

// put stores a document and insists on success.
func (d *documents) put(ctx context.Context, who *credentials, path, contentType, body string) (etag string, err error) {
	a, err := d.exchange(ctx, who, http.MethodPut, path, map[string]string{"Content-Type": contentType}, body)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return "", fmt.Errorf("PUT %s was answered %d: %.300s", path, a.status, a.body)
	}
	return a.etag, nil
}

func userPath(auid, aor string) string { return auid + "/users/" + aor + "/index" }

// allowAll lets everybody see everything of the presentities (RFC 5025).
func allowAll(ctx context.Context, o *options, presentities []account) error {
	const rules = `<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns="urn:ietf:params:xml:ns:pres-rules"><cr:rule id="everybody"><cr:conditions/>
<cr:actions><sub-handling>allow</sub-handling></cr:actions>
<cr:transformations><provide-services><all-services/></provide-services><provide-devices><all-devices/></provide-devices>
<provide-persons><all-persons/></provide-persons><provide-all-attributes/></cr:transformations></cr:rule></cr:ruleset>`
	d := newDocuments(o)
	defer d.close()
	err := parallel(ctx, len(presentities), o.Concurrency, func(ctx context.Context, i int) error {
		_, err := d.put(ctx, newCredentials(presentities[i]), userPath("pres-rules", presentities[i].aor), "application/auth-policy+xml", rules)
		return err
	})
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	return nil
}
