package roster

import (
	"bytes"
	"crypto/sha256"
	"time"

	"beckon/shared/wire"
)

// The tempo of following.
const (
	// quietAfter is how long a view may be silent before another is followed: six beats.
	quietAfter = 1500 * time.Millisecond
	// askEvery is when a snapshot is asked for again of which nothing has come. A view gives no more than one in that
	// time.
	askEvery = time.Second
	// askAbsent is the same when NATS knows nobody who would answer: the replica is about to come back, or dead.
	askAbsent = 250 * time.Millisecond
	// patienceMost bounds the time between two snapshots for the reason that digests differ.
	patienceMost = 32 * time.Second
	// heldMost bounds the deltas that are kept while a snapshot is on its way. There are at most 40 small ones a
	// second; large ones have 96 KiB each. When there are more all are dropped, which leads to another snapshot.
	heldMost = 256
	// degradedAfter is for how long the followed view may not be there until clients are told: longer than moving to another
	// takes, and than a replica needs that starts again.
	degradedAfter = time.Second
	// forgetAfter bounds the replicas that are remembered: each start of one is a new view.
	forgetAfter = 10 * time.Second
)

// Follower decides which replica's view is followed, and keeps a copy of it. It is pure: the caller tells it what was
// heard and what time it is, does what the [Effects] say, and calls Tick when Deadline is over.
//
// It begins to follow only a view that is complete, adopts snapshots of complete views only, and between views keeps
// what it has: a view that goes away is no logout.
type Follower struct {
	gateway  string
	up       bool // there is a link to NATS
	replicas map[string]*replica

	view    string // the one followed; "" before the first
	version uint64 // of the table, in view; 0 when the table is still another view's
	table   table
	adopted bool      // a snapshot of view was adopted, on this link
	ever    bool      // a snapshot of any view was
	dark    time.Time // since when the table is not that of a view that is heard; zero while it is

	// While the table is not view as of version:
	needed   bool
	askAt    time.Time // not before
	assembly wire.Assembly[wire.Entry]
	held     []*wire.Delta // that came meanwhile

	// Two sides that count differently would not agree after a snapshot either, so this is tried ever more seldom.
	doubtAt  time.Time // not before
	patience time.Duration

	out Effects
}

// replica is one that was heard lately.
type replica struct {
	heard    time.Time
	version  uint64 // as of its last beat
	complete bool
	stopping bool
}

// Effects are what the caller has to do, in this order.
type Effects struct {
	Changes []Change // sessions that came or left, in order
	Resync  string   // why a snapshot is needed, if that is news
	Follow  string   // hear the deltas of this view instead of those of the one before
	Ask     bool     // ask the followed view for a snapshot
}

// NewFollower makes the follower of a gateway, which knows nothing and has no link yet.
func NewFollower(gateway string) *Follower {
	return &Follower{gateway: gateway, replicas: make(map[string]*replica), table: newTable(), patience: askEvery}
}

// Link tells that the link to NATS has gone, or that there is a new one. What was said meanwhile was not heard, so
// silence counts from now on.
func (f *Follower) Link(now time.Time, up bool) Effects {
	f.up = up
	f.adopted = false
	if r := f.replicas[f.view]; up && r != nil {
		r.heard = now
		f.askAt = now
		f.need("a new link to NATS")
	}
	return f.settle(now)
}

// Lost tells that messages were dropped on the way from NATS to here.
func (f *Follower) Lost(now time.Time) Effects {
	if f.view != "" {
		f.need("messages were dropped here")
	}
	return f.settle(now)
}

// Beat takes a replica's beat.
func (f *Follower) Beat(now time.Time, m *wire.ViewBeat) Effects {
	r := f.replicas[m.View]
	if r == nil {
		f.forget(now)
		r = &replica{}
		f.replicas[m.View] = r
	}
	before := r.version
	r.heard, r.version, r.complete = now, m.Version, m.Complete
	r.stopping = r.stopping || m.Stopping // an end is for good: the next start is another view
	if m.View == f.view && !f.needed {
		f.compare(now, m, before)
	}
	return f.settle(now)
}

// compare holds the table against a beat of its view. A beat may overtake deltas by a little, but not by a whole beat.
func (f *Follower) compare(now time.Time, m *wire.ViewBeat, versionBefore uint64) {
	switch {
	case f.version < versionBefore:
		f.need("deltas have not come")
	case f.version != m.Version:
	case f.table.count == m.Count && f.table.digest == m.Digest:
		f.doubtAt, f.patience = time.Time{}, askEvery
	case !now.Before(f.doubtAt):
		f.doubtAt = now.Add(f.patience)
		f.patience = min(2*f.patience, patienceMost)
		f.need("digests differ")
	}
}

// Delta takes a delta of any view.
func (f *Follower) Delta(now time.Time, m *wire.Delta) Effects {
	r := f.replicas[m.View]
	if r == nil || m.View != f.view {
		return Effects{} // of the view that was followed before
	}
	r.heard = now
	f.advance(m)
	return f.settle(now)
}

