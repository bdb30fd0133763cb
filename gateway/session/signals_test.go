package session

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

func TestSignal(t *testing.T) {
	f := newFixture(t, 10)
	alice, bob := f.login("alice"), f.login("bob")
	offer := &wire.Request{Kind: wire.Offer, To: "bob", CallID: []byte(`"c1"`), Body: []byte(`{"offerSDP":"v=0"}`)}
	is(t, alice.send(t, offer), wire.Delivered)
	bob.awaits(t, `offer from "alice": {"offerSDP":"v=0"}`)
	is(t, alice.send(t, message("nobody", "", 1)), wire.Offline)
	is(t, alice.send(t, message("bob", "nosuchsession", 1)), wire.Offline)
	f.Leave(bob.session)
	f.awaitUnlistened("bob")
	is(t, alice.send(t, message("bob", "", 1)), wire.Offline)
	if got := bob.signals(); len(got) != 1 {
		t.Errorf("bob was told %q", got)
	}

	for _, want := range []struct {
		kind, outcome string
		n             float64
	}{{"offer", "delivered", 1}, {"message", "offline", 3}, {"message", "delivered", 0}} {
		if got := f.counter("beckon_signals_total", want.kind, want.outcome); got != want.n {
			t.Errorf("%s %s: counted %v, want %v", want.kind, want.outcome, got, want.n)
		}
	}
}

// counter is the metric with these values of its labels, which are sorted by name.
func (f *fixture) counter(name string, values ...string) float64 {
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
			slices.Sort(labels)
			slices.Sort(values)
			if slices.Equal(labels, values) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	f.t.Fatalf("no metric %s %q", name, values)
	return 0
}

func TestGauges(t *testing.T) {
	f := newFixture(t, 10)
	f.login("alice")
	f.login("alice")
	f.login("bob")
	if got := f.counter("beckon_sessions"); got != 3 {
		t.Errorf("%v sessions", got)
	}
	if got := f.counter("beckon_users"); got != 2 {
		t.Errorf("%v users", got)
	}
}

func TestSeveralSessions(t *testing.T) {
	f := newFixture(t, 10)
	alice := f.login("alice")
	var bobs []*client
	for range 3 {
		bobs = append(bobs, f.login("bob"))
	}
	is(t, alice.send(t, message("bob", "", 1)), wire.Delivered)
	for _, bob := range bobs {
		bob.awaits(t, `message from "alice": {"data":1}`)
	}
	is(t, alice.send(t, message("bob", bobs[1].session.ID, 2)), wire.Delivered)
	bobs[1].awaits(t, `message from "alice": {"data":2}`)
	for _, i := range []int{0, 2} {
		if got := bobs[i].signals(); len(got) != 1 {
			t.Errorf("session %d was told %q", i, got)
		}
	}
	// A session belongs to one user only.
	is(t, alice.send(t, message("alice", bobs[1].session.ID, 3)), wire.Offline)
	if got := bobs[1].signals(); len(got) != 2 {
		t.Errorf("told %q", got)
	}
}

// Whoever takes a signal first decides, and a full queue is worth telling more than an absence.
func TestOutcomeOfSeveralSessions(t *testing.T) {
	const delivered, slow, offline = wire.Delivered, wire.Slow, wire.Offline
	for _, test := range []struct {
		answers []wire.Outcome
		want    wire.Outcome
	}{
		{[]wire.Outcome{slow}, slow},
		{[]wire.Outcome{offline}, offline},
		{[]wire.Outcome{offline, slow}, slow},
		{[]wire.Outcome{slow, offline}, slow},
		{[]wire.Outcome{slow, delivered}, delivered},
		{[]wire.Outcome{delivered, slow}, delivered},
		{[]wire.Outcome{offline, delivered, offline}, delivered},
	} {
		t.Run(fmt.Sprint(test.answers), func(t *testing.T) {
			f := newFixture(t, 10)
			for _, answer := range test.answers {
				f.login("bob").answer = answer
			}
			is(t, f.login("alice").send(t, message("bob", "", 1)), test.want)
		})
	}
}

