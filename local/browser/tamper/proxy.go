// Package tamper stands between a page and a real gateway and does to their connection what networks and crashes do: frames
// are lost or late, connections are cut, new ones are refused, and the gateway behind them moves. Of the protocol it knows
// that a frame names its event.
package tamper

import (
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience is for how long anything is waited for.
const patience = 30 * time.Second

// Proxy passes HTTP and WebSockets on to a gateway. Everything that goes through one proxy is treated alike; pages that are
// to fare differently need one each.
type Proxy struct {
	t       testing.TB
	address string
	pass    *httputil.ReverseProxy // what is no WebSocket
	serving sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	gateway string
	refusal *refusal
	rules   []*Rule
	seen    map[kind]int
	changed chan struct{} // closed when seen changes
	relays  map[*relay]bool
}

type refusal struct {
	status int
	header http.Header
}

// Start starts a proxy to the gateway at an address, host:port. It ends with the test.
func Start(t testing.TB, gateway string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		t: t, address: listener.Addr().String(), gateway: gateway,
		seen: make(map[kind]int), changed: make(chan struct{}), relays: make(map[*relay]bool),
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	transport := &http.Transport{}
	p.pass = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: p.target()})
			r.Out.Host = r.In.Host // as the page knows the gateway
		},
		Transport:    transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { vanish(w) },
		ErrorLog:     quiet,
	}
	server := &http.Server{Handler: p, ErrorLog: quiet, ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		if err := server.Close(); err != nil {
			t.Errorf("close the proxy: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("proxy: %v", err)
		}
		p.Cut()
		p.serving.Wait()
		transport.CloseIdleConnections()
	})
	return p
}

// Address is host:port of the proxy.
func (p *Proxy) Address() string { return p.address }

// URL is the origin of pages that come through the proxy.
func (p *Proxy) URL() string { return "http://" + p.address }

// Forward passes everything new on to another gateway. What is connected stays where it is.
func (p *Proxy) Forward(gateway string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gateway = gateway
}

func (p *Proxy) target() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gateway
}

// Refuse answers whoever wants a WebSocket, and whoever fetches /ws to learn why there is none, with a status and headers,
// until Admit. What is connected stays so.
func (p *Proxy) Refuse(status int, header http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = &refusal{status, header}
}

// Admit ends Refuse.
func (p *Proxy) Admit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = nil
}

// Cut ends every WebSocket as if its cable had been cut, for both sides, and says how many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	all := maps.Clone(p.relays)
	p.mu.Unlock()
	for r := range all {
		r.cut()
	}
	return len(all)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	refusal := p.refusal
	if p.ended {
		p.mu.Unlock()
		vanish(w)
		return
	}
	p.serving.Add(1)
	p.mu.Unlock()
	defer p.serving.Done()

	switch socket := websocket.IsWebSocketUpgrade(r); {
	case refusal != nil && (socket || r.URL.Path == "/ws"):
		maps.Copy(w.Header(), refusal.header)
		http.Error(w, http.StatusText(refusal.status), refusal.status)
	case socket:
		p.relay(w, r)
	default:
		p.pass.ServeHTTP(w, r)
	}
}

// vanish ends a connection without an answer, as where no gateway listens.
func vanish(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		abort(conn)
	}
}

// abort closes a connection at once, whatever has still to be sent.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