func (f *Follower) advance(m *wire.Delta) {
	switch {
	case m.Version <= f.version:
		// It is in the table already.
	case !f.needed && m.Version == f.version+1:
		f.version = m.Version
		f.out.Changes = append(f.out.Changes, f.table.apply(m)...)
	default:
		f.need("a gap between deltas")
		if len(f.held) == heldMost {
			f.held = nil
		}
		f.held = append(f.held, m)
	}
}

// Chunk takes a part of a snapshot of any view.
func (f *Follower) Chunk(now time.Time, m *wire.ViewSnapshot) Effects {
	r := f.replicas[m.View]
	if r == nil || m.View != f.view || !f.needed {
		return Effects{}
	}
	r.heard = now
	f.askAt = now.Add(askEvery)
	entries, whole := f.assembly.Add(m.ID, m.Chunk, m.Chunks, m.Entries)
	// A late answer to an earlier request may be older than what is here.
	if whole && r.complete && m.Version >= f.version {
		f.adopt(m.Version, entries)
	}
	return f.settle(now)
}

func (f *Follower) adopt(version uint64, entries []wire.Entry) {
	f.out.Changes = append(f.out.Changes, f.table.replace(entries)...)
	f.version = version
	f.needed, f.adopted, f.ever = false, true, true
	held := f.held
	f.held = nil
	for _, m := range held {
		f.advance(m)
	}
}

// Absent tells that NATS found nobody who would answer the request for a snapshot.
func (f *Follower) Absent(now time.Time) Effects {
	if soon := now.Add(askAbsent); f.needed && soon.Before(f.askAt) {
		f.askAt = soon
	}
	return f.settle(now)
}

// Tick tells that the time of deadline has come.
func (f *Follower) Tick(now time.Time) Effects { return f.settle(now) }

// Deadline is when Tick is to be called if nothing is heard before; false for never.
func (f *Follower) Deadline(now time.Time) (at time.Time, ok bool) {
	if f.heard(f.view, now) {
		r := f.replicas[f.view]
		at, ok = r.heard.Add(quietAfter), true
		if f.needed && r.complete && f.askAt.Before(at) {
			at = f.askAt
		}
	}
	if told := f.dark.Add(degradedAfter); !f.dark.IsZero() && now.Before(told) && (!ok || told.Before(at)) {
		at, ok = told, true
	}
	return at, ok
}

// View is the one that is followed; "" before the first.
func (f *Follower) View() string { return f.view }

// Sum is the number of sessions on all gateways, and their digest, as far as is known here.
func (f *Follower) Sum() (count int, digest wire.Digest) { return f.table.count, f.table.digest }

// Live reports that the table follows its view now.
func (f *Follower) Live(now time.Time) bool { return f.adopted && f.heard(f.view, now) }

// Degraded reports that the table has not been that of a view that is heard for so long that clients should know.
func (f *Follower) Degraded(now time.Time) bool {
	return !f.dark.IsZero() && now.Sub(f.dark) >= degradedAfter
}

// need sees to it that a snapshot is asked for.
func (f *Follower) need(why string) {
	if f.needed {
		return
	}
	f.needed = true
	f.assembly = wire.Assembly[wire.Entry]{}
	f.out.Resync = why
}

// settle draws the consequences of what was heard, and of the time.
func (f *Follower) settle(now time.Time) Effects {
	if !f.whole(f.view, now) {
		if view := f.best(now); view != "" {
			f.begin(now, view)
		}
	}
	if f.needed && f.whole(f.view, now) && !now.Before(f.askAt) {
		f.askAt = now.Add(askEvery)
		f.out.Ask = true
	}
	switch {
	case f.Live(now) && !f.needed:
		f.dark = time.Time{}
	case f.dark.IsZero():
		f.dark = now
	}
	out := f.out
	f.out = Effects{}
	return out
}

// begin follows another view. The table stays as it is until that view's snapshot is here.
func (f *Follower) begin(now time.Time, view string) {
	f.view, f.version, f.adopted = view, 0, false
	f.needed, f.askAt, f.held, f.assembly = true, now, nil, wire.Assembly[wire.Entry]{}
	f.doubtAt, f.patience = time.Time{}, askEvery
	f.out.Follow = view
}

// heard reports that a replica is there: it may be followed on.
func (f *Follower) heard(view string, now time.Time) bool {
	r := f.replicas[view]
	return f.up && r != nil && !r.stopping && now.Sub(r.heard) < quietAfter
}

// whole reports that a replica is there and complete: its snapshots may be adopted.
func (f *Follower) whole(view string, now time.Time) bool {
	return f.heard(view, now) && f.replicas[view].complete
}

// best is the view to follow: among those that are whole the first in an order that is each gateway's own, so that
// gateways spread over replicas (rendezvous hashing). It is "" if there is none.
func (f *Follower) best(now time.Time) string {
	var best string
	var most [sha256.Size]byte
	for view := range f.replicas {
		if !f.whole(view, now) {
			continue
		}
		if rank := sha256.Sum256([]byte(view + "." + f.gateway)); best == "" || bytes.Compare(rank[:], most[:]) > 0 {
			best, most = view, rank
		}
	}
	return best
}

// forget drops replicas that have long been silent.
func (f *Follower) forget(now time.Time) {
	for view, r := range f.replicas {
		if view != f.view && now.Sub(r.heard) > forgetAfter {
			delete(f.replicas, view)
		}
	}
}