func TestSignalToOneself(t *testing.T) {
	f := newFixture(t, 10)
	one := f.login("alice")
	is(t, one.send(t, message("alice", "", 1)), wire.Offline)
	is(t, one.send(t, message("alice", one.session.ID, 2)), wire.Offline)
	two := f.login("alice")
	is(t, one.send(t, message("alice", "", 3)), wire.Delivered)
	is(t, one.send(t, message("alice", two.session.ID, 4)), wire.Delivered)
	two.awaits(t, `message from "alice": {"data":4}`)
	if got := one.signals(); len(got) != 0 {
		t.Errorf("told its own %q", got)
	}
	if got := two.signals(); len(got) != 2 {
		t.Errorf("the other session was told %q", got)
	}
}

// A signal to a session that is here needs no NATS.
func TestSignalToASessionHere(t *testing.T) {
	f := newFixture(t, 10)
	alice, bob := f.login("alice"), f.login("bob")
	f.link.cut(t, false)
	is(t, alice.send(t, message("bob", bob.session.ID, 1)), wire.Delivered)
	is(t, alice.send(t, message("bob", "", 2)), wire.Unavailable)
	is(t, alice.send(t, message("bob", "elsewhere", 3)), wire.Unavailable)
	is(t, bob.send(t, message("bob", alice.session.ID, 4)), wire.Unavailable)
	late := f.begin("carol", "lobby")
	is(t, alice.send(t, message("carol", late.session.ID, 5)), wire.Unavailable)
	bob.answer = wire.Slow
	is(t, alice.send(t, message("bob", bob.session.ID, 6)), wire.Slow)
	if got, want := bob.signals(), []string{`message from "alice": {"data":1}`}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := late.signals(); len(got) != 0 {
		t.Errorf("who was not welcomed was told %q", got)
	}
}

// A client that has been welcomed can be reached, even if its gateway has not taken note yet.
func TestSignalDuringTheWelcome(t *testing.T) {
	f := newFixture(t, 10)
	arrived := make(chan wire.Outcome, 1)
	c := &client{hub: f.Hub, answer: wire.Delivered, changed: make(chan struct{})}
	c.greeted = func() {
		early := make(chan wire.Outcome, 1)
		go func() {
			o := f.deliver("alice", &wire.Signal{Kind: wire.Refuse, From: []byte(`"bob"`), Body: []byte(`{}`)})
			early <- o
			arrived <- o
		}()
		select {
		case o := <-early:
			t.Errorf("outcome %v before the welcome is through", o)
		case <-time.After(50 * time.Millisecond): // long enough to find out, and it may not come
		}
	}
	f.beginWith(c, "alice", "lobby")
	is(t, arrived, wire.Delivered)
	c.awaits(t, `refuse from "bob": {}`)
}

// A signal to a user is encoded once, however many sessions the user has.
func TestEncodedOnce(t *testing.T) {
	s := Signal{Signal: &wire.Signal{Kind: wire.Refuse}}
	times := 0
	encode := func(got *wire.Signal) []byte {
		times++
		return []byte(got.Kind.String())
	}
	for range 3 {
		if got := s.Encoded(roster.Native, encode); string(got) != "refuse" {
			t.Errorf("encoded as %q", got)
		}
	}
	s.Encoded(roster.Native+1, encode)
	if times != 2 {
		t.Errorf("encoded %d times, want once for each format", times)
	}
}

// Signals to a user and to one of his sessions take different ways, and still arrive in order.
func TestOrder(t *testing.T) {
	f := newFixture(t, 10)
	alice, bob := f.login("alice"), f.login("bob")
	const n = 2000
	var outcomes []<-chan wire.Outcome
	for i := range n {
		toSession := ""
		if i%3 != 0 {
			toSession = bob.session.ID
		}
		outcome := alice.send(t, message("bob", toSession, i))
		if i%100 == 99 {
			is(t, outcome, wire.Delivered) // so that the short way is free again
			continue
		}
		outcomes = append(outcomes, outcome)
	}
	for _, o := range outcomes {
		is(t, o, wire.Delivered)
	}
	got := bob.signals()
	if len(got) != n {
		t.Fatalf("%d of %d arrived", len(got), n)
	}
	for i, line := range got {
		if want := fmt.Sprintf(`message from "alice": {"data":%d}`, i); line != want {
			t.Fatalf("signal %d is %q", i, line)
		}
	}
}

