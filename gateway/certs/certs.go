// Package certs keeps the certificate that clients are shown, and follows the files that it comes from: whoever renews a
// certificate writes files and need not tell the gateway.
package certs

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// every is how often the files are looked at, if there are handshakes.
	every = time.Second
	// soon is how long before its end a certificate is worth a warning when it is loaded.
	soon = 7 * 24 * time.Hour
)

// Pair is a certificate with its chain and its key, from two files in PEM, or from one that has both.
type Pair struct {
	cert, key string // paths
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate] // never nil

	checking sync.Mutex // held by the handshake that looks at the files; others do not wait for it
	checked  time.Time  // when one last did
	seen     state      // what was found then
	failed   string     // why that did not load; empty if it did
}

// state is what can be known of both files without reading them. It follows symbolic links: Kubernetes changes files by
// changing where a link to their folder points.
type state [2]fs.FileInfo // nil for a file that is not there

// Load loads the pair from the files cert and key.
func Load(cert, key string, log *slog.Logger) (*Pair, error) {
	p := &Pair{cert: cert, key: key, log: log.With("component", "certs"), checked: time.Now()}
	p.seen = p.look()
	if err := p.load(p.seen); err != nil {
		return nil, err
	}
	return p, nil
}

// GetCertificate is for [tls.Config]. It gives the pair that the files hold, or held before they were damaged: a change is
// found within a second, by the first handshake then.
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if p.checking.TryLock() {
		p.check()
		p.checking.Unlock()
	}
	return p.current.Load(), nil
}

// Expiry is when the certificate that clients are shown ends.
func (p *Pair) Expiry() time.Time { return p.current.Load().Leaf.NotAfter }

// check loads the files if they have changed. What does not load is tried again each time, because what mends it may not
// show: a key that was not permitted to be read, for instance. It is told once, until there is something new to tell.
func (p *Pair) check() {
	if time.Since(p.checked) < every {
		return
	}
	p.checked = time.Now()
	found := p.look() // before they are read, so that what is written meanwhile is a change for the next time
	changed := !found.equal(p.seen)
	if !changed && p.failed == "" {
		return
	}
	p.seen = found
	err := p.load(found)
	if err == nil {
		p.failed = ""
		return
	}
	if changed || p.failed != err.Error() {
		p.failed = err.Error()
		p.log.Error("the TLS certificate has changed and does not load; the one before stays", "err", err)
	}
}

func (p *Pair) look() state {
	var s state
	for i, path := range []string{p.cert, p.key} {
		if info, err := os.Stat(path); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s state) equal(other state) bool {
	for i, a := range s {
		b := other[i]
		if a == nil || b == nil {
			if a != b {
				return false
			}
			continue
		}
		if !os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime()) {
			return false
		}
	}
	return true
}

// load makes what the files hold the current pair. The error says which file is wrong, as far as one can know.
func (p *Pair) load(found state) error {
	for i, path := range []string{p.cert, p.key} {
		if found[i] != nil && !found[i].Mode().IsRegular() {
			return fmt.Errorf("load the TLS certificate: %s is not a regular file", path) // reading a pipe could take for ever
		}
	}
	certPEM, err := os.ReadFile(p.cert)
	if err != nil {
		return fmt.Errorf("load the TLS certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(p.key)
	if err != nil {
		return fmt.Errorf("load the key of the TLS certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("load the TLS certificate %s with the key %s: %w", p.cert, p.key, err)
	}
	p.current.Store(&pair)
	p.tell(pair.Leaf.NotAfter)
	return nil
}

func (p *Pair) tell(expiry time.Time) {
	switch left := time.Until(expiry); {
	case left <= 0:
		p.log.Warn("the TLS certificate has expired", "cert", p.cert, "expired", expiry)
	case left < soon:
		p.log.Warn("the TLS certificate expires soon", "cert", p.cert, "expires", expiry)
	default:
		p.log.Info("TLS certificate loaded", "cert", p.cert, "expires", expiry)
	}
}
