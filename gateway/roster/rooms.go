package roster

import (
	"container/heap"
	"time"

	"beckon/shared/coalesce"
)

// interval is the least time between two updates of one room's list.
const interval = 250 * time.Millisecond

// rooms holds every room that anybody is in, and knows which is to be flushed when. It is pure: the caller passes the
// time and calls flush when it is due.
type rooms struct {
	byName map[string]*room
	due    dueRooms // the rooms whose gates are touched
}

func newRooms() rooms { return rooms{byName: make(map[string]*room)} }

func (rs *rooms) enter(now time.Time, name, user string, since int64) *room {
	rm := rs.byName[name]
	if rm == nil {
		rm = &room{name: name, members: make(map[string]*member), gate: coalesce.Gate{Interval: interval}}
		rs.byName[name] = rm
	}
	if rm.enter(user, since) {
		rs.touch(now, rm)
	}
	return rm
}

// leave takes back an enter.
func (rs *rooms) leave(now time.Time, name, user string) {
	if rm := rs.byName[name]; rm.leave(user) {
		rs.touch(now, rm)
	}
}

// touch sees to it that the room is flushed: now after a quiet time, otherwise an interval after the flush before.
func (rs *rooms) touch(now time.Time, rm *room) {
	if _, waiting := rm.gate.Due(); waiting {
		return
	}
	rm.gate.Touch(now)
	at, _ := rm.gate.Due()
	heap.Push(&rs.due, dueRoom{at, rm})
}

// next is when flush is to be called; false: not until a room is touched.
func (rs *rooms) next() (time.Time, bool) {
	if len(rs.due) == 0 {
		return time.Time{}, false
	}
	return rs.due[0].at, true
}

// flush flushes the room that is due first, if any is due now, and appends what is to be sent to pushes.
func (rs *rooms) flush(now time.Time, pushes []push) (*room, []push) {
	if at, ok := rs.next(); !ok || at.After(now) {
		return nil, pushes
	}
	rm := heap.Pop(&rs.due).(dueRoom).room
	rm.gate.Fired(now)
	pushes = rm.flush(pushes)
	if rm.empty() {
		delete(rs.byName, rm.name)
	}
	return rm, pushes
}

// pushed takes what became of a room's flush: the viewers that had no room for their update.
func (rs *rooms) pushed(now time.Time, rm *room, missed []*viewer) {
	if len(missed) == 0 {
		rm.whole = nil // it would be of use only to viewers that wait for it
		return
	}
	for _, v := range missed {
		rs.behind(now, v)
	}
}

// behind notes that a viewer is to be sent the whole list.
func (rs *rooms) behind(now time.Time, v *viewer) {
	if v.index >= 0 { // else it has left meanwhile
		v.behind = true
		rs.touch(now, v.room)
	}
}

// dueRoom is a room that is to be flushed. Touching it again does not change when, so a heap needs no more than push
// and pop.
type dueRoom struct {
	at   time.Time
	room *room
}

// dueRooms implements [heap.Interface]; the room that is due first stands first.
type dueRooms []dueRoom

func (d dueRooms) Len() int { return len(d) }

func (d dueRooms) Less(i, j int) bool {
	if d[i].at.Equal(d[j].at) {
		return d[i].room.name < d[j].room.name
	}
	return d[i].at.Before(d[j].at)
}

func (d dueRooms) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

func (d *dueRooms) Push(x any) { *d = append(*d, x.(dueRoom)) }

func (d *dueRooms) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	(*d)[last] = dueRoom{}
	*d = (*d)[:last]
	return x
}
