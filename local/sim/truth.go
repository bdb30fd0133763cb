package sim

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"beckon/gateway/roster"
	presence "beckon/presence/roster"
	"beckon/shared/wire"
)

const (
	// pollEvery is how often the world is held against the truth once the faults have ended.
	pollEvery = 250 * time.Millisecond
	// calmFor is how long everything must have been true.
	calmFor = 1250 * time.Millisecond
)

// bound is how long it takes at most after the end of all faults until everything is true.
func (w *world) bound() time.Duration {
	const (
		shown   = time.Second            // between two counts of a room
		asks    = time.Second            // between two requests for a snapshot of a view, and it may wait for another
		answers = 250 * time.Millisecond // as long, until it leaves
		noticed = presence.Lease         // a gateway that died; longer than NATS is not believed after a new link
		doubted = presence.Lease         // that half of them have
		rest    = 500 * time.Millisecond // messages, and the grain of it all
	)
	bound := w.returning() + asks + answers + shown + rest
	dead := 0
	for _, s := range w.sites {
		if s.gateway == nil {
			dead++
		}
	}
	if dead > 0 {
		bound += noticed
	}
	if dead >= 2 && 2*dead >= len(w.sites) {
		bound += doubted
	}
	return bound
}

// wrong tells what is not as it has to be after all faults have ended.
func (w *world) wrong() error {
	truth := make(map[wire.Entry]bool)
	var sum state
	for _, g := range w.running() {
		for _, login := range g.held {
			truth[wire.Entry{Gateway: g.name, Login: login}] = true
			sum.add(login)
		}
	}
	var errs []error
	for _, r := range w.replicas {
		if err := r.wrong(sum); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	for _, g := range w.running() {
		if err := g.wrong(sum, truth); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.name, err))
		}
	}
	return errors.Join(errs...)
}

// wrong holds a replica against the truth.
func (r *replica) wrong(truth state) error {
	beat := r.lastBeat
	switch stats := r.roster.Stats(); {
	case len(r.w.running()) == 0:
		return nil // with nobody to tell it may go on to doubt that everybody is dead
	case !r.roster.Complete() || !beat.Complete:
		return errors.New("it is not complete")
	case (state{beat.Count, beat.Digest}) != truth:
		return fmt.Errorf("it beats %d sessions, digest %x, want %v", beat.Count, beat.Digest, truth)
	case stats.Sessions != truth.count || stats.Gateways != len(r.w.running()):
		return fmt.Errorf("it counts %d sessions on %d gateways, want %d on %d", stats.Sessions, stats.Gateways, truth.count, len(r.w.running()))
	}
	for _, room := range []string{"lobby", "attic"} {
		page, more := r.roster.List(room, nil, math.MaxInt)
		names := make([]string, len(page))
		for i, u := range page {
			names[i] = u.User
		}
		if want := r.w.inRoom(room); more || !same(names, want) {
			return fmt.Errorf("it lists %v in %s, want %v", names, room, want)
		}
	}
	return nil
}

// wrong holds a gateway against the truth.
func (g *gateway) wrong(sum state, truth map[wire.Entry]bool) error {
	switch {
	case !g.follower.Live(g.w.now):
		return errors.New("it follows no view")
	case g.sum != sum:
		return fmt.Errorf("it knows %v, want %v", g.sum, sum)
	case g.degraded:
		return errors.New("it is degraded")
	}
	where := make(map[string][]string)
	for e := range truth {
		if !g.known[e] {
			return fmt.Errorf("it does not know of %v", e)
		}
		if !slices.Contains(where[e.User], e.Gateway) {
			where[e.User] = append(where[e.User], e.Gateway)
		}
	}
	for m := range g.w.places {
		if got := g.lists.Gateways(m.user); !same(got, where[m.user]) {
			return fmt.Errorf("it has %s on %v, want %v", m.user, got, where[m.user])
		}
	}
	for _, c := range g.clients {
		if err := c.wrong(); err != nil {
			return fmt.Errorf("client %s: %w", c.login.Session, err)
		}
	}
	return nil
}

// wrong holds a client against the truth.
func (c *client) wrong() error {
	w := c.g.w
	want := w.inRoom(c.login.Room)
	switch n := len(want); {
	case c.degraded:
		return errors.New("it is told that presence is away")
	case n > w.limit && !c.counted || n <= w.limit-w.limit/10 && !c.shown:
		return fmt.Errorf("it has a list: %v, a count: %v, of %d with a limit of %d", c.shown, c.counted, n, w.limit)
	case c.counted && c.count != n:
		return fmt.Errorf("it has a count of %d, want %d", c.count, n)
	case c.shown && !same(c.users, want):
		return fmt.Errorf("it has %v, want %v", c.users, want)
	}
	return w.ordered(c)
}

// ordered checks the order of a list: by the time of a login, then by user. A user keeps his place for as long as he has
// sessions, so it is that of any login he had there; hardly anybody had two.
func (w *world) ordered(c *client) error {
	since, user := int64(math.MinInt64), ""
	for _, next := range c.users {
		best, ok := int64(math.MaxInt64), false
		for _, at := range w.places[member{c.login.Room, next}] {
			if cmp.Or(cmp.Compare(at, since), cmp.Compare(next, user)) > 0 && at <= best {
				best, ok = at, true
			}
		}
		if !ok {
			return fmt.Errorf("%s stands after %s in %v", next, user, c.users)
		}
		since, user = best, next
	}
	return nil
}

// inRoom are the users who are in a room, in no order.
func (w *world) inRoom(room string) (users []string) {
	for _, g := range w.running() {
		for _, login := range g.held {
			if login.Room == room && !slices.Contains(users, login.User) {
				users = append(users, login.User)
			}
		}
	}
	return users
}

// same reports whether two lists without repetition have the same members.
func same(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, one := range a {
		if !slices.Contains(b, one) {
			return false
		}
	}
	return true
}

// greeted is how long a client that wants whole lists may be ahead of its room: until that tells the others.
const greeted = time.Second

// agree checks that every client that has missed nothing has what its gateway holds as told last.
func (g *gateway) agree() {
	pages := make(map[string]roster.Page, 2)
	for _, c := range g.clients {
		page, ok := pages[c.login.Room]
		if !ok {
			page = g.lists.Page(c.login.Session, roster.Query{Limit: math.MaxInt})
			pages[c.login.Room] = page
		}
		switch {
		case !c.shown && !c.counted:
			// It has been told nothing yet.
		case c.version > page.Version:
			c.failf("it has version %d of a list of version %d", c.version, page.Version)
		case c.version < page.Version:
			if !c.behind && !c.full && (c.shown || page.Count > g.w.limit) {
				c.failf("it has version %d, and was not told of version %d", c.version, page.Version)
			}
		case c.full && g.w.now.Sub(c.since) <= greeted:
			// It may have been told, ahead of the others, what they will be told.
		case c.counted && c.count != page.Count, c.shown && !same(c.users, page.Users):
			c.failf("it has %d users, %v, of a list of %d, %v", c.count, c.users, page.Count, page.Users)
		}
	}
}
