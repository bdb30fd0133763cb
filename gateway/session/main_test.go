package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"beckon/gateway/roster"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 20 * time.Second

const gatewayName = "gw-test"

// link is a NATS server and the one way to it, which a test can cut.
type link struct {
	*embednats.Server
	dialing chan struct{} // told when somebody dials in vain; full: that is known

	mu    sync.Mutex
	open  chan struct{} // closed while the way is open
	holds bool          // while it is not, who dials waits; otherwise he is refused
	conns []net.Conn
}

// InProcessConn implements nats.InProcessConnProvider. nats.go holds its lock meanwhile, as it does while it dials.
func (l *link) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	open, holds := l.open, l.holds
	l.mu.Unlock()
	select {
	case <-open:
	default:
		select {
		case l.dialing <- struct{}{}:
		default:
		}
		if !holds {
			return nil, errors.New("refused")
		}
		<-open
	}
	conn, err := l.Server.InProcessConn()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, conn)
	return conn, err
}

// cut returns when nats.go has missed the link: it is refused a new one at once, or dials for as long as the test wants.
func (l *link) cut(t testing.TB, holds bool) {
	t.Helper()
	l.mu.Lock()
	l.open, l.holds = make(chan struct{}), holds
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	select {
	case <-l.dialing:
	case <-time.After(patience):
		t.Fatal("nobody misses the link")
	}
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// fixture is a hub with all that it needs, and an observer on the same NATS.
type fixture struct {
	*Hub
	t        testing.TB
	link     *link
	conn     *bus.Conn
	roster   *roster.Roster
	metrics  *prometheus.Registry
	observer *nats.Conn
}

func newFixture(t testing.TB, maxSessions int) *fixture {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
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
	server, err := embednats.Start(t.Context(), embednats.Options{Name: "test", Log: log})
	must(err)
	end("NATS", server.Shutdown)
	f := &fixture{t: t, link: &link{Server: server, dialing: make(chan struct{}, 1), open: make(chan struct{})}}
	f.link.mend()

	f.observer, err = nats.Connect("", nats.InProcessServer(server))
	must(err)
	closed := make(chan struct{})
	f.observer.SetClosedHandler(func(*nats.Conn) { close(closed) })
	t.Cleanup(func() {
		f.observer.Close()
		<-closed
	})

	f.conn, err = bus.Connect(bus.Options{InProcess: f.link, Name: "test", Log: log})
	must(err)
	end("connection", f.conn.Close)
	announcer, err := bus.NewAnnouncer(f.conn, gatewayName, wire.NewID(), log)
	must(err)
	end("announcer", announcer.Close)
	f.roster, err = roster.New(roster.Options{Gateway: gatewayName, Conn: f.conn, Limits: roster.Limits{ListUsers: 5000, WholeBytes: 16 << 20}, Log: log})
	must(err)
	following, stop := context.WithCancel(context.Background())
	followed := make(chan error, 1)
	go func() { followed <- f.roster.Run(following) }()
	end("roster", func(context.Context) error {
		stop()
		return <-followed
	})
	f.metrics = prometheus.NewPedanticRegistry()
	f.Hub, err = NewHub(Options{
		Gateway: gatewayName, Incarnation: wire.NewID(), Conn: f.conn, Roster: f.roster, Announcer: announcer,
		MaxSessions: maxSessions, Metrics: NewMetrics(f.metrics), Log: log,
	})
	must(err)
	t.Cleanup(f.Close)
	t.Cleanup(f.link.mend) // or nothing ends
	return f
}

// client is a session's connection that remembers what it was told.
type client struct {
	hub     *Hub
	session *Session
	answer  wire.Outcome // to signals
	leaves  bool         // when it is told to close, as a door does
	greeted func()       // when it is welcomed; nil for nothing

	mu      sync.Mutex
	told    []string
	closed  time.Time
	changed chan struct{} // closed and replaced at every change of what mu guards
}

// login makes a client and waits for its welcome.
func (f *fixture) login(user string) *client {
	f.t.Helper()
	c := f.begin(user, "lobby")
	c.awaitReady(f.t)
	return c
}

// begin makes a client and waits for nothing.
func (f *fixture) begin(user, room string) *client {
	f.t.Helper()
	c := &client{hub: f.Hub, answer: wire.Delivered, changed: make(chan struct{})}
	f.beginWith(c, user, room)
	return c
}

func (f *fixture) beginWith(c *client, user, room string) {
	f.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := f.Login(c, user, room, false)
	if err != nil {
		f.t.Fatal(err)
	}
	c.session = s
}

func (c *client) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, fmt.Sprintf(format, args...))
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *client) Welcome(s *Session) {
	c.note("welcome %s %s", s.User, s.Room)
	if c.greeted != nil {
		c.greeted()
	}
}

