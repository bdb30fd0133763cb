package bus

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"beckon/shared/embednats"
	"beckon/shared/wire"
)

func TestSignalIsDelivered(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a, b := testStation(t, "a", Options{InProcess: server}), testStation(t, "b", Options{InProcess: server})
	b.listen(t, "bob", "Ünï *")
	for _, user := range []string{"bob", "Ünï *"} {
		want := wire.Signal{
			Kind: wire.Offer, From: wire.Quote(`al"ice`), FromSession: "S1", ToSession: "S2", CallID: []byte(`"c\n"`),
			Body: []byte(`{"offerSDP":"v=0\r\n","offerType":"offer"}`),
		}
		outcomes := make(chan wire.Outcome, 2)
		a.Send(user, &want, func(o wire.Outcome) { outcomes <- o })
		hasOutcome(t, <-outcomes, wire.Delivered)
		got := <-b.arrived
		if got.token != wire.Token(user) || got.Kind != want.Kind || !bytes.Equal(got.From, want.From) ||
			got.FromSession != want.FromSession || got.ToSession != want.ToSession ||
			!bytes.Equal(got.CallID, want.CallID) || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("for %s arrived %+v", user, got)
		}
	}
	a.listen(t, "alice") // a gateway may send to users of its own
	hasOutcome(t, a.send(t, "alice", "to ourselves"), wire.Delivered)
	a.receives(t, "to ourselves")
}

// Many positive outcomes travel in few messages, none of them twice.
func TestOutcomesAreGathered(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a, b := testStation(t, "a", Options{InProcess: server}), testStation(t, "b", Options{InProcess: server})
	b.listen(t, "bob")
	observer := testConn(t, Options{InProcess: server})
	answers, err := observer.NATS().SubscribeSync(a.outcomes.All())
	if err != nil {
		t.Fatal(err)
	}
	if err := observer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const count = 3 * gatherMost
	var all sync.WaitGroup
	all.Add(count)
	for i := range count {
		a.Send("bob", message("alice", "S1", fmt.Sprint(i)), func(o wire.Outcome) {
			hasOutcome(t, o, wire.Delivered)
			all.Done()
		})
	}
	all.Wait()
	for i := range count {
		b.receives(t, fmt.Sprint(i))
	}
	messages, delivered := 0, make(map[uint64]bool)
	for len(delivered) < count {
		m, err := answers.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var g wire.Gathered
		if err := wire.Decode(m.Data, &g); err != nil || g.Gateway != "b" || m.Subject != a.outcomes.Gathered() {
			t.Fatalf("%s: %s, error %v", m.Subject, m.Data, err)
		}
		messages++
		for _, n := range g.Delivered {
			if delivered[n] {
				t.Errorf("signal %d is told twice", n)
			}
			delivered[n] = true
		}
	}
	if messages > count/2 {
		t.Errorf("%d messages for %d outcomes", messages, count)
	}
}

func TestSignalToNobody(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a := testStation(t, "a", Options{InProcess: server})
	hasOutcome(t, a.send(t, "bob", "1"), wire.Offline) // at once: a second later it would be unknown
	sub := a.listen(t, "bob")[0]
	hasOutcome(t, a.send(t, "bob", "2"), wire.Delivered)
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	hasOutcome(t, a.send(t, "bob", "3"), wire.Offline)
	a.set(wire.Delivered, "b") // presence is late
	hasOutcome(t, a.send(t, "bob", "4"), wire.Offline)
}

func TestSignalIsNotDelivered(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a, b := testStation(t, "a", Options{InProcess: server}), testStation(t, "b", Options{InProcess: server})
	b.listen(t, "bob")
	for _, o := range []wire.Outcome{wire.Slow, wire.Refused, wire.Offline, wire.Held} {
		for _, shown := range [][]string{{"b"}, nil} {
			a.set(wire.Delivered, shown...)
			b.set(o)
			hasOutcome(t, a.send(t, "bob", "x"), o)
			b.receives(t, "x")
		}
	}
}

