package roster

import (
	"cmp"
	"slices"

	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

// room is one room's list and who shows it. The truth changes at once; the list follows it when the room is flushed.
type room struct {
	name    string
	members map[string]*member // all who are here, and all in the list
	touched []*member          // those of whom the list may not tell the truth
	list    []*member          // what viewers were told last, in order
	version uint64             // of list
	viewers []*viewer          // in no order
	gate    coalesce.Gate      // open when the room is to be flushed
	whole   *Update            // of version; only while somebody waits for it
}

// member is a user in a room.
type member struct {
	user     string
	sessions int   // here in the room, on any gateway
	since    int64 // of the login he came with: his place for as long as he has sessions
	touched  bool  // he is in room.touched

	listed      bool  // he is in room.list
	listedSince int64 // his place there
}

// viewer is a session of this gateway.
type viewer struct {
	Viewer
	login  wire.Login
	full   bool // it is sent the whole list each time
	behind bool // it has not been sent the list before a delta, or missed one: it waits for the whole list
	room   *room
	index  int // in room.viewers; -1 when it has left
}

// push is an update for a viewer.
type push struct {
	viewer *viewer
	update *Update
}

// enter lets a session of a user in, and reports whether that touches the list.
func (rm *room) enter(user string, since int64) bool {
	m := rm.members[user]
	if m == nil {
		m = &member{user: user}
		rm.members[user] = m
	}
	m.sessions++
	if m.sessions > 1 {
		return false
	}
	m.since = since
	rm.touch(m)
	return true
}

// leave lets a session of a user out, and reports whether that touches the list. The session must have entered.
func (rm *room) leave(user string) bool {
	m := rm.members[user]
	m.sessions--
	if m.sessions > 0 {
		return false
	}
	rm.touch(m)
	return true
}

func (rm *room) touch(m *member) {
	if !m.touched {
		m.touched = true
		rm.touched = append(rm.touched, m)
	}
}

func (rm *room) addViewer(v *viewer) {
	v.room, v.index = rm, len(rm.viewers)
	rm.viewers = append(rm.viewers, v)
}

func (rm *room) removeViewer(v *viewer) {
	last := len(rm.viewers) - 1
	rm.viewers[v.index] = rm.viewers[last]
	rm.viewers[v.index].index = v.index
	rm.viewers[last] = nil
	rm.viewers = rm.viewers[:last]
	v.index = -1
}

// empty reports that nobody would miss the room.
func (rm *room) empty() bool { return len(rm.members) == 0 && len(rm.viewers) == 0 }

// flush makes the list true and appends what is to be sent to pushes: to each viewer at most one update. From here on
// they count as told; missed takes that back.
func (rm *room) flush(pushes []push) []push {
	delta := rm.settle()
	for _, v := range rm.viewers {
		switch {
		case v.behind, v.full && delta != nil:
			v.behind = false
			pushes = append(pushes, push{v, rm.snapshot()})
		case delta != nil:
			pushes = append(pushes, push{v, delta})
		}
	}
	return pushes
}

// settle makes the list true, and gives the net difference: nil if there is none.
func (rm *room) settle() *Update {
	var left, joined []*member
	for _, m := range rm.touched {
		m.touched = false
		here := m.sessions > 0
		if !here {
			delete(rm.members, m.user)
		}
		if here && m.listed && m.since == m.listedSince {
			continue
		}
		if m.listed {
			left = append(left, m)
		}
		if here {
			joined = append(joined, m)
		}
	}
	rm.touched = nil
	if left == nil && joined == nil {
		return nil
	}
	slices.SortFunc(left, byPlace)
	rm.remove(left)
	at := rm.insert(joined)
	rm.version++
	rm.whole = nil
	return &Update{
		Room: rm.name, From: rm.version - 1, Version: rm.version,
		Left: names(left), Joined: names(joined), At: at,
	}
}

// remove takes members out of the list.
func (rm *room) remove(left []*member) {
	if len(left) == 0 {
		return
	}
	for _, m := range left {
		m.listed = false
	}
	rm.list = slices.DeleteFunc(rm.list, func(m *member) bool { return !m.listed })
}

// insert sorts joined and puts them into the list. It gives their places there, nil if all were appended.
func (rm *room) insert(joined []*member) (at []int) {
	for _, m := range joined {
		m.listed, m.listedSince = true, m.since
	}
	slices.SortFunc(joined, byPlace)
	old := len(rm.list)
	rm.list = append(rm.list, joined...)
	if old == 0 || len(joined) == 0 || byPlace(rm.list[old-1], joined[0]) < 0 {
		return nil
	}
	// Merge from the end, where the room is: what is behind to is done, and from to to the end of joined is free.
	at = make([]int, len(joined))
	for to, i, j := len(rm.list)-1, old-1, len(joined)-1; j >= 0; to-- {
		if i >= 0 && byPlace(rm.list[i], joined[j]) > 0 {
			rm.list[to] = rm.list[i]
			i--
			continue
		}
		rm.list[to], at[j] = joined[j], to
		j--
	}
	return at
}

// snapshot is the whole list.
func (rm *room) snapshot() *Update {
	if rm.whole == nil {
		rm.whole = &Update{Room: rm.name, Version: rm.version, Full: true, Users: names(rm.list)}
	}
	return rm.whole
}

func byPlace(a, b *member) int {
	return cmp.Or(cmp.Compare(a.listedSince, b.listedSince), cmp.Compare(a.user, b.user))
}

func names(members []*member) []string {
	if len(members) == 0 {
		return nil
	}
	all := make([]string, len(members))
	for i, m := range members {
		all[i] = m.user
	}
	return all
}
