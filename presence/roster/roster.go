// Package roster merges what the gateways announce into one view of who is there, and publishes that view as deltas.
//
// It is a pure state machine: no clock, no goroutine, no randomness, no output that depends on the order of a map. The
// caller passes the time (which must carry a monotonic reading, or be virtual), hands in what arrives, and does what
// [Roster.Advance] says.
//
// # What is believed
//
// A gateway alone knows whom it holds, and each of its starts is an incarnation. The roster believes one incarnation of
// a gateway at a time: it takes that incarnation's announcements in the order of seq, and anything that does not fit (a
// gap, a beat whose count or digest differs, another incarnation, lost messages, a link that was away) makes it ask for
// a snapshot, again and again until it has one. An incarnation is believed only by its snapshot, which then replaces
// the one before in a single change. Requests are numbered, and when the roster hears of an incarnation that it does not
// believe, answers to earlier requests no longer count. So an answer that counts was given by somebody who was alive
// after whatever the roster had heard by then: a late answer of a process that ended is never taken for news.
//
// # What is dropped
//
// An incarnation that says it stops, or that is not heard for a [Lease], loses all of its sessions at once. So does one
// that is silent for a moment, is asked whether it is there, and NATS says twice that there is nobody to ask. But a
// replica that would lose half of all gateways at once waits: it is rather itself who is cut off (see detect.go). Time in which
// nothing could be heard does not count: while this replica's link is away nobody's lease runs out, and once it is back,
// or after a pause of the process, everybody has a whole lease again. A link that stalls looks like one that is there: so
// leases run only while what this replica publishes itself comes back to it.
package roster

import (
	"maps"
	"slices"
	"time"

	"beckon/shared/wire"
)

// The tempo of the roster.
const (
	// Lease is how long a gateway is kept without a sign of life.
	Lease = 4 * time.Second

	// DeltaEvery is the least time from one delta to the next, apart from those that go before a beat or a snapshot and
	// those that carry parts of one change.
	DeltaEvery = 25 * time.Millisecond

	settling  = 600 * time.Millisecond // by then every gateway that lives has beaten twice,
	returning = 2 * time.Second        // and is back on a NATS server that has begun anew
	askEvery  = 250 * time.Millisecond // for each gateway, but while answers of others arrive:
	askBusy   = time.Second            // then its own may be waiting behind them
	deaf      = 700 * time.Millisecond // without an echo of our beats, of which there is one every 250 ms
	tickEvery = 50 * time.Millisecond  // the grain of leases and requests
	hitch     = 4 * tickEvery          // a call that comes so much later than the last: the process had to wait
	pause     = time.Second            // a call that comes so much later than the last: the process stood still
)

// Roster is the state of one replica. It belongs to one goroutine.
type Roster struct {
	view     *view
	gateways map[string]*gateway
	asking   []*gateway // those of which a snapshot is wanted, in the order in which it was
	asks     uint64     // the number of the latest request, to any gateway

	up       bool      // there is a link to NATS
	since    time.Time // since when everything could be heard; restarted by a pause only until complete
	linked   time.Time // since when there is a link
	echoed   time.Time // when something of ours came back
	doubted  time.Time // since when it rather doubts itself; zero if it does not
	bereft   bool      // it gave up half of all gateways, having doubted, and none has come since
	began    int64     // Unix milliseconds when NATS began with it; 0 if it did not
	restart  bool      // somebody logged in before that
	called   time.Time // the latest call
	ticked   time.Time
	answered time.Time // the latest chunk of an answer, of any gateway
	complete bool

	contested uint64
	news      []News
}

// News is what an operator wants to know of a gateway.
type News struct {
	Gateway  string
	What     string // "heard", "stopped", "gone" (nobody is there to ask) or "silent"
	Sessions int    // that came or went with it
}

// Ask is a request to a gateway: for its snapshot, or for any sign of life. Its number must come back with each chunk of
// the answer, and with NATS' notice that nobody was there to ask ([Roster.Absent]).
type Ask struct {
	Gateway string
	Number  uint64
	Probe   bool
}

