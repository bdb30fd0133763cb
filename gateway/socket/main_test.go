package socket

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 20 * time.Second

var generous = Budget{Bytes: 1 << 30, Reads: 1 << 30}

// counting is a listener whose connections count their writes.
type counting struct{ net.Listener }

type counted struct {
	*net.TCPConn
	writes atomic.Int32
}

func (l counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{TCPConn: conn.(*net.TCPConn)}, nil
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

func listen(t testing.TB, b Budget, perAddress int) *Listener {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(counting{tcp}, b, perAddress)
	t.Cleanup(func() { l.Close() })
	return l
}

// connect makes a connection: the gateway's end and the peer's.
func connect(t testing.TB, l *Listener) (*Conn, *net.TCPConn) {
	t.Helper()
	peer := dial(t, l, "127.0.0.1")
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.(*Conn).Abort)
	return conn.(*Conn), peer
}

func dial(t testing.TB, l *Listener, from string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func writes(c *Conn) int { return int(c.Conn.(*counted).writes.Load()) }

// returns waits for f.
func returns(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not return", what)
	}
}
