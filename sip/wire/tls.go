package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// errIdentity: a valid certificate of somebody else.
var errIdentity = errors.New("certificate does not name the domain")

// withTLSDefaults completes the configuration of listeners.
func withTLSDefaults(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		return nil
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if cfg.ClientAuth == tls.VerifyClientCertIfGiven {
		// The library wants a certificate made for clients. SIP servers show the one
		// that they have, whoever connects (RFC 5923 §8.1).
		roots := cfg.ClientCAs
		cfg.ClientAuth = tls.RequestClientCert
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return nil
			}
			return verifyChain(state.PeerCertificates, x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		}
	}
	return cfg
}

// serveTLS shakes hands, off the accept loop and within a deadline, and serves.
func (c *tcpConn) serveTLS(raw net.Conn, conn *tls.Conn) {
	err := c.handshake(conn)
	c.e.leave(c.flow.remote.Addr())
	if err != nil {
		slog.Debug("TLS handshake failed", "peer", c.flow.remote, "error", err)
		raw.Close()
		c.close()
		return
	}
	state, cfg := conn.ConnectionState(), c.e.cfg.TLS
	// What was shown unasked, or not verified, proves nothing.
	if len(state.PeerCertificates) > 0 && (len(state.VerifiedChains) > 0 || cfg.ClientAuth == tls.RequestClientCert && cfg.VerifyConnection != nil) {
		ids := identities(state.PeerCertificates[0])
		c.flow.verified.Store(&ids)
	}
	if c.opened(stream{conn}) {
		c.serve(conn)
	}
}

// dialTLS is serveTLS for a connection that we opened.
func (c *tcpConn) dialTLS(raw net.Conn) {
	conn := tls.Client(raw, c.e.clientTLS(c.target))
	if err := c.handshake(conn); err != nil {
		slog.Warn("TLS connection not opened", "peer", c.flow.remote, "name", c.target.name, "error", err)
		raw.Close()
		c.close()
		return
	}
	ids := identities(conn.ConnectionState().PeerCertificates[0])
	c.flow.verified.Store(&ids)
	if c.opened(stream{conn}) {
		c.serve(conn)
	}
}

func (c *tcpConn) handshake(conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(c.e.ctx, openTimeout)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// clientTLS returns the configuration for a connection to target. The library
// checks host names as the web does; SIP has its own rules, RFC 5922 §7.
func (e *Endpoint) clientTLS(target dialKey) *tls.Config {
	cfg := &tls.Config{}
	if e.cfg.DialTLS != nil {
		cfg = e.cfg.DialTLS.Clone()
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.ServerName = target.name
	roots := cfg.RootCAs
	cfg.InsecureSkipVerify = true // VerifyConnection does it all
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		return verifyPeer(state.PeerCertificates, roots, target.name)
	}
	return cfg
}

// verifyPeer checks the chain and that the certificate names the domain we look
// for: RFC 5922 §7.2 and §7.3.
func verifyPeer(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	if err := verifyChain(chain, x509.VerifyOptions{Roots: roots}); err != nil {
		return fmt.Errorf("certificate of %s: %w", name, err)
	}
	for _, id := range identities(chain[0]) {
		if strings.EqualFold(strings.TrimPrefix(id, "sip:"), name) {
			return nil
		}
	}
	for _, ip := range chain[0].IPAddresses {
		if ip.String() == name {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", errIdentity, name)
}

// verifyChain verifies the first certificate, with the help of the others.
func verifyChain(chain []*x509.Certificate, opts x509.VerifyOptions) error {
	opts.Intermediates, opts.CurrentTime = x509.NewCertPool(), time.Now()
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(opts)
	return err
}

// identities returns the SIP domain identities of a certificate, RFC 5922 §7.1:
// URIs "sip:domain" without a user if there are any, else DNS names; the common
// name only without subjectAltName. Wildcards name nobody.
func identities(c *x509.Certificate) []string {
	var out []string
	for _, u := range c.URIs {
		if host, ok := sipDomain(u); ok {
			out = append(out, "sip:"+host)
		}
	}
	if len(out) > 0 {
		return out
	}
	names := c.DNSNames
	if len(c.URIs)+len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses) == 0 {
		names = []string{c.Subject.CommonName}
	}
	for _, name := range names {
		if name != "" && !strings.Contains(name, "*") {
			out = append(out, strings.ToLower(strings.TrimSuffix(name, ".")))
		}
	}
	return out
}

// sipDomain returns the domain of "sip:domain"; with a user it names that user.
func sipDomain(u *url.URL) (host string, ok bool) {
	if u.Scheme != "sip" || u.Opaque == "" || strings.ContainsAny(u.Opaque, "@;?*") {
		return "", false
	}
	return strings.ToLower(u.Opaque), true
}