func TestSignalToSeveralGateways(t *testing.T) {
	server := testServer(t, embednats.Options{})
	o := Options{InProcess: server}
	a, b, c := testStation(t, "a", o), testStation(t, "b", o), testStation(t, "c", o)
	b.listen(t, "bob")
	c.listen(t, "bob")
	for _, x := range []struct {
		b, c    wire.Outcome
		holders []string
		want    wire.Outcome
	}{
		{wire.Delivered, wire.Delivered, []string{"b", "c"}, wire.Delivered},
		{wire.Slow, wire.Delivered, []string{"b", "c"}, wire.Delivered},
		{wire.Delivered, wire.Offline, []string{"b", "c"}, wire.Delivered},
		{wire.Slow, wire.Refused, []string{"b", "c"}, wire.Refused},
		{wire.Slow, wire.Offline, []string{"c", "b"}, wire.Slow},
		{wire.Slow, wire.Offline, []string{"b", "c", "d"}, wire.Unknown}, // after a second: d may deliver it yet
	} {
		a.set(wire.Delivered, x.holders...)
		b.set(x.b)
		c.set(x.c)
		if got := a.send(t, "bob", "x"); got != x.want {
			t.Errorf("b says %s, c says %s, presence shows %v: %s, want %s", x.b, x.c, x.holders, got, x.want)
		}
	}
}

