package roster

import (
	"time"

	"beckon/shared/wire"
)

// gateway is what is known of the gateway of one name.
type gateway struct {
	name string

	incarnation string // the one believed; "" for none, and then it has no sessions
	seq         uint64
	sessions    map[string]*session
	digest      wire.Digest // of sessions
	spoke       time.Time   // its latest sign of life
	heard       time.Time   // likewise, or later: its lease counts from then
	suspicion               // since then
	replaced    string      // the incarnation believed before

	noticed  time.Time // the latest sign of life of any incarnation
	stranger string    // the latest one heard that was not believed

	wanted bool      // a snapshot
	asked  time.Time // the latest request, or the latest chunk of an answer
	since  uint64    // answers count to the requests from this number on

	// Of the answers that count, the latest that has begun.
	answer   uint64 // the number of its request
	assembly wire.Assembly[wire.Login]
}

// gateway gives the gateway of that name. One that was not known is asked for its snapshot by whoever calls.
func (r *Roster) gateway(name string) *gateway {
	g := r.gateways[name]
	if g == nil {
		g = &gateway{name: name}
		r.gateways[name] = g
	}
	return g
}

// believes reports whether a message of an incarnation may be believed. If not, it has a snapshot asked for.
func (r *Roster) believes(now time.Time, g *gateway, incarnation string) bool {
	g.noticed = now
	if incarnation == g.incarnation {
		return true
	}
	r.returns(now)
	if incarnation != g.stranger {
		// Whoever is answering earlier requests can be the one whom this one followed.
		g.stranger, g.since = incarnation, r.asks+1
	}
	r.want(g)
	return false
}

// want has a snapshot asked for until there is one.
func (r *Roster) want(g *gateway) {
	if !g.wanted {
		g.wanted = true
		r.asking = append(r.asking, g)
	}
}

// requests gives the requests that are due.
func (r *Roster) requests(now time.Time) []Ask {
	if !r.up || len(r.asking) == 0 {
		return nil
	}
	var due []Ask
	still := r.asking[:0]
	for _, g := range r.asking {
		if !g.wanted {
			continue
		}
		still = append(still, g)
		every := askEvery
		if now.Sub(r.answered) < askEvery {
			every = askBusy
		}
		if g.asked.IsZero() || now.Sub(g.asked) >= every {
			r.asks++
			g.asked = now
			due = append(due, Ask{Gateway: g.name, Number: r.asks})
		}
	}
	clear(r.asking[len(still):])
	r.asking = still
	return due
}

// believe makes a snapshot what the gateway holds. Only differences are changes, whichever incarnation held what.
func (r *Roster) believe(now time.Time, g *gateway, incarnation string, seq uint64, logins []wire.Login) {
	if incarnation != g.incarnation {
		if incarnation == g.replaced {
			r.contested++
		}
		g.replaced = g.incarnation
		r.news = append(r.news, News{g.name, "heard", len(logins)})
	}
	g.incarnation, g.seq = incarnation, seq
	r.hear(now, g)
	g.wanted, g.since, g.stranger = false, r.asks+1, ""

	holds := make(map[string]struct{}, len(logins))
	for _, login := range logins {
		holds[login.Session] = struct{}{}
		r.restart = r.restart || login.Since < r.began
		r.view.join(now, g, login)
	}
	for session := range g.sessions {
		if _, ok := holds[session]; !ok {
			r.view.leave(now, g, session)
		}
	}
}

// drop ends the incarnation believed, if there is one, and with it all sessions.
func (r *Roster) drop(now time.Time, g *gateway, why string) {
	if g.incarnation == "" {
		return
	}
	r.news = append(r.news, News{g.name, why, len(g.sessions)})
	r.view.drop(now, g)
	g.incarnation = ""
}

// forget removes a gateway that holds nothing.
func (r *Roster) forget(g *gateway) {
	g.wanted = false
	delete(r.gateways, g.name)
}
