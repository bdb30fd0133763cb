package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/shared/embednats"
)

// secured is a gateway that speaks TLS, and its clients.
type secured struct {
	*running
	cert, key string // paths
	trusted   *x509.CertPool
	logs      *logs
}

func startTLS(t *testing.T) *secured {
	t.Helper()
	nats := startNATS(t, embednats.Options{Listen: "127.0.0.1:0"})
	dir := t.TempDir()
	s := &secured{
		cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		trusted: x509.NewCertPool(), logs: newLogs(),
	}
	s.rotate(t, 1)
	s.running = start(t, func(c *Config) {
		c.NATS, c.TLSCert, c.TLSKey, c.Log = nats.ClientURL(), s.cert, s.key, slog.New(s.logs)
	})
	return s
}

// expiry is when the certificates of these tests end.
var expiry = time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)

// rotate puts another certificate in place, as its own authority, which clients trust.
func (s *secured) rotate(t *testing.T, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: expiry.Add(time.Duration(serial) * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.trusted.AppendCertsFromPEM(certPEM)
	for path, text := range map[string][]byte{
		s.cert: certPEM,
		s.key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// dialTLS gives a connection that has shaken hands, or says why it could not.
func (s *secured) dialTLS(cfg *tls.Config) (*tls.Conn, error) {
	s.t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.Listen, cfg)
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// serial is that of the certificate that new connections see.
func (s *secured) serial() int64 {
	s.t.Helper()
	conn, err := s.dialTLS(&tls.Config{RootCAs: s.trusted})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func (s *secured) loginTLS(user string) *websocket.Conn {
	s.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: &tls.Config{RootCAs: s.trusted}}
	ws, _, err := d.Dial("wss://"+s.Listen+"/ws?user="+user, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		s.t.Fatal(err)
	}
	s.hears(ws, "welcome")
	return ws
}

// Who is connected stays so when the certificate is renewed, and who comes sees the new one.
func TestTLSRotation(t *testing.T) {
	t.Parallel()
	s := startTLS(t)
	alice := s.loginTLS("alice")
	if s.serial() != 1 {
		t.Errorf("another's certificate")
	}
	s.logs.wait(t, slog.LevelInfo, "gateway listening url=wss://"+s.Listen+"/ws")
	metric := func(serial int64) {
		t.Helper()
		_, metrics := s.get("http://" + s.Ops + "/metrics")
		want := fmt.Sprintf("beckon_tls_certificate_expiry_timestamp_seconds %v\n", float64(expiry.Add(time.Duration(serial)*time.Hour).Unix()))
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q among the metrics", want)
		}
	}
	metric(1)

	s.rotate(t, 2)
	for deadline := time.Now().Add(patience); s.serial() != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not taken")
		}
	}
	metric(2)
	bob := s.loginTLS("bob")
	if got := s.outcome(alice, `{"event":"refuse","id":"1","data":{"to":"bob"}}`); got != "delivered" {
		t.Errorf("outcome %v", got)
	}
	if got := s.hears(bob, "refuse")["from"]; got != "alice" {
		t.Errorf("from %v", got)
	}
	s.stop()
	for _, ws := range []*websocket.Conn{alice, bob} {
		s.isClosed(ws, websocket.CloseServiceRestart)
	}
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()
	s := startTLS(t)
	conn, err := s.dialTLS(&tls.Config{RootCAs: s.trusted, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.ConnectionState(); got.NegotiatedProtocol != "http/1.1" || got.Version != tls.VersionTLS13 {
		t.Errorf("speaks %q over %s", got.NegotiatedProtocol, tls.VersionName(got.Version))
	}
	if _, err := s.dialTLS(&tls.Config{RootCAs: s.trusted, MaxVersion: tls.VersionTLS12}); err != nil {
		t.Error(err)
	}
	if _, err := s.dialTLS(&tls.Config{RootCAs: s.trusted, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("speaks TLS 1.1")
	}
	if _, err := s.dialTLS(&tls.Config{RootCAs: s.trusted, NextProtos: []string{"h2"}}); err == nil {
		t.Error("speaks HTTP/2")
	}

	// Who forgets the s of https is told.
	if status, text := s.get("http://" + s.Listen + "/ws"); status != 400 || !strings.Contains(text, "HTTPS") {
		t.Errorf("status %d: %s", status, text)
	}
}

// Handshakes that fail are no news.
func TestTLSHandshakeErrors(t *testing.T) {
	t.Parallel()
	s := startTLS(t)
	if _, err := s.dialTLS(&tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
		t.Fatal("trusts anybody")
	}
	s.logs.wait(t, slog.LevelDebug, "bad certificate")
	conn, err := net.Dial("tcp", s.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "\x16\x03\x01scan"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.logs.wait(t, slog.LevelDebug, conn.LocalAddr().String())
	s.stop()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if text := s.logs.above(slog.LevelInfo); text != "" {
		t.Errorf("logged:\n%s", text)
	}
}

// A pair that does not load is told at once, with its path, and nothing is left running.
func TestTLSCannotLoad(t *testing.T) {
	t.Parallel()
	cfg := defaults(t)
	cfg.Listen, cfg.Ops, cfg.Log = "127.0.0.1:0", "", discard
	cfg.Leaf = []string{"nats-leaf://127.0.0.1:1"}
	cfg.TLSCert, cfg.TLSKey = "/does/not/exist.pem", "/nor/does/this.pem"
	cfg.OnReady = func(Addresses) { t.Error("ready") }
	if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), cfg.TLSCert) {
		t.Errorf("error %v", err)
	}
}

// logs keeps what is logged.
type logs struct {
	mu    sync.Mutex
	lines map[slog.Level]*bytes.Buffer
	more  chan struct{} // has room for one; full: somebody will look
}

func newLogs() *logs {
	return &logs{lines: make(map[slog.Level]*bytes.Buffer), more: make(chan struct{}, 1)}
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines[r.Level] == nil {
		l.lines[r.Level] = &bytes.Buffer{}
	}
	text := l.lines[r.Level]
	fmt.Fprint(text, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprint(text, " ", a)
		return true
	})
	fmt.Fprintln(text)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

// wait waits for a line of this level that has this text.
func (l *logs) wait(t *testing.T, level slog.Level, text string) {
	t.Helper()
	limit := time.After(patience)
	for {
		l.mu.Lock()
		found := l.lines[level] != nil && strings.Contains(l.lines[level].String(), text)
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("nobody logs %q", text)
		}
	}
}

// above is what was logged above a level.
func (l *logs) above(least slog.Level) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all strings.Builder
	for level, text := range l.lines {
		if level > least {
			all.Write(text.Bytes())
		}
	}
	return all.String()
}
