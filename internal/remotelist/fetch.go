package remotelist

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxList      = 256 << 10
	maxRedirects = 3
	fetchTimeout = 15 * time.Second
	dialTimeout  = 5 * time.Second
)

// errNone says that the server has no such list, or not for us: what was there
// before is not in force any more.
var errNone = errors.New("is not there")

// answer is a list as a server gave it.
type answer struct {
	body        []byte
	etag, since string
	fresh       time.Duration // 0: it does not say
}

// types are the media types that a list may have: RFC 4825 §7.5, and what servers
// say that do not know it.
var types = []string{"application/xcap-el+xml", "application/xml", "text/xml", "application/resource-lists+xml"}

// fetch asks for a list; known is what is there already.
func (c *Cache) fetch(target string, known answer) (answer, error) {
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer{}, fmt.Errorf("cannot be asked for: %w", err)
	}
	req.Header.Set("Accept", types[0])
	if known.body != nil {
		setIf(req.Header, "If-None-Match", known.etag)
		setIf(req.Header, "If-Modified-Since", known.since)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which the reader of the reason knows
		}
		return answer{}, fmt.Errorf("cannot be fetched: %w", err)
	}
	defer resp.Body.Close()
	fresh := freshness(resp.Header)
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		known.fresh = fresh
		return known, nil
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return answer{}, fmt.Errorf("%w: the other server answers %d", errNone, resp.StatusCode)
	default:
		return answer{}, fmt.Errorf("cannot be fetched: the other server answers %d", resp.StatusCode)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if !slices.Contains(types, kind) {
		return answer{}, fmt.Errorf("%w: the other server gives %.64q, which is no list", errNone, kind)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil {
		return answer{}, fmt.Errorf("cannot be fetched: %w", err)
	}
	if len(body) > maxList {
		return answer{}, fmt.Errorf("%w: it has more than %d octets", errNone, maxList)
	}
	return answer{body, resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"), fresh}, nil
}

func setIf(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// freshness is what Cache-Control says; 0: nothing.
func freshness(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			return minFresh
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return max(time.Duration(n)*time.Second, minFresh)
			}
		}
	}
	return 0
}

// newClient returns a client that goes where the prefixes say only.
func newClient(prefixes []Prefix) *http.Client {
	d := &net.Dialer{Timeout: dialTimeout, Control: guard(prefixes)}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			DialContext: d.DialContext, TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: fetchTimeout,
			MaxIdleConns: workers, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 32 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if u, ok := parse(req.URL.String()); !ok || !covered(prefixes, u) {
				return errors.New("redirect to where lists may not be read from")
			}
			return nil
		},
	}
}

func covered(prefixes []Prefix, u *url.URL) bool {
	return slices.ContainsFunc(prefixes, func(p Prefix) bool { return p.covers(u) })
}

// guard refuses connections into private networks, whatever name leads there. An
// address that a prefix names outright is meant.
func guard(prefixes []Prefix) func(network, address string, _ syscall.RawConn) error {
	meant := make(map[netip.Addr]bool)
	for _, p := range prefixes {
		if ip, err := p.literal(); err == nil {
			meant[ip] = true
		}
	}
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%q is no address: %w", address, err)
		}
		ip := to.Addr().Unmap()
		if meant[ip] || ip.IsGlobalUnicast() && !ip.IsPrivate() {
			return nil
		}
		return fmt.Errorf("%s is an address of a private network", ip)
	}
}
