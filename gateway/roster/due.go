package roster

import "time"

// dueRoom is a room that is to be flushed, or whose newcomers are to be greeted. Touching it again does not change when, so
// a heap needs no more than push and pop.
type dueRoom struct {
	at    time.Time
	room  *room
	greet bool
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
