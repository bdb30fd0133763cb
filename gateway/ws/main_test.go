package ws

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the deadline of whatever happens at once on an idle machine, and of what takes the door five seconds.
const patience = 30 * time.Second

var discard = slog.New(slog.DiscardHandler)

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

// setup is what a test may want otherwise.
type setup struct {
	options     func(*Options)
	door        func(*Door) // before anybody connects
	listUsers   int         // 0: many
	maxSessions int
	budget      socket.Budget
	tls         bool
	narrow      bool // the kernel keeps little of what clients do not read
}

// narrow is a listener for that. Its connections count their writes.
type narrow struct{ net.Listener }

type narrowConn struct {
	*net.TCPConn
	writes atomic.Int32
}

func (l narrow) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	return &narrowConn{TCPConn: tcp}, tcp.SetWriteBuffer(4 << 10)
}

func (c *narrowConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

// fixture is a door with all that is behind it, on a real socket.
type fixture struct {
	t       testing.TB
	door    *Door
	hub     *session.Hub
	conn    *bus.Conn
	link    *link
	metrics *prometheus.Registry
	address string
	changes chan bool // of the link to NATS
}

func start(t testing.TB, s setup) *fixture {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	end := func(what string, f func(context.Context) error) {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := f(ctx); err != nil {
				t.Errorf("end %s: %v", what, err)
			}
		})
	}
	const name = "gw-test"
	incarnation := wire.NewID()
	server, err := embednats.Start(t.Context(), embednats.Options{Name: "test", Log: discard})
	must(err)
	end("NATS", server.Shutdown)
	f := &fixture{
		t: t, link: &link{Server: server}, metrics: prometheus.NewPedanticRegistry(),
		changes: make(chan bool, 100), // more than any test makes
	}
	f.conn, err = bus.Connect(bus.Options{InProcess: f.link, Name: "test", Log: discard})
	must(err)
	end("connection", f.conn.Close)
	f.conn.Watch(func(up bool) { f.changes <- up })
	<-f.changes
	announcer, err := bus.NewAnnouncer(f.conn, name, incarnation, discard)
	must(err)
	end("announcer", announcer.Close)
	lists, err := roster.New(roster.Options{Gateway: name, Conn: f.conn, Limits: roster.Limits{ListUsers: cmp.Or(s.listUsers, 5000), WholeBytes: 16 << 20}, Log: discard})
	must(err)
	following, stop := context.WithCancel(context.Background())
	followed := make(chan error, 1)
	go func() { followed <- lists.Run(following) }()
	end("roster", func(context.Context) error {
		stop()
		return <-followed
	})
	if s.maxSessions == 0 {
		s.maxSessions = 10_000
	}
	metrics := session.NewMetrics(f.metrics)
	f.hub, err = session.NewHub(session.Options{
		Gateway: name, Incarnation: incarnation, Conn: f.conn, Roster: lists, Announcer: announcer,
		MaxSessions: s.maxSessions, Metrics: metrics, Log: discard,
	})
	must(err)
	t.Cleanup(f.hub.Close)

	o := Options{
		Hub: f.hub, Rates: Rates{Frames: 1000, Bytes: 4 << 20}, Metrics: metrics, Log: discard,
	}
	if s.options != nil {
		s.options(&o)
	}
	f.door = New(o)
	if s.door != nil {
		s.door(f.door)
	}
	if s.budget == (socket.Budget{}) {
		s.budget = socket.Budget{Bytes: 1 << 30, Reads: 1 << 30}
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	f.address = tcp.Addr().String()
	web := &http.Server{
		Handler: f.door, ConnContext: socket.Context, ReadHeaderTimeout: patience,
		ErrorLog: slog.NewLogLogger(discard.Handler(), slog.LevelDebug),
	}
	if s.narrow {
		tcp = narrow{tcp}
	}
	listener := socket.Listen(tcp, s.budget, 10_000)
	served := make(chan error, 1)
	if s.tls {
		web.TLSConfig = selfSigned(t)
		go func() { served <- web.ServeTLS(listener, "", "") }()
	} else {
		go func() { served <- web.Serve(listener) }()
	}
	end("door", func(ctx context.Context) error {
		err := f.hub.Drain(ctx, 0)
		f.door.Wait()
		return errors.Join(err, web.Close(), ignoring(http.ErrServerClosed, <-served))
	})
	return f
}

func ignoring(fine, err error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}

// setLink cuts the link to NATS or mends it, and returns when that is known here.
func (f *fixture) setLink(up bool) {
	f.t.Helper()
	f.link.mu.Lock()
	f.link.cut = !up
	if !up {
		for _, c := range f.link.conns {
			c.Close()
		}
		f.link.conns = nil
	}
	f.link.mu.Unlock()
	select {
	case got := <-f.changes:
		if got != up {
			f.t.Fatalf("link is up: %v", got)
		}
	case <-time.After(patience):
		f.t.Fatalf("link is not up=%v", up)
	}
}

// metric is the sum over a metric's label values that contain value.
func (f *fixture) metric(name, value string) (sum float64) {
	f.t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			if value == "" || slices.Contains(labels, value) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// connOf is the door's end of a user's connection.
func (f *fixture) connOf(user string) *conn {
	f.t.Helper()
	for _, owner := range f.door.links.Owners() {
		if c := owner.(*conn); c.login.user == user {
			return c
		}
	}
	f.t.Fatalf("%s has no connection", user)
	return nil
}

// awaitSessions waits until so many sessions are here.
func (f *fixture) awaitSessions(n int) {
	f.t.Helper()
	f.await("so many sessions", func() bool { return f.hub.Sessions() == n })
}

// await waits for what nobody tells.
func (f *fixture) await(what string, good func() bool) {
	f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !good(); {
		select {
		case <-tick.C:
		case <-deadline:
			f.t.Fatalf("not %s", what)
		}
	}
}
