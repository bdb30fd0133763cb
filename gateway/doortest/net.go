package doortest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"beckon/gateway/socket"
	"beckon/shared/embednats"
)

// link is a NATS server and the one way to it, which a test can cut.
type link struct {
	*embednats.Server

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// InProcessConn implements nats.InProcessConnProvider.
func (l *link) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.New("refused")
	}
	conn, err := l.Server.InProcessConn()
	l.conns = append(l.conns, conn)
	return conn, err
}

func (l *link) set(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = !up
	if up {
		return
	}
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// listen gives the listener that a setup asks for.
func listen(t testing.TB, s Setup) (listener net.Listener, address string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = tcp.Addr().String()
	if s.Narrow || s.Writing != nil {
		tcp = watching{tcp, s}
	}
	if s.Budget == (socket.Budget{}) {
		s.Budget = socket.Budget{Bytes: 1 << 30, Reads: 1 << 30}
	}
	return socket.Listen(tcp, s.Budget, 10_000), address
}

// watching makes each connection that it accepts a *[Conn].
type watching struct {
	net.Listener
	setup Setup
}

// Conn is the listener's end of a connection, where the setup asks for Narrow or Writing.
type Conn struct {
	*net.TCPConn
	Writes  atomic.Int32 // of one piece
	writing func([]byte)
}

// Accept implements net.Listener.
func (l watching) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &Conn{TCPConn: accepted.(*net.TCPConn), writing: l.setup.Writing}
	if l.setup.Narrow {
		err = conn.SetWriteBuffer(4 << 10)
	}
	return conn, err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.Writes.Add(1)
	if c.writing != nil {
		c.writing(p)
	}
	return c.TCPConn.Write(p)
}

func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