// Somebody who looks on, as with nats sub 'signal.>', hides that nobody is there.
func TestSignalToAnObserver(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a, b := testStation(t, "a", Options{InProcess: server}), testStation(t, "b", Options{InProcess: server})
	observer := testConn(t, Options{InProcess: server})
	seen, err := observer.NATS().SubscribeSync("signal.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := observer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	hasOutcome(t, a.send(t, "bob", "1"), wire.Unknown)
	if took := time.Since(start); took < outcomeTimeout {
		t.Errorf("unknown after %s", took)
	}
	b.listen(t, "bob")
	hasOutcome(t, a.send(t, "bob", "2"), wire.Delivered)
	b.set(wire.Slow)
	hasOutcome(t, a.send(t, "bob", "3"), wire.Slow)
	for range 3 {
		if _, err := seen.NextMsg(patience); err != nil {
			t.Error(err)
		}
	}
}

// Nothing that was sent while NATS was away arrives later.
func TestSignalsWhileNATSIsAway(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	url := server.ClientURL()
	a, b := testStation(t, "a", Options{URL: url}), testStation(t, "b", Options{URL: url})
	b.listen(t, "bob")
	changesOfA, changesOfB := watch(a.conn), watch(b.conn)
	<-changesOfA
	<-changesOfB
	hasOutcome(t, a.send(t, "bob", "before"), wire.Delivered)
	b.receives(t, "before")

	stopServer(t, server)
	awaitLink(t, changesOfA, false)
	for range 100 {
		told := false
		a.Send("bob", message("alice", "S1", "while away"), func(o wire.Outcome) {
			hasOutcome(t, o, wire.Unavailable)
			told = true
		})
		if !told {
			t.Fatal("the outcome was not told at once")
		}
	}

	awaitLink(t, changesOfB, false)
	testServer(t, embednats.Options{Listen: strings.TrimPrefix(url, "nats://")})
	awaitLink(t, changesOfA, true)
	awaitLink(t, changesOfB, true)
	if err := b.conn.Flush(t.Context()); err != nil { // its subscription has been sent again, not more
		t.Fatal(err)
	}
	hasOutcome(t, a.send(t, "bob", "after"), wire.Delivered)
	b.receives(t, "after")
	b.receivedNothing(t)
}

// Presence shows a user whose subscription is still on its way.
func TestSignalAheadOfASubscription(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a, b := testStation(t, "a", Options{InProcess: server}), testStation(t, "b", Options{InProcess: server})
	var once sync.Once
	a.set(wire.Delivered, "b")
	a.asked = func() { once.Do(func() { b.listen(t, "bob") }) }
	const count = 50
	outcomes := make(chan wire.Outcome, count)
	for i := range count {
		a.Send("bob", message("alice", "S1", fmt.Sprint(i)), func(o wire.Outcome) { outcomes <- o })
	}
	delivered, offline := 0, 0
	for range count {
		switch o := <-outcomes; o {
		case wire.Delivered:
			delivered++
		case wire.Offline: // overtaken by one of the later ones, while the subscription came
			offline++
		default:
			t.Errorf("the outcome is %s", o)
		}
	}
	if delivered == 0 || len(b.arrived) != delivered {
		t.Errorf("%d arrived, %d called delivered, %d offline", len(b.arrived), delivered, offline)
	}
	for last := -1; len(b.arrived) > 0; {
		i := number(t, <-b.arrived)
		if i <= last {
			t.Errorf("%d after %d", i, last)
		}
		last = i
	}
}

// Between leaves news of a subscription takes its time: until it has come a signal is called offline, and is.
func TestSignalsBetweenLeaves(t *testing.T) {
	hub := testServer(t, embednats.Options{LeafListen: "127.0.0.1:0"})
	leaf := func() Options {
		return Options{InProcess: testServer(t, embednats.Options{Hubs: []string{hub.LeafURL()}})}
	}
	a, b := testStation(t, "a", leaf()), testStation(t, "b", leaf())
	b.listen(t, "bob")
	var outcomes []wire.Outcome
	for start := time.Now(); !slices.Contains(outcomes, wire.Delivered); {
		if time.Since(start) > patience {
			t.Fatal("nothing is delivered")
		}
		outcomes = append(outcomes, a.send(t, "bob", fmt.Sprint(len(outcomes))))
	}
	for len(b.arrived) > 0 {
		if n := number(t, <-b.arrived); outcomes[n] == wire.Offline {
			t.Errorf("signal %d is called offline, and arrived", n)
		}
	}
	b.set(wire.Slow)
	hasOutcome(t, a.send(t, "bob", "x"), wire.Slow)
}

func TestSignalsClose(t *testing.T) {
	server := testServer(t, embednats.Options{})
	a := testStation(t, "a", Options{InProcess: server})
	observer := testConn(t, Options{InProcess: server})
	if _, err := observer.NATS().SubscribeSync("signal.>"); err != nil {
		t.Fatal(err)
	}
	if err := observer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const count = 100
	outcomes := make(chan wire.Outcome, 2*count)
	send := func() {
		for range count {
			a.Send("bob", message("alice", "S1", "x"), func(o wire.Outcome) { outcomes <- o })
		}
	}
	send()
	a.Close()
	send()
	if len(outcomes) != 2*count {
		t.Fatalf("%d outcomes of %d", len(outcomes), 2*count)
	}
	for range count {
		hasOutcome(t, <-outcomes, wire.Unknown)
	}
	for range count {
		hasOutcome(t, <-outcomes, wire.Unavailable)
	}
	a.Close() // again is fine
}

func TestSignalsNeedNames(t *testing.T) {
	conn := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	for _, names := range [][2]string{{"", "I"}, {"g", ""}, {"g.x", "I"}, {"g", "*"}, {">", "I"}} {
		o := SignalOptions{Conn: conn, Gateway: names[0], Incarnation: names[1], Log: slog.New(slog.DiscardHandler)}
		if s, err := NewSignals(o); err == nil {
			s.Close()
			t.Errorf("gateway %q, incarnation %q: taken", names[0], names[1])
		}
	}
}

func TestFewGoroutines(t *testing.T) {
	server := testServer(t, embednats.Options{})
	b := testStation(t, "b", Options{InProcess: server})
	before := runtime.NumGoroutine()
	users := make([]string, 2000)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	b.listen(t, users...)
	if more := runtime.NumGoroutine() - before; more > 20 {
		t.Errorf("%d goroutines more for %d users", more, len(users))
	}
}
