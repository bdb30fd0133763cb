package roster_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

// world is one replica and two gateways, between which messages get lost, come twice, late or in another order, while
// gateways are killed, stopped and started, and the replica's link comes and goes.
type world struct {
	*replica
	random   *rand.Rand
	gateways []*process
	away     bool
}

// process is whatever runs under one gateway's name.
type process struct {
	name        string
	incarnation int                   // as its sessions and messages show
	ledger      *bus.Ledger           // nil when nothing runs
	truth       map[string]wire.Login // what its ledger holds
	told        map[string]wire.Login // what it has announced of that
	flight      []message             // under way, the oldest first
	requests    []uint64              // the replica's, under way to it

	history  [][]wire.Digest // by incarnation and seq, of what was told
	believed int             // the incarnation that the replica showed last
	at       int             // and as of which seq
}

type message struct {
	incarnation int // each has a connection of its own
	handIn      func(*replica)
}

func (p *process) send(handIn func(*replica)) {
	p.flight = append(p.flight, message{p.incarnation, handIn})
}

func (p *process) announce(said []wire.Announcement) {
	for i := range said {
		for _, session := range said[i].Left {
			delete(p.told, session)
		}
		for _, login := range said[i].Joined {
			p.told[login.Session] = login
		}
		p.history[p.incarnation] = append(p.history[p.incarnation], digest(maps.Values(p.told)))
		p.send(func(r *replica) { r.Announced(r.now, p.name, &said[i]) })
	}
}

func (p *process) beat(now time.Time, stopping bool) {
	if p.ledger == nil {
		return
	}
	said, beat := p.ledger.Beat(now)
	beat.Stopping = stopping
	p.announce(said)
	p.send(func(r *replica) { r.Beat(r.now, p.name, &beat) })
}

// answer answers a request, in two chunks.
func (p *process) answer(now time.Time, number uint64) {
	if p.ledger == nil {
		return
	}
	said, chunks := p.ledger.Snapshot(now, fmt.Sprintf("%s-%d-%d", p.name, p.incarnation, number))
	p.announce(said)
	whole := chunks[0]
	for i, part := range [][]wire.Login{whole.Logins[:len(whole.Logins)/2], whole.Logins[len(whole.Logins)/2:]} {
		chunk := whole
		chunk.Chunk, chunk.Chunks, chunk.Logins = i, 2, part
		p.send(func(r *replica) { r.Snapshot(r.now, p.name, number, &chunk) })
	}
}

func (p *process) start() {
	if p.ledger != nil {
		return
	}
	p.incarnation = len(p.history)
	p.history = append(p.history, []wire.Digest{0})
	p.ledger = bus.NewLedger(fmt.Sprint(p.incarnation))
	p.truth, p.told = map[string]wire.Login{}, map[string]wire.Login{}
}

func (p *process) kill() { p.ledger, p.truth = nil, nil }

// advance passes the replica's requests on to the gateways, and checks what must hold at every step.
func (w *world) advance() {
	w.replica.advance()
	for _, ask := range w.asks {
		for _, p := range w.gateways {
			if p.name == ask.Gateway {
				p.requests = append(p.requests, ask.Number)
			}
		}
	}
	w.asks = nil
	for _, p := range w.gateways {
		w.believes(p)
	}
}

