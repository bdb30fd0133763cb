package roster

import (
	"maps"
	"slices"
	"time"
)

// The tempo of noticing that a gateway has died.
const (
	// suspectAfter is how long a gateway may be silent until it is asked whether it is there.
	suspectAfter = 400 * time.Millisecond
	// probeEvery is the time between two such questions, and the least time between two answers of NATS that nobody was
	// there to ask: a gateway that moves to another NATS server is not there for a moment.
	probeEvery = 300 * time.Millisecond
	// together is the most time between the last that two gateways said who fell silent for the same reason: two beats.
	together = 500 * time.Millisecond
	// linkedFor is how long this replica's own link must have been up until NATS is believed that nobody is there. Servers
	// that have just met do not know each other's subscriptions yet.
	linkedFor = 3 * time.Second
	// doubtFor is how long a replica that would lose half of all gateways at once waits whether it is itself who is cut off.
	doubtFor = Lease
)

// suspicion is what speaks for a gateway's end since its latest sign of life.
type suspicion struct {
	from   uint64    // requests from this number on were made since then; 0 for none yet
	asked  time.Time // the latest probe
	absent time.Time // when NATS first said that nobody was there to ask; zero if it has not
	dead   bool      // it has said so twice
}

// spare gives a gateway a whole lease again.
func (g *gateway) spare(now time.Time) {
	g.heard, g.suspicion = now, suspicion{}
}

// hear notes a sign of life of the incarnation believed. It may show that it was this replica that could not hear:
//   - If NATS had said that nobody was there, NATS did not know. Then what it said of others until now does not count.
//   - If the gateway was silent for long, those that fell silent together with it are about to be heard, too.
func (r *Roster) hear(now time.Time, g *gateway) {
	if !g.absent.IsZero() {
		for _, other := range r.gateways {
			other.suspicion = suspicion{}
		}
	}
	if now.Sub(g.heard) > Lease/2 {
		for _, other := range r.gateways {
			if apart := g.spoke.Sub(other.spoke).Abs(); apart <= together {
				other.spare(now)
			}
		}
	}
	g.spare(now)
	g.spoke = now
}

// Absent tells that NATS knew nobody who would take the request of that number.
func (r *Roster) Absent(now time.Time, name string, number uint64) {
	r.observe(now)
	g := r.gateways[name]
	if g == nil || g.from == 0 || number < g.from || !r.hears(now) || now.Sub(r.linked) < linkedFor {
		return
	}
	switch {
	case g.absent.IsZero():
		g.absent = now
	case now.Sub(g.absent) >= probeEvery:
		g.dead = true
	}
}

// hears reports that what is published on this link can be heard on it.
func (r *Roster) hears(now time.Time) bool { return r.up && now.Sub(r.echoed) <= deaf }

// probes gives the questions that are due to gateways that are silent.
func (r *Roster) probes(now time.Time) (due []Ask) {
	for _, g := range r.inOrder() {
		if g.incarnation == "" || now.Sub(g.heard) < suspectAfter || now.Sub(g.suspicion.asked) < probeEvery {
			continue
		}
		r.asks++
		if g.from == 0 {
			g.from = r.asks
		}
		g.suspicion.asked = now
		due = append(due, Ask{Gateway: g.name, Number: r.asks, Probe: true})
	}
	return due
}

// expire drops the gateways that are known or taken to be dead.
func (r *Roster) expire(now time.Time) {
	var dying []*gateway
	believed, failing := 0, 0
	for _, g := range r.inOrder() {
		silence := now.Sub(g.heard)
		if g.incarnation != "" {
			believed++
			if !g.absent.IsZero() || silence > Lease/2 {
				failing++
			}
			if g.dead || silence > Lease {
				dying = append(dying, g)
			}
		}
		// Those that it lost in doubt a replica awaits when the first is back.
		if g.incarnation == "" && now.Sub(g.noticed) > Lease && !r.bereft {
			r.forget(g)
		}
	}
	switch mass := failing >= 2 && 2*failing >= believed; {
	case mass && !r.Doubts() && len(dying) > 0:
		r.doubted = now
	case !mass && r.Doubts():
		if now.Sub(r.doubted) < doubtFor {
			// Somebody is back, so it was this replica that was cut off. What it heard of the others meanwhile does not count.
			r.renew(now)
			dying = nil
		}
		r.doubted = time.Time{}
	}
	// If everybody is dead there is nobody to tell it to. If not, it is this replica that is cut off, however long.
	if r.Doubts() && (now.Sub(r.doubted) < doubtFor || len(dying) == believed) {
		return
	}
	r.bereft = r.bereft || r.Doubts() && len(dying) > 0
	for _, g := range dying {
		why := "silent"
		if g.dead {
			why = "gone"
		}
		r.drop(now, g, why)
	}
}

// returns tells that a gateway is heard that is not known, or no longer. If the replica has given up half of all gateways
// at once, it may have been cut off from them, and the others follow: until they have, its view is not to be followed.
func (r *Roster) returns(now time.Time) {
	if r.bereft {
		r.bereft, r.complete, r.since = false, false, now
		r.renew(now)
	}
}

// Doubts reports that half of all gateways or more seem to have died at once, so that this replica rather doubts itself.
// Its view stands meanwhile, and gateways had better follow another.
func (r *Roster) Doubts() bool { return !r.doubted.IsZero() }

// inOrder is every gateway, in an order that does not depend on the map's.
func (r *Roster) inOrder() []*gateway {
	all := make([]*gateway, 0, len(r.gateways))
	for _, name := range slices.Sorted(maps.Keys(r.gateways)) {
		all = append(all, r.gateways[name])
	}
	return all
}