// What a backend sends is answered like a gateway's signals.
func TestBackend(t *testing.T) {
	f := newFixture(t, 10)
	bob := f.login("bob")
	request := func(user, body string) string {
		m, err := f.observer.Request(wire.SignalSubject(user), []byte(body), patience)
		if errors.Is(err, nats.ErrNoResponders) {
			return "no responders"
		}
		if err != nil {
			t.Fatal(err)
		}
		var r wire.Receipt
		if err := wire.Decode(m.Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Gateway != gatewayName {
			t.Errorf("answered by %q", r.Gateway)
		}
		return r.Status
	}
	good := `{"v":1,"kind":"message","from":"billing","body":{"data":{"paid":true}}}`
	for _, test := range []struct{ user, body, want string }{
		{"bob", good, "delivered"},
		{"bob", `{"v":1,"kind":"message","from":"billing","toSession":"` + bob.session.ID + `","body":{"data":1}}`, "delivered"},
		{"bob", `{"v":1,"kind":"message","from":"billing","toSession":"another","body":{"data":1}}`, "offline"},
		{"bob", `{"v":1,"kind":"message","body":{"data":1}}`, "refused"},
		{"nobody", good, "no responders"},
	} {
		if got := request(test.user, test.body); got != test.want {
			t.Errorf("%s to %s: %s, want %s", test.body, test.user, got, test.want)
		}
	}
	want := []string{`message from "billing": {"data":{"paid":true}}`, `message from "billing": {"data":1}`}
	if got := bob.signals(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// Nobody's signal stays without an outcome when the hub ends.
func TestCloseGivesOutcomes(t *testing.T) {
	f := newFixture(t, 10)
	alice := f.login("alice")
	black, err := f.observer.SubscribeSync(wire.SignalSubject("bob")) // takes signals and says nothing
	if err != nil {
		t.Fatal(err)
	}
	if err := f.observer.Flush(); err != nil {
		t.Fatal(err)
	}
	const n = 50
	var outcomes []<-chan wire.Outcome
	for i := range n {
		outcomes = append(outcomes, alice.send(t, message("bob", "", i)))
	}
	for range n {
		if _, err := black.NextMsg(patience); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	for _, o := range outcomes {
		is(t, o, wire.Unknown)
	}
	is(t, alice.send(t, message("bob", "", n)), wire.Unavailable)
}

func TestSync(t *testing.T) {
	f := newFixture(t, 10)
	alice := f.login("alice")
	lists := func(n int) func([]string) bool {
		return func(told []string) bool {
			count := 0
			for _, line := range told {
				if line == `list of lobby: full true, ["alice"], +[] -[]` {
					count++
				}
			}
			return count >= n
		}
	}
	alice.await(t, "list", lists(1))
	f.Sync(alice.session)
	alice.await(t, "second list", lists(2))
	f.Leave(alice.session)
	f.Sync(alice.session) // asked before, done after
}

func BenchmarkDeliver(b *testing.B) {
	for _, sessions := range []int{1, 3} {
		b.Run(fmt.Sprint(sessions, " sessions"), func(b *testing.B) {
			f := newFixture(b, 10)
			for range sessions {
				f.login("bob").answer = wire.Slow // and nothing is noted
			}
			signal := &wire.Signal{Kind: wire.Refuse, From: []byte(`"alice"`), Body: []byte(`{}`)}
			b.ReportAllocs()
			for b.Loop() {
				f.deliver("bob", signal)
			}
		})
	}
}

func BenchmarkLoginLeave(b *testing.B) {
	f := newFixture(b, 10)
	b.ReportAllocs()
	for b.Loop() {
		f.Leave(f.login("alice").session)
	}
}
