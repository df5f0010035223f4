package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rollcall/internal/certs"
	"rollcall/internal/config"
	"rollcall/internal/httpd"
	"rollcall/internal/store"
)

const (
	maxHTTPConns   = 8192            // of one listener
	lookForChanges = 5 * time.Second // of certificate files
)

// newCerts returns the certificates of all TLS listeners; nil if there are none.
func newCerts(cfg *config.HTTP, st store.Certificates) (*certs.Store, error) {
	if !cfg.TLS() {
		return nil, nil
	}
	var c certs.Config
	for i, file := range cfg.TLSCert {
		c.Pairs = append(c.Pairs, certs.Pair{Cert: file, Key: cfg.TLSKey[i]})
	}
	if len(cfg.ACMEDomain) > 0 {
		c.ACME = &certs.ACME{Domains: cfg.ACMEDomain, Email: cfg.ACMEEmail, Directory: cfg.ACMEDirectory, Store: st}
	}
	found, err := certs.New(c)
	if err != nil {
		return nil, usageError{err}
	}
	return found, nil
}

// watchCerts takes up certificates that change, also when told to by SIGHUP.
func (n *node) watchCerts(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	n.certs.Watch(ctx, lookForChanges, hangup)
}

// newXCAPServer puts everything in front of the handler that clients on the open
// Internet call for.
func (n *node) newXCAPServer(handler http.Handler, trust []netip.Prefix) *httpd.Server {
	c := httpd.Config{Handler: handler, Trust: trust, Roots: n.cfg.XCAPRoot, Origins: n.cfg.CORSOrigin}
	if level, ok := accessLevels[n.cfg.AccessLog]; ok {
		c.AccessLog = level
	}
	if n.certs != nil {
		c.TLS = n.certs.TLSConfig(httpd.Protocols()...)
		c.Challenges = n.certs.HTTPHandler
	}
	return httpd.New(c)
}

var accessLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo}

// listenXCAP opens the sockets of XCAP.
func (n *node) listenXCAP(ctx context.Context) error {
	trust, _ := n.cfg.TrustedPrefixes() // checked by Normalize
	// As on SIP connections, this machine itself is no stranger.
	exempt := append(trust[:len(trust):len(trust)], netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	bounds := httpd.Bounds{Total: maxHTTPConns, PerAddress: n.cfg.MaxAddressConnections, Exempt: exempt}
	var err error
	if n.xcapSocket, err = listenHTTP(ctx, "XCAP", n.cfg.HTTPListen, bounds); err != nil || n.cfg.HTTPSListen == "" {
		return err
	}
	n.httpsSocket, err = listenHTTP(ctx, "XCAP over HTTPS", n.cfg.HTTPSListen, bounds)
	return err
}

func listenHTTP(ctx context.Context, what, addr string, bounds httpd.Bounds) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, cannotListen(what, addr, err)
	}
	return httpd.Bound(l, bounds), nil
}

// serveXCAP serves on the sockets of XCAP.
func (n *node) serveXCAP() {
	n.serveHTTP(n.xcap.Serve, n.xcapSocket)
	if n.httpsSocket != nil {
		n.serveHTTP(n.xcap.ServeTLS, n.httpsSocket)
	}
}

func (n *node) serveHTTP(serve func(net.Listener) error, l net.Listener) {
	n.wg.Go(func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.failed <- fmt.Errorf("listener %s: %w", l.Addr(), err)
		}
	})
}

// closeSockets closes those that were opened but never served.
func (n *node) closeSockets() {
	for _, l := range []net.Listener{n.xcapSocket, n.httpsSocket, n.adminSocket} {
		if l != nil {
			l.Close()
		}
	}
}

// xcapURLs returns the first XCAP root on each of its listeners.
func (n *node) xcapURLs() []string {
	urls := []string{n.xcapURL()}
	if n.httpsSocket != nil {
		urls = append(urls, n.rootURL("https", n.httpsSocket))
	}
	return urls
}

func (n *node) xcapURL() string { return n.rootURL("http", n.xcapSocket) }

func (n *node) rootURL(scheme string, l net.Listener) string {
	bound := l.Addr().String()
	if a, err := netip.ParseAddrPort(bound); err == nil {
		bound = n.reachable(a)
	}
	return scheme + "://" + bound + n.cfg.XCAPRoot[0]
}

func (n *node) adminAddr() string { return n.adminSocket.Addr().String() }

// newAdminServer returns a server with deadlines that leave time for profiles.
func newAdminServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
