package sim

import (
	"slices"
	"time"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// state is a set of sessions, as beats tell it.
type state struct {
	count  int
	digest wire.Digest
}

func (s *state) add(l wire.Login) { s.count, s.digest = s.count+1, s.digest^wire.Digest(l.Hash()) }

func (s *state) remove(l wire.Login) { s.count, s.digest = s.count-1, s.digest^wire.Digest(l.Hash()) }

// told is all that the processes of one gateway's name have announced, one after the other.
type told struct {
	history  [][]state             // by incarnation and seq
	sessions map[string]wire.Login // of the latest incarnation
}

// begin begins the next incarnation, and gives its number.
func (t *told) begin() int {
	t.history = append(t.history, []state{{}})
	t.sessions = make(map[string]wire.Login)
	return len(t.history) - 1
}

func (t *told) announced(g *gateway, a *wire.Announcement) {
	seqs := &t.history[g.incarnation]
	now := (*seqs)[len(*seqs)-1]
	for _, session := range a.Left {
		now.remove(t.sessions[session])
		delete(t.sessions, session)
	}
	for _, login := range a.Joined {
		now.add(login)
		t.sessions[login.Session] = login
	}
	if a.Seq != uint64(len(*seqs)) {
		g.w.failf("%s announces %d after %d", g.name, a.Seq, len(*seqs)-1)
	}
	*seqs = append(*seqs, now)
}

// snapshot checks that a snapshot holds what was announced.
func (t *told) snapshot(g *gateway, s *wire.GatewaySnapshot) {
	var now state
	for _, login := range s.Logins {
		now.add(login)
	}
	seqs := t.history[g.incarnation]
	if s.Seq != uint64(len(seqs)-1) || now != seqs[s.Seq] {
		g.w.failf("%s has announced %d with %v, and gives a snapshot of %d with %v", g.name, len(seqs)-1, seqs[len(seqs)-1], s.Seq, now)
	}
}

// book is a view as its deltas have told it.
type book struct {
	w        *world
	name     string  // of the replica
	history  []state // by version
	sessions map[wire.Ref]wire.Login
	sum      state
	gateways map[string]*share
}

// share is what a book shows of one gateway: always what one incarnation of it had announced at one time, and never older
// than before.
type share struct {
	state
	by          map[int]int // sessions by incarnation
	incarnation int         // the one shown last
	seq         int         // and as of when
}

func newBook(w *world, name string) *book {
	b := &book{w: w, name: name, history: make([]state, 1), sessions: make(map[wire.Ref]wire.Login), gateways: make(map[string]*share)}
	for _, s := range w.sites {
		b.gateways[s.name] = &share{by: make(map[int]int)}
	}
	return b
}

func (b *book) version() uint64 { return uint64(len(b.history) - 1) }

func (b *book) delta(d *wire.Delta) {
	if d.Version != b.version()+1 {
		b.w.failf("%s publishes %d after %d", b.name, d.Version, b.version())
	}
	for _, gateway := range d.Gone {
		for ref := range b.sessions {
			if ref.Gateway == gateway {
				b.leave(ref)
			}
		}
	}
	for _, ref := range d.Left {
		b.leave(ref)
	}
	for _, e := range d.Joined {
		b.join(e)
	}
	b.history = append(b.history, b.sum)
}

func (b *book) join(e wire.Entry) {
	ref := wire.Ref{Gateway: e.Gateway, Session: e.Session}
	if _, ok := b.sessions[ref]; ok {
		b.w.failf("%s publishes that %v joins, who is there", b.name, ref)
	}
	b.sessions[ref] = e.Login
	b.sum.add(e.Login)
	share := b.gateways[ref.Gateway]
	share.add(e.Login)
	share.by[b.w.incarnations[ref.Session]]++
	b.w.known(e)
}

func (b *book) has(e wire.Entry) bool {
	return b.sessions[wire.Ref{Gateway: e.Gateway, Session: e.Session}] == e.Login
}

func (b *book) leave(ref wire.Ref) {
	login, ok := b.sessions[ref]
	if !ok {
		b.w.failf("%s publishes that %v leaves, who is not there", b.name, ref)
	}
	delete(b.sessions, ref)
	b.sum.remove(login)
	share := b.gateways[ref.Gateway]
	share.remove(login)
	incarnation := b.w.incarnations[ref.Session]
	if share.by[incarnation]--; share.by[incarnation] == 0 {
		delete(share.by, incarnation)
	}
}

// check checks what the view shows now of each gateway.
func (b *book) check() {
	if b.w.kind == harmed {
		return
	}
	for _, site := range b.w.sites {
		s := b.gateways[site.name]
		if s.count == 0 {
			continue // it never held anybody, or is gone
		}
		if len(s.by) > 1 {
			b.w.failf("%s shows sessions of several incarnations of %s: %v", b.name, site.name, s.by)
		}
		for incarnation := range s.by {
			switch {
			case incarnation < s.incarnation:
				b.w.failf("%s shows incarnation %d of %s after %d", b.name, incarnation, site.name, s.incarnation)
			case incarnation > s.incarnation:
				s.incarnation, s.seq = incarnation, 0
			}
		}
		later := slices.Index(site.told.history[s.incarnation][s.seq:], s.state)
		if later < 0 {
			b.w.failf("%s shows %d sessions of incarnation %d of %s, which it has not held since its announcement %d",
				b.name, s.count, s.incarnation, site.name, s.seq)
		}
		s.seq += later
	}
}

// beat checks that a beat says what was published.
func (b *book) beat(m *wire.ViewBeat) {
	if said := (state{m.Count, m.Digest}); m.Version != b.version() || said != b.sum {
		b.w.failf("%s has published version %d with %v, and beats %d with %v", b.name, b.version(), b.sum, m.Version, said)
	}
}

// snapshot checks that a snapshot holds what was published.
func (b *book) snapshot(chunks []wire.ViewSnapshot) {
	var sum state
	for _, e := range chunks[0].Entries {
		sum.add(e.Login)
	}
	if chunks[0].Version != b.version() || sum != b.sum {
		b.w.failf("%s has published version %d with %v, and gives a snapshot of %d with %v",
			b.name, b.version(), b.sum, chunks[0].Version, sum)
	}
}

// sumUp adds a follower's changes up, and checks that they are its table, and that this is what the view that it
// follows was at some time, and not earlier than before.
func (g *gateway) sumUp(changes []roster.Change) {
	if len(changes) == 0 {
		return
	}
	for _, c := range changes {
		switch there := g.known[c.Entry]; {
		case c.Left != there:
			g.w.failf("%s is told that %v left: %v, and it was there: %v", g.name, c.Entry, c.Left, there)
		case c.Left:
			g.known[c.Entry] = false
			g.sum.remove(c.Login)
		default:
			g.known[c.Entry] = true
			g.sum.add(c.Login)
		}
	}
	count, digest := g.follower.Sum()
	if table := (state{count, digest}); table != g.sum {
		g.w.failf("the follower of %s has %v, and its changes add up to %v", g.name, table, g.sum)
	}
	if g.w.kind == harmed {
		return
	}
	history := g.w.books[g.hears].history
	later := slices.Index(history[g.version:], g.sum)
	if later < 0 {
		g.w.failf("the follower of %s has %v, which %s has not been since its version %d", g.name, g.sum, g.hears, g.version)
	}
	g.version += later
}

// needless checks that a follower to whom nothing was lost needs no snapshot.
func (g *gateway) needless(why string) {
	switch why {
	case "a gap between deltas", "deltas have not come", "digests differ":
	default:
		return
	}
	for _, r := range g.w.replicas {
		if r.view == g.follower.View() && g.net.undisturbed(g.followedAt, g.port, r.port) {
			g.w.failf("nothing was lost from %s to %s since %v, yet a snapshot is needed: %s",
				r.name, g.name, g.w.now.Sub(g.followedAt).Round(time.Millisecond), why)
		}
	}
}
