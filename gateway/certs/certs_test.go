package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// year is the life of a certificate that nobody needs to be warned of.
const year = 365 * 24 * time.Hour

// issue makes a pair, in PEM.
func issue(t *testing.T, name string, life time.Duration) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * year), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// folder is one that holds a pair.
type folder struct {
	t         *testing.T
	cert, key string // paths
	logs      bytes.Buffer
}

func newFolder(t *testing.T, name string, life time.Duration) *folder {
	t.Helper()
	dir := t.TempDir()
	f := &folder{t: t, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	f.rotate(name, life)
	return f
}

func (f *folder) rotate(name string, life time.Duration) {
	f.t.Helper()
	cert, key := issue(f.t, name, life)
	write(f.t, f.cert, cert)
	write(f.t, f.key, key)
}

func (f *folder) load() *Pair {
	f.t.Helper()
	p, err := Load(f.cert, f.key, slog.New(slog.NewTextHandler(&f.logs, nil)))
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// logged counts the lines of a level.
func (f *folder) logged(level string) int { return strings.Count(f.logs.String(), "level="+level+" ") }

// shows checks what a client is shown.
func (f *folder) shows(p *Pair, name string) {
	f.t.Helper()
	if got := shown(f.t, p); got != name {
		f.t.Errorf("shows %s, want %s", got, name)
	}
}

func shown(t *testing.T, p *Pair) string {
	t.Helper()
	c, err := p.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.PrivateKey.(*ecdsa.PrivateKey).PublicKey.Equal(c.Leaf.PublicKey) {
		t.Error("the key is another's")
	}
	return c.Leaf.Subject.CommonName
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "first", year)
		p := f.load()
		f.shows(p, "first")
		if until := time.Until(p.Expiry()); until < year-time.Second || until > year {
			t.Errorf("expires in %v", until)
		}

		f.rotate("second", 2*year)
		time.Sleep(every - time.Millisecond)
		f.shows(p, "first") // not yet: nobody looks more often
		time.Sleep(time.Millisecond)
		f.shows(p, "second")
		if until := time.Until(p.Expiry()); until < 2*year-time.Minute {
			t.Errorf("expires in %v", until)
		}

		// Nothing changes: nothing is loaded.
		before := f.logs.Len()
		for range 3 {
			time.Sleep(every)
			f.shows(p, "second")
		}
		if f.logs.Len() != before || f.logged("INFO") != 2 {
			t.Errorf("logged:\n%s", &f.logs)
		}
	})
}

// While files are being written, or when they are wrong, clients are shown the pair before, and one line says why.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(f *folder){
		"a half-written certificate": func(f *folder) {
			cert, _ := issue(f.t, "second", year)
			write(f.t, f.cert, cert[:len(cert)/2])
		},
		"an empty certificate": func(f *folder) { write(f.t, f.cert, nil) },
		"a half-written key": func(f *folder) {
			_, key := issue(f.t, "second", year)
			write(f.t, f.key, key[:len(key)/2])
		},
		"a certificate whose key is not there yet": func(f *folder) {
			cert, _ := issue(f.t, "second", year)
			write(f.t, f.cert, cert)
		},
		"a key whose certificate is not there yet": func(f *folder) {
			_, key := issue(f.t, "second", year)
			write(f.t, f.key, key)
		},
		"a missing file": func(f *folder) {
			if err := os.Remove(f.key); err != nil {
				f.t.Fatal(err)
			}
		},
		"a folder": func(f *folder) {
			if err := os.Remove(f.cert); err != nil {
				f.t.Fatal(err)
			}
			if err := os.Mkdir(f.cert, 0o700); err != nil {
				f.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder(t, "first", year)
				p := f.load()
				damage(f)
				for range 5 {
					time.Sleep(every)
					f.shows(p, "first")
				}
				if f.logged("ERROR") != 1 || !strings.Contains(f.logs.String(), filepath.Dir(f.cert)) {
					t.Errorf("want one error, which names a file:\n%s", &f.logs)
				}

				if err := os.RemoveAll(f.cert); err != nil {
					t.Fatal(err)
				}
				f.rotate("second", year)
				time.Sleep(every)
				f.shows(p, "second")

				// It is told again when it happens again.
				write(t, f.key, nil)
				time.Sleep(every)
				f.shows(p, "second")
				if f.logged("ERROR") != 2 {
					t.Errorf("want another error:\n%s", &f.logs)
				}
			})
		})
	}
}