// believes checks that what the replica shows of a gateway is what one incarnation of it held at one time, and that
// neither ever goes back.
func (w *world) believes(p *process) {
	shown, incarnation := map[string]wire.Login{}, p.believed
	for ref, login := range w.follow {
		if ref.Gateway == p.name {
			shown[ref.Session] = login
			if _, err := fmt.Sscanf(ref.Session, "%d-", &incarnation); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if len(shown) == 0 {
		return // it never held anybody, or is gone
	}
	if incarnation < p.believed {
		w.t.Fatalf("%s shows incarnation %d after %d", p.name, incarnation, p.believed)
	}
	if incarnation > p.believed {
		p.believed, p.at = incarnation, 0
	}
	seq := slices.Index(p.history[incarnation][p.at:], digest(maps.Values(shown)))
	if seq < 0 {
		w.t.Fatalf("incarnation %d of %s shows %v, which it has not held since its announcement %d", incarnation, p.name, shown, p.at)
	}
	p.at += seq
}

// handIn hands a message to the replica; without a link it is lost.
func (w *world) handIn(m message) {
	if w.away {
		return
	}
	m.handIn(w.replica)
	w.advance()
}

// pass passes time in the replica's steps.
func (w *world) pass(d time.Duration) {
	for until := w.now.Add(d); w.now.Before(until); w.advance() {
		w.now = w.Next()
	}
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		replica:  newReplica(t),
		random:   rand.New(rand.NewPCG(seed, 0)),
		gateways: []*process{{name: "gw-1"}, {name: "gw-2"}},
	}
	for _, p := range w.gateways {
		p.start()
	}
	return w
}

// step has something happen, mostly something harmless.
func (w *world) step() {
	p := w.gateways[w.random.IntN(len(w.gateways))]
	for weight, steps := w.random.IntN(total), steps; ; steps = steps[1:] {
		if weight -= steps[0].weight; weight < 0 {
			steps[0].happen(w, p)
			return
		}
	}
}

// steps are all that can happen, to one gateway or to the replica.
var steps = []struct {
	weight int
	happen func(*world, *process)
}{
	{300, (*world).deliver},
	{60, func(w *world, p *process) { p.beat(w.now, false) }},
	{60, (*world).answer},
	{60, (*world).comes},
	{30, (*world).goes},
	{40, func(w *world, _ *process) { w.pass(time.Duration(w.random.IntN(100)) * time.Millisecond) }},
	{20, (*world).calm},
	{20, func(w *world, _ *process) { w.check() }},
	// Faults.
	{20, (*world).lose},
	{20, (*world).repeat},
	{10, func(_ *world, p *process) { p.requests = nil }},
	{5, func(w *world, _ *process) { w.pass(time.Duration(w.random.IntN(6)) * time.Second) }},
	{10, func(_ *world, p *process) { p.kill() }},
	{5, func(w *world, p *process) { p.beat(w.now, true); p.kill() }},
	{1, func(w *world, _ *process) {
		w.now = w.now.Add(time.Duration(w.random.IntN(10)) * time.Second)
		w.advance()
	}},
	{1, func(w *world, _ *process) { w.link(true) }},
	{1, func(w *world, _ *process) { w.Lost(w.now); w.advance() }},
	// And their ends.
	{60, func(_ *world, p *process) { p.start() }},
	{20, func(w *world, _ *process) { w.link(false) }},
}

var total = func() (sum int) {
	for _, s := range steps {
		sum += s.weight
	}
	return sum
}()

// pick picks a message under way: mostly the oldest of a connection, because a link that keeps no order at all hides what
// order can break. There must be one.
func (w *world) pick(p *process) int {
	at := w.random.IntN(len(p.flight))
	if w.random.IntN(4) == 0 {
		return at
	}
	return slices.IndexFunc(p.flight, func(m message) bool { return m.incarnation == p.flight[at].incarnation })
}

func (w *world) deliver(p *process) {
	if len(p.flight) == 0 {
		return
	}
	w.take(p, w.pick(p))
}

func (w *world) take(p *process, at int) {
	m := p.flight[at]
	p.flight = slices.Delete(p.flight, at, at+1)
	w.handIn(m)
}

func (w *world) lose(p *process) {
	if len(p.flight) > 0 {
		at := w.pick(p)
		p.flight = slices.Delete(p.flight, at, at+1)
	}
}

func (w *world) repeat(p *process) {
	if len(p.flight) > 0 {
		w.handIn(p.flight[w.pick(p)])
	}
}

func (w *world) answer(p *process) {
	if len(p.requests) > 0 {
		at := w.random.IntN(len(p.requests))
		p.answer(w.now, p.requests[at])
		p.requests = slices.Delete(p.requests, at, at+1)
	}
}

func (w *world) comes(p *process) {
	if p.ledger == nil {
		return
	}
	login := wire.Login{
		Session: fmt.Sprintf("%d-%d", p.incarnation, w.random.IntN(4)),
		User:    []string{"alice", "bob", "carol"}[w.random.IntN(3)],
		Room:    []string{"lobby", "attic"}[w.random.IntN(2)],
		Since:   w.random.Int64N(5),
	}
	p.truth[login.Session] = login
	p.ledger.Join(w.now, login)
	p.announce(p.ledger.Announce(w.now))
}

func (w *world) goes(p *process) {
	if len(p.truth) == 0 {
		return
	}
	session := slices.Sorted(maps.Keys(p.truth))[w.random.IntN(len(p.truth))]
	delete(p.truth, session)
	p.ledger.Leave(w.now, session)
	p.announce(p.ledger.Announce(w.now))
}

// link takes the replica's link away, or brings it back.
func (w *world) link(away bool) {
	if w.away == away {
		return
	}
	w.away = away
	w.Link(w.now, !away)
	w.advance()
}

// calm has a gateway beat and answer, and delivers all of its messages in order. Those of its earlier incarnations stay
// under way.
func (w *world) calm(p *process) {
	p.beat(w.now, false)
	for {
		for _, number := range p.requests {
			p.answer(w.now, number)
		}
		p.requests = nil
		at := slices.IndexFunc(p.flight, func(m message) bool { return m.incarnation == p.incarnation })
		if at < 0 {
			return
		}
		w.take(p, at)
	}
}

// heal ends all faults, and gives everybody the time to notice what happened.
func (w *world) heal() {
	w.link(false)
	for until := w.now.Add(2*roster.Lease + time.Second); w.now.Before(until); w.pass(bus.BeatEvery) {
		for _, p := range w.gateways {
			for len(p.flight) > 0 {
				w.take(p, 0)
			}
			w.calm(p)
		}
	}
	want := map[wire.Ref]wire.Login{}
	for _, p := range w.gateways {
		for session, login := range p.truth {
			want[wire.Ref{Gateway: p.name, Session: session}] = login
		}
	}
	w.check()
	if !slices.ContainsFunc(w.gateways, func(p *process) bool { return p.ledger != nil }) {
		return // there is nobody to tell that all are dead
	}
	if !maps.Equal(w.follow, want) {
		w.t.Fatalf("the view came to %v, want %v", w.follow, want)
	}
	if !w.Complete() {
		w.t.Fatalf("not complete")
	}
}

// Whatever gets lost, repeated or mixed up: the deltas always rebuild the view, no gateway ever shows two incarnations or
// goes back to an older one, and once the faults end the view is the truth.
func TestConverges(t *testing.T) {
	for seed := range uint64(500) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 500 {
				w.step()
			}
			w.heal()
		})
	}
}

// The same messages at the same times give the same deltas and requests, whatever the order of maps is this time.
func TestDeterministic(t *testing.T) {
	play := func() string {
		r := newReplica(t)
		var log strings.Builder
		for _, gateway := range []string{"c", "a", "b"} {
			ledger := bus.NewLedger("inc")
			for i := range 20 {
				ledger.Join(r.now, login(fmt.Sprint(gateway, i), fmt.Sprint("u", i)))
			}
			_, beat := ledger.Beat(r.now)
			r.Beat(r.now, gateway, &beat)
			r.advance()
			_, chunks := ledger.Snapshot(r.now, "id")
			r.Snapshot(r.now, gateway, r.asks[len(r.asks)-1].Number, &chunks[0])
		}
		r.Lost(r.now)
		r.sleep(2 * roster.Lease)
		r.check()
		_, chunks := r.ViewSnapshot(r.now, "id")
		fmt.Fprint(&log, r.asks, r.seen, chunks, r.Where("u1"), r.list("lobby", 7))
		return log.String()
	}
	first := play()
	for range 10 {
		if again := play(); again != first {
			t.Fatalf("first\n%s\nthen\n%s", first, again)
		}
	}
}