// Stats are numbers for an operator.
type Stats struct {
	Gateways, Sessions, Users, Rooms int // gateways that were heard whole

	Version  uint64
	Complete bool
	Asked    uint64 // requests so far, for snapshots and for signs of life
	Doubts   bool   // see [Roster.Doubts]
	// Contested counts how often an incarnation that had been replaced took its gateway back, so far. One process cannot
	// do that: two share a name.
	Contested uint64
}

// New makes the roster of a replica that has heard nothing and has no link yet. view is a name ([wire.CheckName]), new
// for each roster.
func New(view string) *Roster {
	return &Roster{view: newView(view), gateways: make(map[string]*gateway)}
}

// NATSBegan tells that the only NATS server began with this replica, at a wall time in Unix milliseconds. If gateways hold
// sessions from before, then they are on their way back to it, one after the other. Call it before anything else.
func (r *Roster) NATSBegan(at int64) { r.began = at }

// Link tells that the link to NATS is there, with all subscriptions made, or that it is away.
func (r *Roster) Link(now time.Time, up bool) {
	r.observe(now)
	r.up = up
	if up {
		r.since, r.linked, r.echoed = now, now, now
		r.renew(now)
		r.Lost(now)
	}
}

// Echo tells that something which this replica published has come back to it.
func (r *Roster) Echo(now time.Time) {
	r.observe(now)
	if now.Sub(r.echoed) > deaf {
		r.renew(now)
	}
	r.echoed = now
}

// Lost tells that messages may have been lost on this side, nobody knows whose.
func (r *Roster) Lost(now time.Time) {
	r.observe(now)
	for _, name := range slices.Sorted(maps.Keys(r.gateways)) {
		r.want(r.gateways[name])
	}
}

// Announced takes an announcement of a gateway.
func (r *Roster) Announced(now time.Time, name string, a *wire.Announcement) {
	r.observe(now)
	g := r.gateway(name)
	if !r.believes(now, g, a.Incarnation) || a.Seq <= g.seq {
		return
	}
	r.hear(now, g)
	if a.Seq != g.seq+1 {
		r.want(g)
		return
	}
	g.seq = a.Seq
	for _, session := range a.Left {
		r.view.leave(now, g, session)
	}
	for _, login := range a.Joined {
		r.view.join(now, g, login)
	}
}

// Beat takes a beat of a gateway.
func (r *Roster) Beat(now time.Time, name string, b *wire.Beat) {
	r.observe(now)
	if b.Stopping {
		if g := r.gateways[name]; g != nil && (g.incarnation == b.Incarnation || g.incarnation == "") {
			r.drop(now, g, "stopped")
			r.forget(g)
		}
		return
	}
	g := r.gateway(name)
	if !r.believes(now, g, b.Incarnation) || b.Seq < g.seq {
		return
	}
	r.hear(now, g)
	if b.Seq != g.seq || b.Count != len(g.sessions) || b.Digest != g.digest {
		r.want(g)
	}
}

// Snapshot takes a chunk of a gateway's answer to the request of that number.
func (r *Roster) Snapshot(now time.Time, name string, number uint64, chunk *wire.GatewaySnapshot) {
	r.observe(now)
	g := r.gateways[name]
	if g == nil || !g.wanted || number < g.since {
		return
	}
	// A request that was repeated too early has two answers, whose chunks may come by turns.
	if chunk.Chunk == 0 && number > g.answer {
		g.answer, g.assembly = number, wire.Assembly[wire.Login]{}
	}
	if number != g.answer {
		return
	}
	g.noticed, r.answered = now, now
	g.asked = now // an answer that keeps coming is not asked for again
	logins, whole := g.assembly.Add(chunk.ID, chunk.Chunk, chunk.Chunks, chunk.Logins)
	if !whole {
		return
	}
	if chunk.Incarnation == g.incarnation && chunk.Seq < g.seq {
		return // overtaken by announcements
	}
	r.believe(now, g, chunk.Incarnation, chunk.Seq, logins)
}

