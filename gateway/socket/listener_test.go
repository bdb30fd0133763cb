package socket

import (
	"errors"
	"net"
	"testing"
)

func TestPlaces(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5000":              "192.0.2.1",
		"192.0.2.2:5000":              "192.0.2.2",
		"[::ffff:192.0.2.1]:5000":     "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:5000": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::]:6000":  "2001:db8:1:2::/64",
		"[2001:db8:1:3::]:5000":       "2001:db8:1:3::/64",
		"[fe80::1%eth0]:5000":         "fe80::/64",
		"@":                           "@",
		"":                            "",
	} {
		if got := Place(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

// An address may have so many connections that are not established, and another address its own.
func TestHandshakesOfOneAddress(t *testing.T) {
	l := listen(t, generous, 2)
	first, _ := connect(t, l)
	second, _ := connect(t, l)

	accepted := make(chan *Conn)
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn.(*Conn)
		}
	}()
	refused := func() {
		t.Helper()
		if _, err := dial(t, l, "127.0.0.1").Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("one too many was not closed: %v", err)
		}
	}
	taken := func(from string) *Conn {
		t.Helper()
		dial(t, l, from)
		conn := <-accepted
		t.Cleanup(conn.Abort)
		return conn
	}
	refused()
	refused()
	if got := l.TurnedAway(); got != 2 {
		t.Errorf("%d turned away, want 2", got)
	}
	other := taken("127.0.0.2")

	first.Established()
	first.Established() // counts once
	third := taken("127.0.0.1")
	refused()
	if err := first.Close(); err != nil { // has given its place back before
		t.Error(err)
	}
	refused()
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	fourth := taken("127.0.0.1")
	refused()
	third.Abort()
	fifth := taken("127.0.0.1")
	refused()

	for _, c := range []*Conn{fourth, fifth, other} {
		c.Abort()
		c.Abort()
	}
	l.waiting.mu.Lock()
	left := len(l.waiting.taken)
	l.waiting.mu.Unlock()
	if left != 0 {
		t.Errorf("%d addresses are remembered", left)
	}
	l.Close()
	for range accepted {
		t.Error("a connection nobody made")
	}
}

func TestAcceptFails(t *testing.T) {
	l := listen(t, generous, 1)
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
}
