package roster

import (
	"slices"

	"github.com/google/btree"

	"beckon/shared/wire"
)

// User is a user in a room, since the earliest login of those that the user has there now.
type User struct {
	User  string
	Since int64 // Unix milliseconds
}

// degree of the trees: nodes of up to 63 sessions.
const degree = 32

// room is who is in one room.
type room struct {
	name     string
	sessions int
	users    *btree.BTreeG[*session] // of each user the session that came first, in join order
}

func newRoom(name string, nodes *btree.FreeListG[*session]) *room {
	return &room{name: name, users: btree.NewWithFreeListG(degree, joinedBefore, nodes)}
}

// joinedBefore is the join order: by login time, then by user.
func joinedBefore(a, b *session) bool {
	if a.Since != b.Since {
		return a.Since < b.Since
	}
	return a.User < b.User
}

// reorder follows a user whose first session of the room was before and is after; nil for none.
func (r *room) reorder(before, after *session) {
	if before == after {
		return
	}
	if before != nil {
		r.users.Delete(before)
	}
	if after != nil {
		r.users.ReplaceOrInsert(after)
	}
}

// List gives the users of a room in join order: by the time of their login, then by id. It begins after a user's place
// in that order, who may have left; nil for the first. more reports that there are others after the limit.
func (r *Roster) List(room string, after *User, limit int) (page []User, more bool) {
	in := r.view.rooms[room]
	if in == nil {
		return nil, false
	}
	page = make([]User, 0, min(limit, in.users.Len()))
	take := func(s *session) bool {
		if after != nil && s.Since == after.Since && s.User == after.User {
			return true
		}
		if more = len(page) == limit; more {
			return false
		}
		page = append(page, User{User: s.User, Since: s.Since})
		return true
	}
	if after == nil {
		in.users.Ascend(take)
	} else {
		in.users.AscendGreaterOrEqual(&session{Login: wire.Login{User: after.User, Since: after.Since}}, take)
	}
	return page, more
}

// Count counts a room's users and sessions.
func (r *Roster) Count(room string) (users, sessions int) {
	if in := r.view.rooms[room]; in != nil {
		return in.users.Len(), in.sessions
	}
	return 0, 0
}

// Where gives a user's sessions in all rooms, by the time of their login.
func (r *Roster) Where(user string) []wire.Entry {
	sessions := r.view.users[user].all()
	slices.SortFunc(sessions, compareLogins)
	return entries(sessions)
}

// Entries gives everything, by gateway and session.
func (r *Roster) Entries() []wire.Entry {
	sessions := make([]*session, 0, r.view.count)
	for _, g := range r.gateways {
		for _, s := range g.sessions {
			sessions = append(sessions, s)
		}
	}
	slices.SortFunc(sessions, comparePlaces)
	return entries(sessions)
}

func entries(sessions []*session) []wire.Entry {
	all := make([]wire.Entry, len(sessions))
	for i, s := range sessions {
		all[i] = wire.Entry{Gateway: s.gateway.name, Login: s.Login}
	}
	return all
}
