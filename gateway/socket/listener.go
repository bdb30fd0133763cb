package socket

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Listener makes each connection that it accepts a *[Conn]. It closes at once those of an address that already has as many
// connections as it may have before they are established, so that slow handshakes from one place cannot take every file
// descriptor. With IPv6 one place is a network of 64 bits, because that is what one place gets.
type Listener struct {
	net.Listener
	budget     Budget
	perAddress int
	turnedAway atomic.Uint64

	mu      sync.Mutex
	waiting map[string]int // connections that are not established, by place
}

// Listen wraps l. perAddress bounds an address's connections before they are established.
func Listen(l net.Listener, b Budget, perAddress int) *Listener {
	return &Listener{Listener: l, budget: b, perAddress: perAddress, waiting: make(map[string]int)}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := place(conn.RemoteAddr().String())
		if !l.admit(from) {
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

// place is what counts as one address.
func place(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote // no TCP
	}
	addr := from.Addr().Unmap()
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64) // fails for lengths that an address does not have
		return network.String()
	}
	return addr.String()
}

func (l *Listener) admit(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[from] >= l.perAddress {
		return false
	}
	l.waiting[from]++
	return true
}

func (l *Listener) enter(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[from]++
}

func (l *Listener) leave(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[from]--; l.waiting[from] == 0 {
		delete(l.waiting, from)
	}
}

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