// Advance does what is due: it returns requests to send and deltas to publish, in that order. It must be called after
// everything handed in, and at [Roster.Next].
func (r *Roster) Advance(now time.Time) ([]Ask, []wire.Delta) {
	r.observe(now)
	var probes []Ask
	if !now.Before(r.ticked.Add(tickEvery)) {
		r.ticked = now
		if r.hears(now) {
			r.expire(now)
			probes = r.probes(now)
		}
		if r.up {
			r.complete = r.complete || r.settled(now)
		}
	}
	return append(r.requests(now), probes...), r.view.due(now)
}

// Next is when Advance must be called at the latest.
func (r *Roster) Next() time.Time {
	next := r.ticked.Add(tickEvery)
	if due, ok := r.view.gate.Due(); ok && due.Before(next) {
		next = due
	}
	return next
}

// Complete reports that the view can be followed: on a link that has been up long enough to hear from every gateway that
// lives, each has been heard whole, or a [Lease] has passed. Once complete, a view stays so: what it misses later are
// changes, which its followers miss with it. But not while it doubts itself ([Roster.Doubts]), nor, if it has given up
// half of all gateways, when the first of them is back.
func (r *Roster) Complete() bool { return r.complete && !r.Doubts() }

// ViewBeat gives a beat of the view, and the deltas that have to be published before it.
func (r *Roster) ViewBeat(now time.Time) ([]wire.Delta, wire.ViewBeat) {
	deltas := r.view.flush(now)
	return deltas, wire.ViewBeat{
		View: r.view.name, Version: r.view.version, Complete: r.Complete(), Count: r.view.count, Digest: r.view.digest,
	}
}

// ViewSnapshot gives the chunks of a snapshot of the view, which share id, and the deltas that have to be published
// before them.
func (r *Roster) ViewSnapshot(now time.Time, id string) ([]wire.Delta, []wire.ViewSnapshot) {
	deltas := r.view.flush(now)
	chunks := wire.Chunks(r.Entries())
	snapshot := make([]wire.ViewSnapshot, len(chunks))
	for i, chunk := range chunks {
		snapshot[i] = wire.ViewSnapshot{
			ID: id, View: r.view.name, Version: r.view.version, Chunk: i, Chunks: len(chunks), Entries: chunk,
		}
	}
	return deltas, snapshot
}

// News gives what has happened since it was called before.
func (r *Roster) News() []News {
	news := r.news
	r.news = nil
	return news
}

// Stats gives the present numbers.
func (r *Roster) Stats() Stats {
	return Stats{
		Gateways: r.believed(), Sessions: r.view.count, Users: len(r.view.users), Rooms: len(r.view.rooms),
		Version: r.view.version, Complete: r.Complete(), Asked: r.asks, Doubts: r.Doubts(), Contested: r.contested,
	}
}

// believed counts the gateways of which an incarnation is believed.
func (r *Roster) believed() (n int) {
	for _, g := range r.gateways {
		if g.incarnation != "" {
			n++
		}
	}
	return n
}

// observe notices that the process stood still, which nobody's lease must pay for. One that has just begun has not heard
// anybody in that time, either.
func (r *Roster) observe(now time.Time) {
	if r.called.IsZero() {
		r.called = now
	}
	switch still := now.Sub(r.called); {
	case still > pause:
		r.renew(now)
		if !r.complete {
			r.since = now
		}
	case still > hitch && !r.complete:
		r.since = r.since.Add(still)
	}
	r.called = now
}

func (r *Roster) renew(now time.Time) {
	for _, g := range r.gateways {
		g.spare(now)
		g.noticed = now
	}
}

func (r *Roster) settled(now time.Time) bool {
	on, least := now.Sub(r.since), settling
	if r.restart {
		least = returning
	}
	if on < least || on >= Lease {
		return on >= Lease
	}
	for _, g := range r.gateways {
		if g.incarnation == "" || g.wanted {
			return false
		}
	}
	return true
}
