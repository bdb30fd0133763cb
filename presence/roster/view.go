package roster

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/btree"

	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

// view is everything that the gateways hold, indexed for queries, and what of it has not been published yet.
type view struct {
	name   string
	count  int
	digest wire.Digest
	users  map[string]sessions
	rooms  map[string]*room
	nodes  *btree.FreeListG[*session] // of all rooms

	// Of the published view, version changes into this one when first the gateways in gone lose everything, then the
	// changes apply.
	version uint64
	gone    map[string]struct{}
	changes coalesce.Changes[wire.Ref, wire.Login]
	gate    coalesce.Gate
}

func newView(name string) *view {
	return &view{
		name:  name,
		users: make(map[string]sessions),
		rooms: make(map[string]*room),
		nodes: btree.NewFreeListG[*session](btree.DefaultFreeListSize),
		gone:  make(map[string]struct{}),
		gate:  coalesce.Gate{Interval: DeltaEvery},
	}
}

// join adds a login to a gateway, in the place of one of the same session.
func (v *view) join(now time.Time, g *gateway, login wire.Login) {
	var was wire.Login
	old, had := g.sessions[login.Session]
	if had {
		if was = old.Login; was == login {
			return
		}
		v.remove(old)
	}
	v.add(&session{Login: login, gateway: g})
	v.changes.Put(wire.Ref{Gateway: g.name, Session: login.Session}, login, was, had)
	v.gate.Touch(now)
}

// leave takes a session from a gateway. One that it does not hold is fine.
func (v *view) leave(now time.Time, g *gateway, id string) {
	s, ok := g.sessions[id]
	if !ok {
		return
	}
	v.remove(s)
	v.changes.Remove(wire.Ref{Gateway: g.name, Session: id}, s.Login)
	v.gate.Touch(now)
}

// drop takes all sessions from a gateway.
func (v *view) drop(now time.Time, g *gateway) {
	for _, s := range g.sessions {
		v.remove(s)
	}
	v.changes.Forget(func(ref wire.Ref) bool { return ref.Gateway == g.name })
	v.gone[g.name] = struct{}{}
	v.gate.Touch(now)
}

// add puts a session into the indexes.
func (v *view) add(s *session) {
	in := v.rooms[s.Room]
	if in == nil {
		in = newRoom(s.Room, v.nodes)
		v.rooms[s.Room] = in
	}
	own := v.users[s.User]
	s.Room = in.name // one copy of each name
	if other := own.any(); other != nil {
		s.User = other.User
	}
	before := own.in(s.Room)
	own = own.with(s)
	v.users[s.User] = own
	in.sessions++
	in.reorder(before, own.in(s.Room))

	if s.gateway.sessions == nil {
		s.gateway.sessions = make(map[string]*session)
	}
	s.gateway.sessions[s.Session] = s
	v.tally(s, +1)
}

// remove takes a session out of the indexes.
func (v *view) remove(s *session) {
	own := v.users[s.User]
	before := own.in(s.Room)
	own = own.without(s)
	if own.any() == nil {
		delete(v.users, s.User)
	} else {
		v.users[s.User] = own
	}
	in := v.rooms[s.Room]
	in.sessions--
	in.reorder(before, own.in(s.Room))
	if in.sessions == 0 {
		delete(v.rooms, s.Room)
	}

	delete(s.gateway.sessions, s.Session)
	v.tally(s, -1)
}

func (v *view) tally(s *session, by int) {
	hash := wire.Digest(s.Hash())
	v.count += by
	v.digest ^= hash
	s.gateway.digest ^= hash
}

// due gives the deltas that are due, none before their time.
func (v *view) due(now time.Time) []wire.Delta {
	if !v.gate.Open(now) {
		return nil
	}
	return v.flush(now)
}

// flush gives all that has not been published, in as many deltas as it needs.
func (v *view) flush(now time.Time) []wire.Delta {
	if _, changed := v.gate.Due(); !changed {
		return nil
	}
	v.gate.Fired(now)

	var deltas []wire.Delta
	var filling wire.Filling
	next := func(one wire.Sized) *wire.Delta {
		if fits := filling.Add(one); !fits || len(deltas) == 0 {
			v.version++
			deltas = append(deltas, wire.Delta{View: v.name, Version: v.version})
		}
		return &deltas[len(deltas)-1]
	}
	for _, name := range slices.Sorted(maps.Keys(v.gone)) {
		d := next(wire.Ref{Gateway: name})
		d.Gone = append(d.Gone, name)
	}
	clear(v.gone)
	for _, step := range v.changes.Take(compareRefs) {
		if step.Came {
			entry := wire.Entry{Gateway: step.Key.Gateway, Login: step.Value}
			d := next(entry)
			d.Joined = append(d.Joined, entry)
		} else {
			d := next(step.Key)
			d.Left = append(d.Left, step.Key)
		}
	}
	return deltas
}

func compareRefs(a, b wire.Ref) int {
	if c := strings.Compare(a.Gateway, b.Gateway); c != 0 {
		return c
	}
	return strings.Compare(a.Session, b.Session)
}
