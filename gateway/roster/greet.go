package roster

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// greeting is for how long newcomers who are always sent the whole list wait for their first one when the room's next update
// is later: they are clients that show nothing before. Those who come meanwhile share it.
const greeting = 20 * time.Millisecond

// expect has a newcomer greeted, unless the room's next update is as soon.
func (l *Lists) expect(now time.Time, rm *room, v *viewer) {
	at := now.Add(greeting)
	if due, _ := rm.gate.Due(); !due.After(at) {
		return
	}
	if rm.newcomers == nil {
		heap.Push(&l.due, dueRoom{at: at, room: rm, greet: true})
	}
	rm.newcomers = append(rm.newcomers, v)
}

// greet appends the first list for those of a room's newcomers who have not been told one: as it is now, which the others
// are told with the next flush. In a room that has too many for a list it is their number.
func (l *Lists) greet(rm *room, pushes []Push) []Push {
	var first *Update
	for _, v := range rm.newcomers {
		if v.told || v.left() {
			continue
		}
		if first == nil {
			if first = rm.ahead(); len(first.Users) > l.limits.ListUsers {
				break // the next flush finds the words for that
			}
		}
		v.told, v.greeted = true, first // and still behind, unless that is what the next flush makes it
		pushes = append(pushes, Push{viewer: v, Update: first})
	}
	rm.newcomers = nil
	return pushes
}

// ahead is the list, or the count where there is one, as the next flush would make it now.
func (rm *room) ahead() *Update {
	stay := len(rm.list)
	var placed []*member // anew
	for _, m := range rm.touched {
		if m.listed {
			stay--
		}
		if !m.sinces.none() {
			placed = append(placed, m)
		}
	}
	if rm.counted {
		return &Update{Kind: Count, Room: rm.name, Version: rm.version, Count: stay + len(placed)}
	}
	before := func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.sinces.least, b.sinces.least), cmp.Compare(a.user, b.user))
	}
	slices.SortFunc(placed, before)
	users := make([]string, 0, stay+len(placed))
	for _, m := range rm.list {
		if m.touched {
			continue
		}
		for len(placed) > 0 && before(placed[0], m) < 0 {
			users = append(users, placed[0].user)
			placed = placed[1:]
		}
		users = append(users, m.user)
	}
	return &Update{Kind: Whole, Room: rm.name, Version: rm.version, Users: append(users, names(placed)...)}
}

// stands reports whether what was ahead is what the flush has made.
func (rm *room) stands(ahead *Update) bool {
	if rm.counted || ahead.Kind == Count {
		return rm.counted && ahead.Kind == Count && ahead.Count == len(rm.list)
	}
	return slices.EqualFunc(ahead.Users, rm.list, func(user string, m *member) bool { return user == m.user })
}
