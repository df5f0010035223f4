package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"

	"rollcall/internal/hop"
	"rollcall/sip/wire"
)

// newEndpoint makes the SIP transport.
func (n *node) newEndpoint() (*wire.Endpoint, error) {
	cfg := n.cfg
	proxies, _ := cfg.ProxyPrefixes() // checked by Normalize
	c := wire.Config{
		Handler: &n.gate, Metrics: n.metrics, Wheel: n.wheel, Advertise: cfg.Advertise,
		Proxies: proxies, Origins: cfg.WSOrigin, MaxConnsPerAddr: cfg.MaxAddressConnections, DialTLS: &tls.Config{},
	}
	var err error
	if c.DialTLS.RootCAs, err = authorities("tls-root-ca", cfg.TLSRootCA); err != nil {
		return nil, err
	}
	if n.certs == nil {
		return wire.New(c), nil
	}
	c.TLS = n.certs.TLSConfig()
	if c.TLS.ClientCAs, err = authorities("tls-client-ca", cfg.TLSClientCA); err != nil {
		return nil, err
	}
	if c.TLS.ClientCAs != nil {
		c.TLS.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// RFC 5923 §8.1: servers show each other the same certificates, whoever connects.
	own := c.TLS.GetCertificate
	c.DialTLS.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := own(&tls.ClientHelloInfo{ServerName: cfg.Domain[0], SignatureSchemes: asked.SignatureSchemes,
			SupportedVersions: []uint16{asked.Version}})
		if err != nil {
			return &tls.Certificate{}, nil // none: whether that will do is the peer's to say
		}
		return cert, nil
	}
	return wire.New(c), nil
}

// authorities reads certificates; nil without a file.
func authorities(setting, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", setting, err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, usageError{fmt.Errorf("%s: no certificate in %s", setting, file)}
	}
	return pool, nil
}

// listenSIPS opens the TLS listeners of SIP.
func (n *node) listenSIPS(ctx context.Context) error {
	for _, addr := range n.cfg.SIPSListen {
		bound, err := n.endpoint.Listen(ctx, "tls", addr)
		if err != nil {
			return cannotListen("SIP over TLS", addr, err)
		}
		n.sipsAddrs = append(n.sipsAddrs, bound)
	}
	return nil
}

// withWebSocket takes SIP over WebSocket at its path; all else is next's.
func (n *node) withWebSocket(next http.Handler, trust hop.Trust) http.Handler {
	if n.cfg.WSPath == "" {
		return next
	}
	upgrade := n.endpoint.WebSocket()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != n.cfg.WSPath {
			next.ServeHTTP(w, r)
			return
		}
		if trust.Contains(hop.Peer(r)) {
			// Whoever comes through a front end must not be taken for the front end, whose
			// word is believed.
			client, peer := trust.Client(r), hop.Peer(r)
			if client == peer {
				http.Error(w, "the front end does not say for whom", http.StatusForbidden)
				return
			}
			from, _ := netip.ParseAddrPort(r.RemoteAddr)
			r.RemoteAddr = netip.AddrPortFrom(client, from.Port()).String()
		}
		upgrade.ServeHTTP(w, r)
	})
}
