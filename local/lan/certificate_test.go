package lan

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const day = 24 * time.Hour

func addresses(all ...string) []netip.Addr {
	var parsed []netip.Addr
	for _, a := range all {
		parsed = append(parsed, netip.MustParseAddr(a))
	}
	return parsed
}

// certificate makes or finds one, and loads it as the gateway does.
func certificate(t *testing.T, dir, host string, all ...string) (path string, leaf *x509.Certificate) {
	t.Helper()
	path, err := Certificate(dir, host, addresses(all...))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		t.Fatal(err)
	}
	return path, pair.Leaf
}

func TestCertificate(t *testing.T) {
	path, leaf := certificate(t, filepath.Join(t.TempDir(), "a", "b"), "den", "192.168.1.7", "fd00::7")
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "den", "DEN", "192.168.1.7", "fd00::7"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: trusted}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"example.org", "192.168.1.8"} {
		if leaf.VerifyHostname(name) == nil {
			t.Errorf("good for %s", name)
		}
	}
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %T", leaf.PublicKey)
	}
	if lasts := leaf.NotAfter.Sub(leaf.NotBefore); lasts > 397*day || lasts < 396*day || time.Now().Before(leaf.NotBefore) {
		t.Errorf("from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	if leaf.IsCA || !leaf.BasicConstraintsValid || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("good for too much: CA %v, %v", leaf.IsCA, leaf.ExtKeyUsage)
	}
	private(t, path)
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder %v, %v", info.Mode(), err)
	}
}

func private(t *testing.T, path string) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("file %v, %v", info.Mode(), err)
	}
}

// A phone that has accepted a certificate sees the same one, until it has to be another.
func TestRenewal(t *testing.T) {
	for name, test := range map[string]struct {
		later     time.Duration
		host      string
		addresses []string
		damage    func(path string) error
		kept      bool
	}{
		"the same":              {kept: true},
		"another order":         {addresses: []string{"10.0.0.7", "192.168.1.7"}, kept: true},
		"an address less":       {addresses: []string{"10.0.0.7"}, kept: true},
		"another address":       {addresses: []string{"192.168.1.7", "10.0.0.8"}},
		"another name":          {host: "attic"},
		"a name of no use":      {host: "my computer", kept: true},
		"a year later":          {later: 389 * day, kept: true},
		"a week before it ends": {later: 390 * day},
		"long after":            {later: 1000 * day},
		"no file":               {damage: os.Remove},
		"an empty file":         {damage: func(path string) error { return os.Truncate(path, 0) }},
		"half a file":           {damage: func(path string) error { return os.Truncate(path, 600) }},
		"a file that others may read": {
			damage: func(path string) error { return os.Chmod(path, 0o644) },
			kept:   true, // and they may not any more
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				path, first := certificate(t, dir, "den", "192.168.1.7", "10.0.0.7")
				time.Sleep(test.later)
				if test.damage != nil {
					if err := test.damage(path); err != nil {
						t.Fatal(err)
					}
				}
				if test.host == "" {
					test.host = "den"
				}
				if test.addresses == nil {
					test.addresses = []string{"192.168.1.7", "10.0.0.7"}
				}
				again, second := certificate(t, dir, test.host, test.addresses...)
				if again != path || bytes.Equal(first.Raw, second.Raw) != test.kept {
					t.Errorf("another certificate: %v", test.kept)
				}
				if left := time.Until(second.NotAfter); left < 7*day {
					t.Errorf("ends in %v", left)
				}
				for _, a := range test.addresses {
					if err := second.VerifyHostname(a); err != nil {
						t.Error(err)
					}
				}
				if !test.kept && first.SerialNumber.Cmp(second.SerialNumber) == 0 {
					t.Error("the same serial number") // which browsers do not forgive
				}
				private(t, path)
				if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
					t.Errorf("files %v, %v", files, err)
				}
			})
		})
	}
}

// Some names of machines cannot stand in a certificate. It is made without.
func TestOddHostnames(t *testing.T) {
	for host, want := range map[string]bool{
		"": false, "den": true, "den.home.arpa": true, "my_pc": false, "größe": false, "-x": false, "a..b": false, "a.": false,
		"x\x00": false, strings.Repeat("x", 63): true, strings.Repeat("x", 64): false, strings.Repeat("x.", 127) + "x": false,
	} {
		if _, leaf := certificate(t, t.TempDir(), host); slices.Contains(leaf.DNSNames, host) != want {
			t.Errorf("%q: names %q", host, leaf.DNSNames)
		}
	}
}

func TestCannotKeep(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Certificate(filepath.Join(file, "dir"), "den", nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "lan.pem", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Certificate(dir, "den", nil); err == nil {
		t.Error("replaced a folder")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}
