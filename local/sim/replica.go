package sim

import (
	"slices"
	"strconv"
	"time"

	presence "beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

// replica is a presence process: the real roster, and what presence/replica.go and presence/answers.go do around it.
type replica struct {
	*port
	w      *world
	view   string
	roster *presence.Roster

	timer    timer
	nextBeat time.Time
	complete bool // as told last
	ever     bool // complete

	// As in answers.go: who has asked for a snapshot, the chunks under way, and for whom these are.
	asking  []*gateway
	gate    coalesce.Gate
	chunks  []wire.ViewSnapshot
	replies []*gateway
	sending timer

	book     *book // of what was published
	lastBeat wire.ViewBeat

	owed   map[string]bool // gateways that have to be asked for a snapshot, because messages were dropped
	owedAt time.Time       // then
}

const (
	// viewSnapshotEvery is the snapshotEvery of presence/answers.go.
	viewSnapshotEvery = 250 * time.Millisecond
	// askedWithin is how soon a replica that dropped messages must have asked every gateway: its requests are 250 ms apart,
	// and the chunks of an answer put off the next. Where links lose messages that may go on for a while.
	askedWithin = 700 * time.Millisecond
)

// startReplica starts a process, which has another view than all before it.
func (w *world) startReplica(name string, hub int) *replica {
	w.views++
	r := &replica{
		port: w.net.newPort(name, hub),
		w:    w,
		view: "v" + strconv.Itoa(w.views) + "-" + strconv.Itoa(w.rand.IntN(1000)), // the name decides who follows it
		gate: coalesce.Gate{Interval: viewSnapshotEvery},
	}
	r.roster = presence.New(r.view)
	r.book = newBook(w, name)
	w.books[r.view] = r.book
	r.timer = timer{port: r.port, fire: func() {}}
	r.sending = timer{port: r.port, fire: r.send}
	r.after, r.hearsFirst = r.advance, true
	w.notef("%s starts with view %s", name, r.view)
	r.connect()
	r.wake()
	return r
}

// advance mirrors replica.advance.
func (r *replica) advance() {
	if !r.open {
		return
	}
	now := r.w.now
	if up, news := r.news(); news {
		r.roster.Link(now, up)
		r.owe(now)
	}
	if r.lost() {
		r.roster.Lost(now)
		r.owe(now)
	}
	asks, deltas := r.roster.Advance(now)
	for _, ask := range asks {
		if !ask.Probe {
			delete(r.owed, ask.Gateway)
		}
		r.ask(ask)
	}
	r.paid(now)
	r.publish(deltas)
	if whole := r.roster.Complete(); whole != r.complete {
		r.complete, r.ever = whole, r.ever || whole
		r.nextBeat = now
		r.w.notef("%s is complete: %v", r.name, whole)
	}
	if !now.Before(r.nextBeat) {
		r.beat(now, false)
		r.nextBeat = now.Add(bus.BeatEvery)
	}
	if due, ok := r.answersDue(); ok && !due.After(now) {
		r.w.ids++
		deltas, snapshot := r.roster.ViewSnapshot(now, "s"+strconv.Itoa(r.w.ids))
		r.publish(deltas)
		r.book.snapshot(snapshot)
		r.chunks, r.replies, r.asking = pieces(r.w, snapshot), r.asking, nil
		r.gate.Fired(now)
		r.sending.reset(now)
	}
	if r.w.tracing() {
		for _, news := range r.roster.News() {
			r.w.notef("%s: gateway %s %s, %d sessions", r.name, news.Gateway, news.What, news.Sessions)
		}
	}

	next := r.roster.Next()
	if r.nextBeat.Before(next) {
		next = r.nextBeat
	}
	if due, ok := r.answersDue(); ok && due.Before(next) {
		next = due
	}
	r.timer.reset(next)
}

// answersDue mirrors answers.due.
func (r *replica) answersDue() (time.Time, bool) {
	if len(r.chunks) > 0 {
		return time.Time{}, false
	}
	return r.gate.Due()
}

// send mirrors answers.next: one chunk, and before the next whatever else there is to do.
func (r *replica) send() {
	if len(r.chunks) == 0 {
		return
	}
	chunk := &r.chunks[0]
	r.chunks = r.chunks[1:]
	for _, g := range r.replies {
		r.out(func() {
			r.net.carry(r.port, g.port, what("snapshot", chunk), func() { g.chunk(chunk) })
		})
	}
	if len(r.chunks) > 0 {
		r.sending.reset(r.w.now.Add(r.w.upTo(3 * time.Millisecond)))
	}
}

// requested mirrors replica.hear of a request.
func (r *replica) requested(g *gateway) {
	if r.roster.Complete() && !slices.Contains(r.asking, g) {
		r.asking = append(r.asking, g)
		r.gate.Touch(r.w.now)
	}
}

// ask sends a request to whoever runs under a gateway's name.
func (r *replica) ask(ask presence.Ask) {
	r.out(func() {
		for _, at := range r.w.sites {
			for _, g := range []*gateway{at.gateway, at.hung} {
				if at.name == ask.Gateway && g != nil && g.listening && r.net.reaches(r.port, g.port) {
					r.net.carry(r.port, g.port, what("ask", ask), func() { g.asked(r, ask) })
					return
				}
			}
		}
		r.net.absent(r.port, ask.Gateway, func() { r.roster.Absent(r.w.now, ask.Gateway, ask.Number) })
	})
}

func (r *replica) publish(deltas []wire.Delta) {
	for i := range deltas {
		d := &deltas[i]
		r.book.delta(d)
		r.out(func() {
			for _, g := range r.w.running() {
				if g.hears == r.view && !r.w.now.Before(g.hearsFrom) {
					d := harm(r.w, d)
					r.net.carry(r.port, g.port, what("delta", d), func() { g.delta(d) })
				}
			}
		})
	}
	if len(deltas) > 0 {
		r.book.check()
	}
}

// beat mirrors replica.beat. A replica hears its own.
func (r *replica) beat(now time.Time, stopping bool) {
	deltas, beat := r.roster.ViewBeat(now)
	r.publish(deltas)
	beat.Stopping = stopping
	r.book.beat(&beat)
	r.lastBeat = beat
	r.out(func() {
		for _, g := range r.w.running() {
			r.net.carry(r.port, g.port, what("beat", &beat), func() { g.viewBeat(&beat) })
		}
		r.net.carry(r.port, r.port, what("echo", nil), func() { r.roster.Echo(r.w.now) })
	})
}

// stop mirrors the end of replica.run.
func (r *replica) stop() {
	r.w.notef("%s stops", r.name)
	r.beat(r.w.now, true)
	r.kill()
}

// owe notes that messages may have been missed: all gateways have to be asked for a snapshot soon.
func (r *replica) owe(now time.Time) {
	if !r.linked || (r.w.plan.quality != quality{}) {
		return
	}
	r.owed, r.owedAt = make(map[string]bool), now
	for name, share := range r.book.gateways {
		r.owed[name] = share.count > 0
	}
}

// paid checks that what is owed was asked for in time.
func (r *replica) paid(now time.Time) {
	if r.calm.After(r.owedAt) {
		r.owed = nil
	}
	for name, still := range r.owed {
		if still && r.book.gateways[name].count > 0 && now.Sub(r.owedAt) > askedWithin {
			r.w.failf("%s may have missed messages until %v ago, and has not asked %s for a snapshot", r.name, now.Sub(r.owedAt), name)
		}
	}
}

// pieces cuts a snapshot, which is small, into chunks as if it were large.
func pieces(w *world, whole []wire.ViewSnapshot) []wire.ViewSnapshot {
	if len(whole) != 1 {
		w.failf("a small snapshot has %d chunks", len(whole))
	}
	var all []wire.ViewSnapshot
	for i, part := range cut(w, whole[0].Entries) {
		chunk := whole[0]
		chunk.Chunk, chunk.Entries = i, part
		all = append(all, chunk)
	}
	for i := range all {
		all[i].Chunks = len(all)
	}
	return all
}

// cut cuts a list into one to three parts.
func cut[T any](w *world, all []T) [][]T {
	var parts [][]T
	for range w.rand.IntN(3) {
		n := w.rand.IntN(len(all) + 1)
		parts, all = append(parts, all[:n:n]), all[n:]
	}
	return append(parts, all)
}

// snapshot mirrors replica.snapshot.
func (r *replica) snapshot(gateway string, number uint64, chunk *wire.GatewaySnapshot) {
	if chunk.Chunk == chunk.Chunks-1 {
		delete(r.owed, gateway)
	}
	r.roster.Snapshot(r.w.now, gateway, number, chunk)
}