func (c *client) Signal(s *Signal) wire.Outcome {
	if c.answer == wire.Delivered {
		c.note("%s from %s: %s", s.Kind, s.From, s.Body)
	}
	return c.answer
}

func (c *client) Userlist(u *roster.Update) bool {
	if u.Kind == roster.Standing {
		return true // presence takes no part in these tests
	}
	c.note("list of %s: full %v, %q, +%q -%q", u.Room, u.Kind == roster.Whole, u.Users, u.Joined, u.Left)
	return true
}

func (c *client) Close(why Reason) {
	c.note("close: %s", why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = time.Now()
	if c.leaves {
		go c.hub.Leave(c.session)
	}
}

// await waits until what the client was told is as good likes it.
func (c *client) await(t testing.TB, what string, good func(told []string) bool) []string {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		told, changed := slices.Clone(c.told), c.changed
		c.mu.Unlock()
		if good(told) {
			return told
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no %s; told %q", what, told)
		}
	}
}

func (c *client) awaits(t testing.TB, line string) {
	t.Helper()
	c.await(t, line, func(told []string) bool { return slices.Contains(told, line) })
}

func (c *client) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case <-c.session.Ready():
	case <-time.After(patience):
		t.Fatal("not ready")
	}
}

// signals are the signals that the client was told of.
func (c *client) signals() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var signals []string
	for _, line := range c.told {
		if kind, _, ok := cutWord(line); ok {
			if _, ok := wire.ParseKind(kind); ok {
				signals = append(signals, line)
			}
		}
	}
	return signals
}

func cutWord(line string) (first, rest string, ok bool) {
	for i, r := range line {
		if r == ' ' {
			return line[:i], line[i+1:], true
		}
	}
	return "", "", false
}

// message asks for a message of n to be sent.
func message(to, toSession string, n int) *wire.Request {
	return &wire.Request{
		Kind: wire.Message, To: to, ToSession: toSession, Body: fmt.Appendf(nil, `{"data":%d}`, n),
	}
}

// send sends a request and gives its outcome, once it has one. A second one fails the test.
func (c *client) send(t testing.TB, req *wire.Request) <-chan wire.Outcome {
	t.Helper()
	outcome := make(chan wire.Outcome, 1)
	c.hub.Send(c.session, req, func(o wire.Outcome) {
		select {
		case outcome <- o:
		default:
			t.Error("two outcomes")
		}
	})
	return outcome
}

func await(t testing.TB, outcome <-chan wire.Outcome) wire.Outcome {
	t.Helper()
	select {
	case o := <-outcome:
		return o
	case <-time.After(patience):
		t.Fatal("no outcome")
		return 0
	}
}

func is(t testing.TB, outcome <-chan wire.Outcome, want wire.Outcome) {
	t.Helper()
	if got := await(t, outcome); got != want {
		t.Errorf("outcome %v, want %v", got, want)
	}
}

// listened reports whether anybody listens for the user, who is not about to leave.
func (f *fixture) listened(user string) bool {
	f.t.Helper()
	_, err := f.observer.Request(wire.SignalSubject(user), nil, patience)
	if err != nil && !errors.Is(err, nats.ErrNoResponders) {
		f.t.Fatal(err)
	}
	return err == nil
}

// awaitUnlistened waits until nobody listens for the user. A signal that comes in the moment of leaving is not answered.
func (f *fixture) awaitUnlistened(user string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, err := f.observer.Request(wire.SignalSubject(user), nil, time.Second)
		if errors.Is(err, nats.ErrNoResponders) {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("somebody still listens for %s", user)
		}
	}
}

// returns waits for what must not wait.
func returns(t testing.TB, what string, f func()) {
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
