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

// announcing is a gateway's side of presence: the real ledger, and what shared/bus/announce.go does around it.
type announcing struct {
	ledger    *bus.Ledger
	listening bool // it takes requests
	nextBeat  time.Time
	asking    []request
	answers   coalesce.Gate
	announces timer

	held map[string]wire.Login // the truth: what the ledger was told
	told *told                 // and what it has said
}

type request struct {
	from   *replica
	number uint64
}

const (
	// gatewaySnapshotEvery is the snapshotEvery, and probedBeat that of shared/bus/announce.go.
	gatewaySnapshotEvery = 100 * time.Millisecond
	probedBeat           = 10 * time.Millisecond
)

// join mirrors Announcer.Join; leave, Leave.
func (g *gateway) join(login wire.Login) {
	g.held[login.Session] = login
	g.ledger.Join(g.w.now, login)
}

func (g *gateway) leave(session string) {
	delete(g.held, session)
	g.ledger.Leave(g.w.now, session)
}

// asked mirrors Announcer.take.
func (g *gateway) asked(by *replica, ask presence.Ask) {
	now := g.w.now
	if ask.Probe {
		if soon := now.Add(probedBeat); soon.Before(g.nextBeat) {
			g.nextBeat = soon
		}
		return
	}
	if r := (request{by, ask.Number}); !slices.Contains(g.asking, r) {
		g.asking = append(g.asking, r)
		g.answers.Touch(now)
	}
}

// announce mirrors Announcer.advance.
func (g *gateway) announce() {
	now := g.w.now
	g.say(g.ledger.Announce(now))
	if !now.Before(g.nextBeat) {
		g.nextBeat = now.Add(bus.BeatEvery)
		g.beat(now, false)
	}
	if g.answers.Open(now) {
		g.answer(now)
		g.answers.Fired(now)
	}

	next := g.nextBeat
	if due, ok := g.ledger.Due(); ok && due.Before(next) {
		next = due
	}
	if due, ok := g.answers.Due(); ok && due.Before(next) {
		next = due
	}
	g.announces.reset(next)
}

func (g *gateway) say(said []wire.Announcement) {
	for i := range said {
		a := &said[i]
		g.told.announced(g, a)
		g.out(func() {
			for _, r := range g.w.replicas {
				a := harm(g.w, a)
				g.net.carry(g.port, r.port, what("announcement", a), func() { r.roster.Announced(g.w.now, g.name, a) })
			}
		})
	}
}

func (g *gateway) beat(now time.Time, stopping bool) {
	said, beat := g.ledger.Beat(now)
	g.say(said)
	beat.Stopping = stopping
	g.out(func() {
		for _, r := range g.w.replicas {
			g.net.carry(g.port, r.port, what("beat", &beat), func() { r.roster.Beat(g.w.now, g.name, &beat) })
		}
	})
}

// answer mirrors Announcer.answer; the snapshot, which is small, is cut into chunks as if it were large.
func (g *gateway) answer(now time.Time) {
	g.w.ids++
	said, snapshot := g.ledger.Snapshot(now, "s"+strconv.Itoa(g.w.ids))
	g.say(said)
	if len(snapshot) != 1 {
		g.w.failf("a small snapshot has %d chunks", len(snapshot))
	}
	g.told.snapshot(g, &snapshot[0])
	parts := cut(g.w, snapshot[0].Logins)
	for i, part := range parts {
		chunk := snapshot[0]
		chunk.Chunk, chunk.Chunks, chunk.Logins = i, len(parts), part
		for _, asked := range g.asking {
			g.out(func() {
				g.net.carry(g.port, asked.from.port, what("snapshot", &chunk), func() {
					asked.from.snapshot(g.name, asked.number, &chunk)
				})
			})
		}
	}
	g.asking = nil
}

// stop mirrors Announcer.end.
func (g *gateway) stop() {
	g.w.notef("%s stops", g.name)
	g.listening = false
	g.beat(g.w.now, true)
	g.kill()
}
