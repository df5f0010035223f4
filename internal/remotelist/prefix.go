package remotelist

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Prefix is the beginning of URLs that may be read.
type Prefix struct {
	scheme, host string
	path         string // escaped, ends in a slash
}

// ParsePrefix reads a prefix like https://xcap.example.net/xcap-root/.
func ParsePrefix(text string) (Prefix, error) {
	u, ok := parse(text)
	if !ok || u.RawQuery != "" {
		return Prefix{}, fmt.Errorf("%q is not the beginning of an http or https URL", text)
	}
	return Prefix{u.Scheme, u.Host, strings.TrimSuffix(u.EscapedPath(), "/") + "/"}, nil
}

func (p Prefix) covers(u *url.URL) bool {
	return u.Scheme == p.scheme && u.Host == p.host && strings.HasPrefix(u.EscapedPath(), p.path)
}

// literal returns the address of a prefix that names one instead of a host.
func (p Prefix) literal() (netip.Addr, error) {
	u := url.URL{Host: p.host}
	ip, err := netip.ParseAddr(u.Hostname())
	return ip.Unmap(), err
}

// maxURL bounds a reference.
const maxURL = 8 << 10

// parse brings a reference to the form that URLs are compared in. Clients encode
// the colons of a whole URL, or all of it.
func parse(ref string) (*url.URL, bool) {
	ref = strings.TrimSpace(ref)
	if len(ref) > maxURL {
		return nil, false
	}
	if lower := strings.ToLower(ref[:min(len(ref), 14)]); strings.HasPrefix(lower, "http%3a%2f%2f") || strings.HasPrefix(lower, "https%3a%2f%2f") {
		decoded, err := url.PathUnescape(ref)
		if err != nil {
			return nil, false
		}
		ref = decoded
	}
	scheme, rest, ok := strings.Cut(ref, "//")
	if !ok {
		return nil, false
	}
	host, path, _ := strings.Cut(rest, "/")
	scheme, err1 := url.PathUnescape(scheme)
	host, err2 := url.PathUnescape(host)
	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	if errors.Join(err1, err2) != nil || scheme != "http:" && scheme != "https:" || host == "" {
		return nil, false
	}
	u, err := url.Parse(scheme + "//" + host + "/" + path)
	if err != nil || u.User != nil || u.Hostname() == "" || dotted(u.Path) {
		return nil, false
	}
	if u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" {
		u.Host = strings.TrimSuffix(strings.TrimSuffix(u.Host, ":80"), ":443")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, true
}

// dotted reports whether a path has segments that lead up.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
