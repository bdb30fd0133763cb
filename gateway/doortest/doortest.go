// Package doortest has what the tests of a door stand on: all that is behind a door, on a NATS server of their own whose link
// they can cut, and a listener before it. Nothing but tests imports it.
package doortest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/wire"
)

// Patience is the deadline of whatever happens at once on an idle machine, and of what takes a door five seconds.
const Patience = 30 * time.Second

// Discard is where logs go.
var Discard = slog.New(slog.DiscardHandler)

// Setup is what a test may want otherwise.
type Setup struct {
	ListUsers   int           // the most users of whom a room sends its list; 5,000
	MaxSessions int           // 10,000
	Budget      socket.Budget // of each connection; hardly any
	TLS         bool          // with a certificate that nobody trusts
	Narrow      bool          // the kernel keeps little of what clients do not read
	// Writing is called before each write of one piece to a client, with the piece.
	Writing func(p []byte)
}

// Fixture is what is behind a door, and where the door is.
type Fixture struct {
	Hub        *session.Hub
	HubMetrics *session.Metrics
	Conn       *bus.Conn
	Registry   *prometheus.Registry // of all metrics
	Address    string               // host:port of the listener; empty until the door is open

	t       testing.TB
	link    *link
	changes chan bool // of the link to NATS
}

// Start starts all that is behind a door, and then the door that open makes of that. When the test ends the hub is
// drained, end, which must return when the door's connections have ended, is called, and everything else is ended.
func Start(t testing.TB, s Setup, open func(*Fixture) (door http.Handler, end func())) *Fixture {
	t.Helper()
	f := &Fixture{
		t: t, Registry: prometheus.NewPedanticRegistry(),
		changes: make(chan bool, 100), // more than any test makes
	}
	f.behind(s)
	door, endDoor := open(f)
	listener, address := listen(t, s)
	f.Address = address
	web := &http.Server{
		Handler: door, ConnContext: socket.Context, ReadHeaderTimeout: Patience,
		ErrorLog: slog.NewLogLogger(Discard.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	if s.TLS {
		web.TLSConfig = selfSigned(t)
		go func() { served <- web.ServeTLS(listener, "", "") }()
	} else {
		go func() { served <- web.Serve(listener) }()
	}
	f.end("door", func(ctx context.Context) error {
		err := f.Hub.Drain(ctx, 0)
		endDoor()
		return errors.Join(err, web.Close(), ignoring(http.ErrServerClosed, <-served))
	})
	return f
}

// behind starts NATS, the roster and the hub.
func (f *Fixture) behind(s Setup) {
	f.t.Helper()
	const name = "gw-test"
	incarnation := wire.NewID()
	server, err := embednats.Start(f.t.Context(), embednats.Options{Name: "test", Log: Discard})
	f.must(err)
	f.end("NATS", server.Shutdown)
	f.link = &link{Server: server}
	f.Conn, err = bus.Connect(bus.Options{InProcess: f.link, Name: "test", Log: Discard})
	f.must(err)
	f.end("connection", f.Conn.Close)
	f.Conn.Watch(func(up bool) { f.changes <- up })
	<-f.changes
	announcer, err := bus.NewAnnouncer(f.Conn, name, incarnation, Discard)
	f.must(err)
	f.end("announcer", announcer.Close)
	lists, err := roster.New(roster.Options{
		Gateway: name, Conn: f.Conn, Log: Discard,
		Limits: roster.Limits{ListUsers: cmp.Or(s.ListUsers, 5000), WholeBytes: 16 << 20},
	})
	f.must(err)
	following, stop := context.WithCancel(context.Background())
	followed := make(chan error, 1)
	go func() { followed <- lists.Run(following) }()
	f.end("roster", func(context.Context) error {
		stop()
		return <-followed
	})
	f.HubMetrics = session.NewMetrics(f.Registry)
	f.Hub, err = session.NewHub(session.Options{
		Gateway: name, Incarnation: incarnation, Conn: f.Conn, Roster: lists, Announcer: announcer,
		MaxSessions: cmp.Or(s.MaxSessions, 10_000), Metrics: f.HubMetrics, Log: Discard,
	})
	f.must(err)
	f.t.Cleanup(f.Hub.Close)
}

func (f *Fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *Fixture) end(what string, end func(context.Context) error) {
	f.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := end(ctx); err != nil {
			f.t.Errorf("end %s: %v", what, err)
		}
	})
}

func ignoring(fine, err error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}

// SetLink cuts the link to NATS or mends it, and returns when that is known here.
func (f *Fixture) SetLink(up bool) {
	f.t.Helper()
	f.link.set(up)
	select {
	case got := <-f.changes:
		if got != up {
			f.t.Fatalf("link is up: %v", got)
		}
	case <-time.After(Patience):
		f.t.Fatalf("link is not up=%v", up)
	}
}

// Metric is the sum over a metric's label values that are value, or over all if that is empty.
func (f *Fixture) Metric(name, value string) (sum float64) {
	f.t.Helper()
	families, err := f.Registry.Gather()
	f.must(err)
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

// AwaitSessions waits until so many sessions are here.
func (f *Fixture) AwaitSessions(n int) {
	f.t.Helper()
	f.Await("so many sessions", func() bool { return f.Hub.Sessions() == n })
}

// Await waits for what nobody tells.
func (f *Fixture) Await(what string, good func() bool) {
	f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(Patience); !good(); {
		select {
		case <-tick.C:
		case <-deadline:
			f.t.Fatalf("not %s", what)
		}
	}
}