// A pair that did not load is tried again also when nothing seems to have changed.
func TestMendedUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "first", year)
		p := f.load()
		cert, key := issue(t, "second", year)
		write(t, f.cert, cert)
		bad := bytes.Repeat([]byte("x"), len(key)) // of the same size, and soon of the same time
		then := time.Now().Add(-time.Hour)
		for _, text := range [][]byte{bad, key} {
			write(t, f.key, text)
			if err := os.Chtimes(f.key, then, then); err != nil {
				t.Fatal(err)
			}
			time.Sleep(every)
			f.shows(p, map[bool]string{true: "second", false: "first"}[bytes.Equal(text, key)])
			if f.logged("ERROR") != 1 {
				t.Errorf("logged:\n%s", &f.logs)
			}
		}
	})
}

// Kubernetes mounts a secret as links to files in a folder that is itself a link, and changes only the latter, by renaming.
func TestSymlinkSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mount := t.TempDir()
		then := time.Now().Add(-time.Hour)
		version := func(dir, name string) {
			if err := os.Mkdir(filepath.Join(mount, dir), 0o700); err != nil {
				t.Fatal(err)
			}
			cert, key := issue(t, name, year)
			for file, text := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
				path := filepath.Join(mount, dir, file)
				write(t, path, text)
				if err := os.Chtimes(path, then, then); err != nil { // nothing but the files' identity tells
					t.Fatal(err)
				}
			}
		}
		link := func(to, name string) {
			if err := os.Symlink(to, filepath.Join(mount, name)); err != nil {
				t.Fatal(err)
			}
		}
		version("..1", "first")
		link("..1", "..data")
		link("..data/tls.crt", "tls.crt")
		link("..data/tls.key", "tls.key")
		f := &folder{t: t, cert: filepath.Join(mount, "tls.crt"), key: filepath.Join(mount, "tls.key")}
		p := f.load()
		f.shows(p, "first")

		version("..2", "other")
		link("..2", "..data_tmp")
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(every)
		f.shows(p, "other")
		if f.logged("ERROR") != 0 {
			t.Errorf("logged:\n%s", &f.logs)
		}
	})
}

// One file may hold both.
func TestOneFile(t *testing.T) {
	f := newFolder(t, "first", year)
	cert, key := issue(t, "both", year)
	write(t, f.cert, append(key, cert...))
	f.key = f.cert
	f.shows(f.load(), "both")
}

// Handshakes do not wait for the one among them that looks at the files, and always get a pair that is one.
func TestConcurrentHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "0", year)
		p := f.load()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 20 {
					shown(t, p)
					time.Sleep(every / 5)
				}
			})
		}
		for _, name := range []string{"1", "2", "3"} {
			time.Sleep(every)
			f.rotate(name, year)
		}
		wg.Wait()
		time.Sleep(every)
		f.shows(p, "3")
	})
}

func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		life time.Duration
		want string
	}{
		{-year, "level=WARN msg=\"the TLS certificate has expired\""},
		{-time.Second, "level=WARN msg=\"the TLS certificate has expired\""},
		{time.Hour, "level=WARN msg=\"the TLS certificate expires soon\""},
		{soon - time.Minute, "level=WARN msg=\"the TLS certificate expires soon\""},
		{soon + time.Minute, "level=INFO msg=\"TLS certificate loaded\""},
	} {
		f := newFolder(t, "x", test.life)
		f.load()
		if !strings.Contains(f.logs.String(), test.want) {
			t.Errorf("%v: %s", test.life, &f.logs)
		}
	}
}

func TestLoadFails(t *testing.T) {
	f := newFolder(t, "x", year)
	other := newFolder(t, "y", year)
	dir := filepath.Dir(f.cert)
	missing := filepath.Join(dir, "missing.pem")
	for name, test := range map[string]struct {
		cert, key string
		want      []string
	}{
		"no certificate":  {missing, f.key, []string{missing, "no such file"}},
		"no key":          {f.cert, missing, []string{missing, "no such file"}},
		"another's key":   {f.cert, other.key, []string{f.cert, other.key, "does not match"}},
		"switched":        {f.key, f.cert, []string{f.key, f.cert, "switched"}},
		"a folder":        {dir, f.key, []string{dir, "not a regular file"}},
		"what never ends": {f.cert, "/dev/zero", []string{"/dev/zero", "not a regular file"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(test.cert, test.key, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("loaded")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}
