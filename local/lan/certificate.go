package lan

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const (
	// life is how long a certificate lasts: browsers take none that lasts longer than 398 days.
	life = 397 * 24 * time.Hour
	// renewal is how long before its end another is made.
	renewal = 7 * 24 * time.Hour
	// backdate is for phones whose clock is slow.
	backdate = time.Hour
)

// loopback is where this machine reaches itself.
var loopback = []string{"localhost", "127.0.0.1", "::1"}

// hostname is a name that may stand in a certificate; some machines have others.
var hostname = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Certificate gives the path of a PEM file that has a certificate and its key, for this machine at the addresses, by the
// name host, and on loopback. The certificate is its own authority: whoever connects has to be told once that it is good.
// So it is kept in the folder dir, and made anew only when it is about to expire or was made for other addresses.
func Certificate(dir, host string, addresses []netip.Addr) (path string, err error) {
	names := append([]string(nil), loopback...)
	if len(host) <= 253 && hostname.MatchString(host) {
		names = append(names, host)
	}
	for _, a := range addresses {
		names = append(names, a.String())
	}
	path = filepath.Join(dir, "lan.pem")
	if good(path, names) {
		return path, nil
	}
	text, err := issue(names)
	if err != nil {
		return "", fmt.Errorf("make a certificate: %w", err)
	}
	if err := keep(path, text); err != nil {
		return "", fmt.Errorf("keep a certificate: %w", err)
	}
	return path, nil
}

// good reports whether the file has a certificate for all the names that may be used, by nobody but this user.
func good(path string, names []string) bool {
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		return false // it is not there, or no use
	}
	now := time.Now()
	if now.Before(pair.Leaf.NotBefore) || now.Add(renewal).After(pair.Leaf.NotAfter) {
		return false
	}
	for _, name := range names {
		if pair.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return os.Chmod(path, 0o600) == nil
}

// issue makes a certificate, and writes it and its key as PEM.
func issue(names []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	begin := time.Now().Add(-backdate)
	template := &x509.Certificate{ // which gets a serial number at random: browsers remember those
		Subject:               pkix.Name{CommonName: "Beckon on this network"},
		NotBefore:             begin,
		NotAfter:              begin.Add(life - time.Second), // which counts
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // and no authority for any other
	}
	for _, name := range names {
		if a, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, a.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := pem.Encode(&text, block); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// keep writes a file that only this user may read, whole or not at all.
func keep(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".lan-*.pem") // readable by this user alone
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
