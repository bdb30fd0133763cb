package bus

import (
	"context"
	"net"

	"github.com/nats-io/nats.go"
)

// dialer makes the sockets of a connection, until its context ends.
type dialer struct {
	ctx       context.Context
	tcp       net.Dialer
	inProcess nats.InProcessConnProvider
}

// Dial implements [nats.CustomDialer].
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.tcp.DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newSocket(d.ctx, conn), nil
}

// InProcessConn implements [nats.InProcessConnProvider].
func (d *dialer) InProcessConn() (net.Conn, error) {
	conn, err := d.inProcess.InProcessConn()
	if err != nil {
		return nil, err
	}
	return newSocket(d.ctx, conn), nil
}

// socket is a net.Conn that closes itself when a write fails. nats.go drops what it had gathered for a write that failed,
// subscriptions among it, and goes on as if nothing had happened; a closed socket makes it reconnect, which sends every
// subscription again.
type socket struct {
	net.Conn
	unbind func() bool
}

func newSocket(ctx context.Context, conn net.Conn) *socket {
	return &socket{Conn: conn, unbind: context.AfterFunc(ctx, func() { conn.Close() })}
}

func (s *socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if err != nil {
		s.Close()
	}
	return n, err
}

func (s *socket) Close() error {
	s.unbind()
	return s.Conn.Close()
}
