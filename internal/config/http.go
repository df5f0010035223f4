package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// HTTP says how XCAP is served.
type HTTP struct {
	HTTPSListen   string   `name:"https-listen" env:"ROLLCALL_HTTPS_LISTEN" placeholder:"HOST:PORT" help:"XCAP over HTTPS; needs tls-cert or acme-domain."`
	TLSCert       []string `name:"tls-cert" env:"ROLLCALL_TLS_CERT" placeholder:"FILE" help:"Certificate and those that lead to its root, PEM; repeat for more, chosen by the name that clients ask for. Read again when it changes."`
	TLSKey        []string `name:"tls-key" env:"ROLLCALL_TLS_KEY" placeholder:"FILE" help:"Private key of the certificate, PEM; as many as certificates, in the same order."`
	ACMEDomain    []string `name:"acme-domain" env:"ROLLCALL_ACME_DOMAIN" placeholder:"DOMAIN" help:"Name to get a certificate for over ACME, on the terms of that authority; repeat for more."`
	ACMEEmail     string   `name:"acme-email" env:"ROLLCALL_ACME_EMAIL" placeholder:"ADDRESS" help:"Where the ACME authority sends warnings."`
	ACMEDirectory string   `name:"acme-directory" env:"ROLLCALL_ACME_DIRECTORY" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"ACME authority."`

	BasicAuth             bool     `name:"basic-auth" env:"ROLLCALL_BASIC_AUTH" help:"Offer HTTP Basic after digest to clients that come over TLS."`
	CORSOrigin            []string `name:"cors-origin" env:"ROLLCALL_CORS_ORIGIN" placeholder:"ORIGIN" help:"Origin of web pages that may use XCAP, e.g. https://mail.example.org; * for all, without the credentials that browsers keep. Repeat for more."`
	EventsPath            string   `name:"events-path" env:"ROLLCALL_EVENTS_PATH" default:"/events" placeholder:"PATH" help:"Path of the stream of server-sent events on the HTTP and HTTPS listeners; - for none."`
	MaxAddressConnections int      `name:"max-address-connections" env:"ROLLCALL_MAX_ADDRESS_CONNECTIONS" default:"1000" help:"Connections from one address, over HTTP and over SIP each; the networks under trust have no such limit over HTTP."`
	AccessLog             string   `name:"access-log" env:"ROLLCALL_ACCESS_LOG" default:"info" enum:"off,debug,info" help:"Level of the log line per HTTP request: off, debug or info."`
}

// TLS reports whether there are certificates.
func (h *HTTP) TLS() bool { return len(h.TLSCert)+len(h.ACMEDomain) > 0 }

// Normalize brings names to lower case and reports the first setting that makes
// no sense.
func (h *HTTP) Normalize() error {
	if len(h.TLSCert) != len(h.TLSKey) {
		return fmt.Errorf("tls-key: %d keys for %d certificates", len(h.TLSKey), len(h.TLSCert))
	}
	if h.HTTPSListen != "" {
		if err := checkListen("https-listen", h.HTTPSListen); err != nil {
			return err
		}
		if !h.TLS() {
			return errors.New("https-listen: needs tls-cert or acme-domain")
		}
	}
	for i, d := range h.ACMEDomain {
		d = strings.ToLower(strings.TrimSpace(d))
		if !validHost(d) || !strings.Contains(d, ".") {
			return fmt.Errorf("acme-domain: %q is not a public domain name", d)
		}
		h.ACMEDomain[i] = d
	}
	if u, err := url.Parse(h.ACMEDirectory); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("acme-directory: %q is not a URL", h.ACMEDirectory)
	}
	for i, o := range h.CORSOrigin {
		o = strings.ToLower(strings.TrimSpace(o))
		if o != "*" && !validOrigin(o) {
			return fmt.Errorf("cors-origin: %q is not an origin like https://mail.example.org", o)
		}
		h.CORSOrigin[i] = o
	}
	if h.MaxAddressConnections <= 0 {
		return errors.New("max-address-connections: must be more than 0")
	}
	return nil
}

// validOrigin reports whether o is a tuple origin (RFC 6454 §6.2).
func validOrigin(o string) bool {
	u, err := url.Parse(o)
	return err == nil && slices.Contains([]string{"http", "https"}, u.Scheme) && u.Host != "" && o == u.Scheme+"://"+u.Host
}

// ownPath brings the path of something other than documents to its form, empty
// for "-". It must not be one that is taken.
func ownPath(setting, path string, taken []string) (string, error) {
	if path == "-" || path == "" {
		return "", nil
	}
	path = "/" + strings.Trim(path, "/")
	if path == "/" || strings.ContainsAny(path, "?#%~ \t\"<>") || slices.Contains(taken, path) {
		return "", fmt.Errorf("%s: %q is not a plain path of its own", setting, path)
	}
	return path, nil
}
