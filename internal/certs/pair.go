package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Pair names the files of a certificate, with those that lead to the root after
// it, and of its private key, both PEM.
type Pair struct{ Cert, Key string }

// pair is a pair that has been read. Only one goroutine refreshes it.
type pair struct {
	Pair
	current atomic.Pointer[tls.Certificate]
	seen    [2]os.FileInfo // when read last, well or badly
}

// read takes what is in the files, or leaves everything as it was.
func (p *pair) read() error {
	// Looked at first: what is written while it is being read differs next time.
	seen, err := p.stat()
	if err != nil {
		return err
	}
	p.seen = seen
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.Cert, p.Key, err)
	}
	p.current.Store(&c)
	if time.Now().After(c.Leaf.NotAfter) {
		slog.Warn("the certificate has expired", "file", p.Cert, "expired", c.Leaf.NotAfter)
	}
	return nil
}

// refresh reads the files again if they have changed, or if asked to.
func (p *pair) refresh(asked bool) {
	if seen, err := p.stat(); !asked && (err != nil || p.sawAlready(seen)) {
		// Files that are missing for a moment are being replaced.
		return
	}
	if err := p.read(); err != nil {
		slog.Error("certificate not read again, the old one stays in use", "error", err)
		return
	}
	leaf := p.current.Load().Leaf
	slog.Info("certificate read again", "file", p.Cert, "names", leaf.DNSNames, "expires", leaf.NotAfter)
}

func (p *pair) stat() (infos [2]os.FileInfo, err error) {
	for i, name := range []string{p.Cert, p.Key} {
		if infos[i], err = os.Stat(name); err != nil {
			return infos, err
		}
	}
	return infos, nil
}

func (p *pair) sawAlready(now [2]os.FileInfo) bool {
	for i, then := range p.seen {
		if !os.SameFile(then, now[i]) || then.Size() != now[i].Size() || !then.ModTime().Equal(now[i].ModTime()) {
			return false
		}
	}
	return true
}
