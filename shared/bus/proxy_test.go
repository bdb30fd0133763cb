package bus

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between a connection and its server and can stop passing bytes on, in both directions, as a network does
// that lost its way: connections stay open, and new ones are taken.
type proxy struct {
	address string
	server  string
	// accepted gets one for every connection taken; it drops what no test waits for.
	accepted chan struct{}

	mu     sync.Mutex
	open   chan struct{} // closed while bytes pass
	conns  []net.Conn
	copies sync.WaitGroup
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), server: server, accepted: make(chan struct{}, 1), open: make(chan struct{})}
	close(p.open)
	var accepts sync.WaitGroup
	accepts.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case p.accepted <- struct{}{}:
			default:
			}
			p.serve(conn)
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepts.Wait()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.thaw()
		p.copies.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	p.copies.Go(func() { p.pass(client, server) })
	p.copies.Go(func() { p.pass(server, client) })
}

func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		<-p.gate()
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

func (p *proxy) awaitConn(t *testing.T) {
	t.Helper()
	select {
	case <-p.accepted:
	case <-time.After(patience):
		t.Fatal("no connection came")
	}
}

func (p *proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}
