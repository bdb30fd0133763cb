package socket

import (
	"context"
	"net"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Listener makes each connection that it accepts a *[Conn]. It closes at once those of an address that already has as many
// connections as it may have before they are established, so that slow handshakes from one place cannot take every file
// descriptor. With IPv6 one place is a network of 64 bits, because that is what one place gets.
type Listener struct {
	net.Listener
	budget     Budget
	waiting    *places // of connections that are not established
	turnedAway atomic.Uint64
}

// Listen wraps l. perAddress bounds an address's connections before they are established.
func Listen(l net.Listener, b Budget, perAddress int) *Listener {
	return &Listener{Listener: l, budget: b, waiting: newPlaces(perAddress)}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := conn.RemoteAddr().String()
		if !l.waiting.enter(from) {
			l.turnedAway.Add(1)
			_ = conn.Close()
			continue
		}
		c := &Conn{
			Conn:  conn,
			ended: make(chan struct{}),
			bytes: rate.NewLimiter(rate.Limit(l.budget.Bytes), 2*l.budget.Bytes),
			reads: rate.NewLimiter(rate.Limit(l.budget.Reads), 2*l.budget.Reads), listener: l, from: from,
		}
		c.counted.Store(true)
		return c, nil
	}
}

// TurnedAway counts the connections that were closed at once.
func (l *Listener) TurnedAway() uint64 { return l.turnedAway.Load() }

type contextKey struct{}

// Context is an http.Server's ConnContext: it lets handlers find the connection of a request with [FromContext].
func Context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, contextKey{}, Of(conn))
}

// FromContext is the connection of a request; nil if the server has not this package's Context.
func FromContext(ctx context.Context) *Conn {
	c, _ := ctx.Value(contextKey{}).(*Conn)
	return c
}
