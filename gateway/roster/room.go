package roster

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"github.com/google/btree"

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

	newcomers []*viewer // to be greeted, unless the flush is sooner; nil when nobody is

	counted bool          // it has too many for a list: viewers are told their number
	waiting list.List     // viewers that wait for the whole list, the longest wait first
	turn    *list.Element // of Lists.turns, while anybody waits
	whole   *Update       // of version; only while somebody waits for it
	tally   *Update       // of some version

	pages *btree.BTreeG[string] // the list by user id; nil until somebody pages
}

// member is a user in a room.
type member struct {
	user    string
	sinces  sinces // of his sessions here in the room, on any gateway
	touched bool   // he is in room.touched

	listed      bool  // he is in room.list
	listedSince int64 // his place there
}

// viewer is a session of this gateway.
type viewer struct {
	Viewer
	login    wire.Login
	full     bool          // it is sent the whole list each time
	told     bool          // it has been sent something
	greeted  *Update       // what it has been told since the last flush, ahead of the others
	behind   bool          // it has not been sent the list before a delta, or missed one: it is to be sent all anew
	degraded bool          // it was told that presence is not heard
	wait     *list.Element // in room.waiting; nil if it does not wait
	room     *room
	index    int // in room.viewers; -1 when it has left
}

func (v *viewer) left() bool { return v.index < 0 }

// Push is an update for a viewer.
type Push struct {
	viewer *viewer
	Update *Update
	paid   bool // from the budget of whole lists
}

// Send gives the viewer its update, and reports whether there was room for it.
func (p Push) Send() bool { return p.viewer.Userlist(p.Update) }

// enter lets a session of a user in, and reports whether that touches the list.
func (rm *room) enter(user string, since int64) bool {
	m := rm.members[user]
	if m == nil {
		m = &member{user: user}
		rm.members[user] = m
	}
	if !m.sinces.add(since) {
		return false
	}
	rm.touch(m)
	return true
}

// leave lets a session of a user out, and reports whether that touches the list. The session must have entered.
func (rm *room) leave(user string, since int64) bool {
	m := rm.members[user]
	if !m.sinces.remove(since) {
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

// settle makes the list true, and gives what its viewers are to be told of the net difference: nil if there is none. From
// more than limit users on that is their number; switched reports that this is new, or over.
func (rm *room) settle(limit int) (change *Update, switched bool) {
	var left, joined []*member
	for _, m := range rm.touched {
		m.touched = false
		here := !m.sinces.none()
		if !here {
			delete(rm.members, m.user)
		}
		if here && m.listed && m.sinces.least == m.listedSince {
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
		return nil, false
	}
	slices.SortFunc(left, byPlace)
	rm.remove(left)
	at := rm.insert(joined)
	rm.version++
	rm.whole = nil
	switch n := len(rm.list); {
	case !rm.counted && n > limit:
		rm.counted, switched = true, true
		rm.sort() // while that does not take long
	case rm.counted && n <= limit-limit/10:
		rm.counted, switched = false, true
	}
	if rm.counted {
		return rm.count(), switched
	}
	return &Update{
		Kind: Delta, Room: rm.name, From: rm.version - 1, Version: rm.version,
		Left: names(left), Joined: names(joined), At: at,
	}, switched
}

// remove takes members out of the list.
func (rm *room) remove(left []*member) {
	if len(left) == 0 {
		return
	}
	for _, m := range left {
		m.listed = false
		if rm.pages != nil {
			rm.pages.Delete(m.user)
		}
	}
	rm.list = slices.DeleteFunc(rm.list, func(m *member) bool { return !m.listed })
}

// insert sorts joined and puts them into the list. It gives their places there, nil if all were appended.
func (rm *room) insert(joined []*member) (at []int) {
	for _, m := range joined {
		m.listed, m.listedSince = true, m.sinces.least
		if rm.pages != nil {
			rm.pages.ReplaceOrInsert(m.user)
		}
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

// pace sets the time to the next flush by what this one was.
func (rm *room) pace() {
	least := interval
	if rm.counted {
		least = countInterval
	}
	rm.gate.Interval = max(least, time.Duration(len(rm.viewers))*viewerInterval)
}

// snapshot is the whole list.
func (rm *room) snapshot() *Update {
	if rm.whole == nil {
		rm.whole = &Update{Kind: Whole, Room: rm.name, Version: rm.version, Users: names(rm.list)}
		rm.whole.size = rm.whole.measure()
	}
	return rm.whole
}

// count is how many are in the list.
func (rm *room) count() *Update {
	if rm.tally == nil || rm.tally.Version != rm.version {
		rm.tally = &Update{Kind: Count, Room: rm.name, Version: rm.version, Count: len(rm.list)}
	}
	return rm.tally
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
