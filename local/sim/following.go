package sim

import (
	"time"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// following is how a gateway knows the others' sessions and tells its own: the real follower and lists, and what
// gateway/roster/follow.go and fanout.go do around them.
type following struct {
	follower *roster.Follower
	lists    *roster.Lists
	follows  timer
	fansOut  timer
	pushes   []roster.Push

	// The deltas of which view it hears, since when.
	hears      string
	hearsFrom  time.Time
	followedAt time.Time

	known    map[wire.Entry]bool // true for what the follower's changes add up to, false for what left again
	sum      state               // of known
	version  int                 // at which the view that it follows was that
	degraded bool

	owed time.Time // a snapshot has to be asked for by then, because messages were dropped; zero for none
}

// asksAgainWithin is how soon a gateway that dropped messages must have asked for a snapshot: requests are a second apart.
const asksAgainWithin = 1200 * time.Millisecond

// notice mirrors the beginning of Roster.follow's loop, and Announcer.run when the link is back.
func (g *gateway) notice() {
	if up, news := g.news(); news {
		g.owed = time.Time{}
		g.perform(g.follower.Link(g.w.now, false))
		if up {
			g.perform(g.follower.Link(g.w.now, true))
			g.hearsFrom = g.w.now.Add(subscribing)
			g.nextBeat = g.w.now
		}
	}
	if g.lost() {
		g.owe()
		g.perform(g.follower.Lost(g.w.now))
	}
}

func (g *gateway) viewBeat(m *wire.ViewBeat) {
	g.notice()
	g.perform(g.follower.Beat(g.w.now, m))
}

func (g *gateway) delta(m *wire.Delta) {
	g.notice()
	g.perform(g.follower.Delta(g.w.now, m))
}

func (g *gateway) chunk(m *wire.ViewSnapshot) {
	g.notice()
	g.owed = time.Time{} // it had asked before
	g.perform(g.follower.Chunk(g.w.now, m))
}

// perform mirrors Roster.perform.
func (g *gateway) perform(e roster.Effects) {
	g.sumUp(e.Changes)
	if len(e.Changes) > 0 {
		g.lists.Apply(g.w.now, e.Changes)
	}
	if e.Resync != "" {
		g.w.notef("%s needs a snapshot: %s", g.name, e.Resync)
		g.needless(e.Resync)
	}
	if e.Follow != "" {
		g.w.notef("%s follows %s", g.name, e.Follow)
		g.hears, g.hearsFrom, g.followedAt, g.version = e.Follow, g.w.now.Add(subscribing), g.w.now, 0
		g.owed = time.Time{}
	}
	if e.Ask {
		g.owed = time.Time{}
		g.ask(g.follower.View())
	}
}

// ask asks a view for its snapshot.
func (g *gateway) ask(view string) {
	g.out(func() {
		for _, r := range g.w.replicas {
			if r.view == view && g.net.reaches(g.port, r.port) {
				g.net.carry(g.port, r.port, what("request", nil), func() { r.requested(g) })
				return
			}
		}
		g.net.absent(g.port, view, func() { g.perform(g.follower.Absent(g.w.now)) })
	})
}

// follow mirrors the rest of Roster.follow's loop, and Roster.report.
func (g *gateway) follow() {
	now := g.w.now
	g.perform(g.follower.Tick(now))
	if degraded := g.follower.Degraded(now); degraded != g.degraded {
		g.w.notef("%s is degraded: %v", g.name, degraded)
		g.degraded = degraded
		g.lists.Degraded(now, degraded)
	}
	g.paid()
	if at, ok := g.follower.Deadline(now); ok {
		g.follows.reset(at)
	}
}

// fanOut mirrors Roster.fanOut and flush.
func (g *gateway) fanOut() {
	now, told := g.w.now, false
	for more := true; more; {
		g.pushes, more = g.lists.Flush(now, g.pushes[:0])
		var missed []roster.Push
		for _, p := range g.pushes {
			told = true
			if !p.Send() {
				missed = append(missed, p)
			}
		}
		if len(missed) > 0 {
			g.lists.Missed(now, missed)
		}
	}
	if told {
		g.agree()
	}
	if at, ok := g.lists.Next(); ok {
		g.fansOut.reset(at)
	}
}

// owe notes that messages were dropped: a snapshot has to be asked for soon.
func (g *gateway) owe() {
	if g.follower.Live(g.w.now) && g.linked {
		g.owed = g.w.now.Add(asksAgainWithin)
	}
}

// paid checks that what is owed was asked for in time.
func (g *gateway) paid() {
	switch {
	case g.owed.IsZero():
	case g.calm.After(g.owed.Add(-asksAgainWithin)) || !g.follower.Live(g.w.now) || !g.complete(g.follower.View()):
		g.owed = time.Time{}
	case g.w.now.After(g.owed):
		g.w.failf("%s dropped messages, and asks for no snapshot", g.name)
	}
}

// complete reports that a view is, as its replica last said.
func (g *gateway) complete(view string) bool {
	for _, r := range g.w.replicas {
		if r.view == view {
			return r.complete
		}
	}
	return false
}
