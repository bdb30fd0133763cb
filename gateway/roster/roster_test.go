package roster

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/wire"
)

// patience is how long anything may take before a test fails.
const patience = 20 * time.Second

func startNATS(t *testing.T, listen string) *embednats.Server {
	t.Helper()
	srv, err := embednats.Start(t.Context(), embednats.Options{Name: "test", Listen: listen, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, srv.Shutdown) })
	return srv
}

func connect(t *testing.T, o bus.Options) *bus.Conn {
	t.Helper()
	o.Name, o.Log = t.Name(), discard
	conn, err := bus.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, conn.Close) })
	return conn
}

func shutdown(t *testing.T, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

// run starts a roster, which ends with the test.
func run(t *testing.T, conn *bus.Conn) *Roster {
	t.Helper()
	r, err := New(Options{Gateway: "here", Conn: conn, Limits: limits, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// presence is a replica driven by hand. It beats and answers until it stops.
type presence struct {
	t        *testing.T
	conn     *bus.Conn
	sub      *nats.Subscription
	requests chan *nats.Msg
	end      chan struct{}
	loop     sync.WaitGroup

	mu   sync.Mutex
	view *view
}

func startPresence(t *testing.T, conn *bus.Conn, entries ...wire.Entry) *presence {
	t.Helper()
	p := &presence{
		t: t, conn: conn, view: newView(wire.NewID(), entries...),
		requests: make(chan *nats.Msg, 64), end: make(chan struct{}),
	}
	var err error
	if p.sub, err = conn.NATS().ChanSubscribe(wire.ViewSnapshotSubject(p.view.name), p.requests); err != nil {
		t.Fatal(err)
	}
	p.loop.Go(p.run)
	t.Cleanup(p.kill)
	return p
}

func (p *presence) run() {
	beats := time.NewTicker(100 * time.Millisecond)
	defer beats.Stop()
	for {
		select {
		case <-p.end:
			return
		case <-beats.C:
			p.say(func(v *view) { p.publish(wire.ReplicaSubject(v.name), v.beat()) })
		case request := <-p.requests:
			p.say(func(v *view) {
				for _, chunk := range v.snapshot() {
					p.publish(request.Reply, chunk)
				}
			})
		}
	}
}

// say makes the view say something, in order with everything else it says.
func (p *presence) say(what func(v *view)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what(p.view)
}

func (p *presence) publish(subject string, m wire.Encodable) {
	data, err := wire.Encode(m)
	if err != nil {
		p.t.Error(err)
	}
	_ = p.conn.Publish(subject, "", data) // to lose it is NATS' right
}

// changes publishes what change makes of the view.
func (p *presence) changes(change func(v *view) *wire.Delta) {
	p.say(func(v *view) { p.publish(wire.ViewSubject(v.name), change(v)) })
}

func (p *presence) joined(e wire.Entry) {
	p.changes(func(v *view) *wire.Delta { return v.joined(e) })
}

// stop ends it in good order, kill as it comes.
func (p *presence) stop() {
	p.say(func(v *view) { p.publish(wire.ReplicaSubject(v.name), v.stopping()) })
	p.kill()
}

func (p *presence) kill() {
	select {
	case <-p.end:
		return
	default:
	}
	close(p.end)
	p.loop.Wait()
	if err := p.sub.Unsubscribe(); err != nil {
		p.t.Error(err)
	}
}

// enter lets alice in, who collects what she is told.
func enter(t *testing.T, r *Roster) *client {
	alice := &client{errorf: t.Errorf, news: make(chan *Update, 64)}
	r.Join(login("own1", "alice", "lobby", 1000), alice, false)
	return alice
}

// next is the next update that alice gets.
func next(t *testing.T, c *client) *Update {
	t.Helper()
	select {
	case u := <-c.news:
		return u
	case <-time.After(patience):
		t.Fatalf("told nothing; shows %q", c.list())
		return nil
	}
}

// reaches waits until alice shows this list.
func reaches(t *testing.T, c *client, want ...string) {
	t.Helper()
	for !slices.Equal(c.list(), want) {
		next(t, c)
	}
	// She has read what led there.
	for len(c.news) > 0 {
		<-c.news
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !is() {
		select {
		case <-limit:
			t.Fatalf("not in %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

func TestFollowsPresence(t *testing.T) {
	conn := connect(t, bus.Options{InProcess: startNATS(t, "")})
	r := run(t, conn)
	alice := enter(t, r)
	reaches(t, alice, "alice") // presence need not be there
	if r.Status() != (Status{}) {
		t.Errorf("status %+v before presence is there", r.Status())
	}

	p := startPresence(t, conn, ann, bob, cat)
	reaches(t, alice, "ann", "bob", "cat", "alice")
	until(t, "the view is live", func() bool { return r.Status() == Status{View: p.view.name, Live: true, Ever: true} })
	if got := r.Gateways("bob"); !slices.Equal(got, []string{"east"}) {
		t.Errorf("bob is held by %q", got)
	}

	p.joined(entry("west", "s4", "dan", 2000))
	if u := next(t, alice); u.Kind == Whole || !slices.Equal(u.Joined, []string{"dan"}) || u.At != nil {
		t.Errorf("told %s", show(u))
	}
	p.changes(func(v *view) *wire.Delta { return v.gone("east") })
	if u := next(t, alice); u.Kind == Whole || !slices.Equal(u.Left, []string{"ann", "bob"}) {
		t.Errorf("told %s", show(u))
	}
	if r.Shows("bob") {
		t.Error("bob is shown")
	}
	metrics(t, r, map[string]float64{
		"beckon_roster_users": 3, "beckon_roster_remote_sessions": 2, "beckon_roster_rooms": 1,
		"beckon_roster_live": 1, "beckon_roster_resyncs_total": 0, "beckon_roster_updates_missed_total": 0,
		"beckon_roster_waiting": 0,
	})
}

func TestSwitchShowsOnlyTheDifference(t *testing.T) {
	conn := connect(t, bus.Options{InProcess: startNATS(t, "")})
	r := run(t, conn)
	alice := enter(t, r)
	a := startPresence(t, conn, ann, bob)
	reaches(t, alice, "ann", "bob", "alice")

	// To the same view of another replica, first in good order, then not.
	b := startPresence(t, conn, ann, bob)
	a.stop()
	until(t, "b is followed", func() bool { return r.Status() == Status{View: b.view.name, Live: true, Ever: true} })
	c := startPresence(t, conn, ann, cat)
	b.kill()
	u := next(t, alice)
	if u.Kind == Whole || !slices.Equal(u.Left, []string{"bob"}) || !slices.Equal(u.Joined, []string{"cat"}) {
		t.Errorf("told %s", show(u))
	}
	c.joined(entry("west", "s4", "dan", 2000))
	reaches(t, alice, "ann", "cat", "alice", "dan")
}

func TestListStandsWhilePresenceIsQuiet(t *testing.T) {
	conn := connect(t, bus.Options{InProcess: startNATS(t, "")})
	r := run(t, conn)
	alice := enter(t, r)
	a := startPresence(t, conn, ann, bob)
	reaches(t, alice, "ann", "bob", "alice")
	a.kill()
	until(t, "silence is noticed", func() bool { return !r.Status().Live })

	r.Join(login("own2", "zoe", "lobby", 3000), &client{errorf: t.Errorf}, false)
	reaches(t, alice, "ann", "bob", "alice", "zoe")
	r.Leave("own2")
	reaches(t, alice, "ann", "bob", "alice")

	startPresence(t, conn, bob, cat)
	reaches(t, alice, "bob", "cat", "alice")
	until(t, "presence is heard", func() bool { return r.Status().Live })
}

func TestGapIsMended(t *testing.T) {
	conn := connect(t, bus.Options{InProcess: startNATS(t, "")})
	r := run(t, conn)
	alice := enter(t, r)
	p := startPresence(t, conn, ann)
	reaches(t, alice, "ann", "alice")

	p.say(func(v *view) { v.joined(bob) }) // is not published
	p.joined(cat)
	reaches(t, alice, "ann", "bob", "cat", "alice")
	p.say(func(v *view) { v.left("east", "s1") })
	reaches(t, alice, "bob", "cat", "alice") // the beats show it
	if n := r.resyncs.Load(); n != 2 {
		t.Errorf("%d resyncs", n)
	}
}

// A roster that cannot keep up drops messages, and mends that.
func TestDroppedMessagesAreMended(t *testing.T) {
	srv := startNATS(t, "")
	conn := connect(t, bus.Options{InProcess: srv})
	r := run(t, conn)
	alice := enter(t, r)
	p := startPresence(t, connect(t, bus.Options{InProcess: srv}), ann)
	reaches(t, alice, "ann", "alice")

	r.mu.Lock() // the roster stands in front of it with this delta
	p.joined(bob)
	for conn.Lost() == 0 {
		p.joined(bob)
	}
	p.joined(cat)
	r.mu.Unlock()
	reaches(t, alice, "ann", "bob", "cat", "alice")
	if r.resyncs.Load() == 0 {
		t.Error("no resync")
	}
}

func TestNATSAway(t *testing.T) {
	srv := startNATS(t, "127.0.0.1:0")
	url := srv.ClientURL()
	conn := connect(t, bus.Options{URL: url})
	r := run(t, conn)
	alice := enter(t, r)
	p := startPresence(t, conn, ann, bob)
	reaches(t, alice, "ann", "bob", "alice")

	shutdown(t, srv.Shutdown)
	until(t, "the roster knows that NATS is away", func() bool { return !r.Status().Live })
	p.joined(cat)
	r.Join(login("own2", "zoe", "lobby", 3000), &client{errorf: t.Errorf}, false)
	reaches(t, alice, "ann", "bob", "alice", "zoe")

	startNATS(t, url[len("nats://"):])
	reaches(t, alice, "ann", "bob", "cat", "alice", "zoe")
	until(t, "presence is heard", func() bool { return r.Status().Live })
}

func TestRunFailsOnClosedConnection(t *testing.T) {
	conn := connect(t, bus.Options{InProcess: startNATS(t, "")})
	shutdown(t, conn.Close)
	r, err := New(Options{Gateway: "here", Conn: conn, Limits: limits, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}

func metrics(t *testing.T, r *Roster, want map[string]float64) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		m := family.GetMetric()[0]
		got[family.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v, want %v", name, v, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("metrics %v", got)
	}
}
