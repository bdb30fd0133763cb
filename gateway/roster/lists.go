package roster

import (
	"container/heap"
	"container/list"
	"time"

	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

const (
	// interval is the least time between two updates of one room's list,
	interval = 250 * time.Millisecond
	// countInterval that between two counts of a room that has too many for a list,
	countInterval = time.Second
	// and both grow to viewerInterval for each viewer: a frame costs what it costs however short it is, and in a room of ten
	// thousand the updates would leave no time for those who still want to come in.
	viewerInterval = 50 * time.Microsecond
)

// Limits bound what the lists cost.
type Limits struct {
	// ListUsers is the most users of whom a room sends its list. Above it sends their number; it sends its list again
	// when there are a tenth fewer.
	ListUsers int
	// WholeBytes is how many bytes of whole lists may be sent a second, in all. The first list of each session does not
	// count.
	WholeBytes int
}

// Lists has every room's list, and knows what each session of this gateway was told of it. It is pure: the caller passes
// the time, calls [Lists.Flush] at [Lists.Next], sends what that gives, and says with [Lists.Missed] what could not be
// sent. Not safe for concurrent use.
type Lists struct {
	gateway string
	limits  Limits
	index   index
	remote  int // sessions in the index that other gateways hold

	rooms map[string]*room
	due   dueRooms           // the rooms whose gates are touched
	own   map[string]*viewer // by session

	// Rooms with sessions that wait for a whole list and have had one. They take turns, so that a large one does not
	// keep a small one waiting.
	turns   list.List // of *room
	waiting int       // sessions, in all rooms
	budget  budget

	standing *Update
}

// NewLists makes the lists of a gateway that nobody has come to yet.
func NewLists(gateway string, limits Limits) *Lists {
	return &Lists{
		gateway:  gateway,
		limits:   limits,
		index:    newIndex(),
		rooms:    make(map[string]*room),
		own:      make(map[string]*viewer),
		budget:   budget{perSecond: limits.WholeBytes},
		standing: &Update{Kind: Standing},
	}
}

// Join lets a session of this gateway in; see [Roster.Join].
func (l *Lists) Join(now time.Time, login wire.Login, v Viewer, full bool) {
	l.Leave(now, login.Session)
	joined := &viewer{Viewer: v, login: login, full: full, behind: true}
	l.own[login.Session] = joined
	l.index.add(login.User, l.gateway)
	rm := l.enter(now, login.Room, login.User, login.Since)
	rm.addViewer(joined)
	l.touch(now, rm)
	if full {
		l.expect(now, rm, joined)
	}
}

// Detach stops telling a session of this gateway anything, but leaves it in. It gives the session's viewer, nil if it is
// not in.
func (l *Lists) Detach(session string) *viewer {
	v := l.own[session]
	if v == nil {
		return nil
	}
	delete(l.own, session)
	l.unwait(v)
	v.room.removeViewer(v)
	return v
}

// Leave puts a session of this gateway out, if it is in.
func (l *Lists) Leave(now time.Time, session string) {
	v := l.Detach(session)
	if v == nil {
		return
	}
	l.leave(now, v.login.Room, v.login.User, v.login.Since)
	l.index.remove(v.login.User, l.gateway)
}

// Sync has a session's list sent again.
func (l *Lists) Sync(now time.Time, session string) {
	if v := l.own[session]; v != nil {
		l.behind(now, v)
	}
}

// Apply lays what other gateways' sessions did into the lists. What is said of this gateway's own is passed over: they
// are known better here.
func (l *Lists) Apply(now time.Time, changes []Change) {
	for _, c := range changes {
		switch {
		case c.Gateway == l.gateway:
		case c.Left:
			l.leave(now, c.Room, c.User, c.Since)
			l.index.remove(c.User, c.Gateway)
			l.remote--
		default:
			l.enter(now, c.Room, c.User, c.Since)
			l.index.add(c.User, c.Gateway)
			l.remote++
		}
	}
}

// Gateways names the gateways that hold sessions of a user, this one included. This alone is safe for concurrent use.
func (l *Lists) Gateways(user string) []string { return l.index.gateways(user) }

// Page gives a part of the list of a session's room, as it was told last; nothing if the session is not in.
func (l *Lists) Page(session string, q Query) Page {
	if v := l.own[session]; v != nil {
		return v.room.page(q)
	}
	return Page{}
}

// Degraded notes whether presence is heard; everybody is told when that changes.
func (l *Lists) Degraded(now time.Time, degraded bool) {
	if degraded == l.standing.Degraded {
		return
	}
	l.standing = &Update{Kind: Standing, Degraded: degraded}
	for _, rm := range l.rooms {
		if len(rm.viewers) > 0 {
			l.touch(now, rm)
		}
	}
}

// Next is when Flush is to be called; false: not until something has changed.
func (l *Lists) Next() (at time.Time, ok bool) {
	if l.waiting > 0 {
		at, ok = l.budget.free(), true
	}
	if len(l.due) > 0 && (!ok || l.due[0].at.Before(at)) {
		at, ok = l.due[0].at, true
	}
	return at, ok
}

// Flush appends to pushes what is to be sent now, in this order, and reports whether there may be more. From here on
// viewers count as told.
func (l *Lists) Flush(now time.Time, pushes []Push) (_ []Push, more bool) {
	if len(l.due) > 0 && !l.due[0].at.After(now) {
		due := heap.Pop(&l.due).(dueRoom)
		rm := due.room
		if due.greet {
			return l.greet(rm, pushes), true
		}
		rm.gate.Fired(now)
		pushes = l.flush(now, rm, pushes)
		if rm.empty() {
			delete(l.rooms, rm.name)
		}
		return pushes, true
	}
	for l.waiting > 0 && l.budget.allows(now) {
		rm := l.turns.Front().Value.(*room)
		l.turns.MoveToBack(rm.turn)
		v := rm.waiting.Front().Value.(*viewer)
		whole := rm.snapshot()
		l.unwait(v)
		l.budget.spend(whole.size)
		v.behind = false
		pushes = append(pushes, Push{viewer: v, Update: whole, paid: true})
	}
	return pushes, false
}

// flush makes a room's list true, and appends what its viewers are to be told: to each at most the list and how it stands.
func (l *Lists) flush(now time.Time, rm *room, pushes []Push) []Push {
	change, switched := rm.settle(l.limits.ListUsers)
	var looked *Update // the last greeting that was looked at: most have the same
	var stands bool
	for _, v := range rm.viewers {
		first := !v.told
		v.told = true
		v.behind = v.behind || switched || v.full && change != nil
		if v.greeted != nil && v.greeted != looked {
			looked, stands = v.greeted, rm.stands(v.greeted)
		}
		switch {
		case v.greeted != nil && stands:
			v.behind = false
		case v.behind && rm.counted:
			l.unwait(v)
			v.behind = false
			pushes = append(pushes, Push{viewer: v, Update: rm.count()})
		case v.behind && first:
			v.behind = false
			pushes = append(pushes, Push{viewer: v, Update: rm.snapshot()})
		case v.behind:
			l.wait(v)
		case change != nil:
			pushes = append(pushes, Push{viewer: v, Update: change})
		}
		v.greeted = nil
		if v.degraded != l.standing.Degraded {
			v.degraded = l.standing.Degraded
			pushes = append(pushes, Push{viewer: v, Update: l.standing})
		}
	}
	if rm.waiting.Len() == 0 {
		rm.whole = nil
	}
	rm.pace()
	return pushes
}

// wait has a viewer wait until there is budget for its whole list.
func (l *Lists) wait(v *viewer) {
	if v.wait != nil {
		return
	}
	if v.room.waiting.Len() == 0 {
		v.room.turn = l.turns.PushBack(v.room)
	}
	v.wait = v.room.waiting.PushBack(v)
	l.waiting++
}

// unwait takes back a wait, if there was one.
func (l *Lists) unwait(v *viewer) {
	if v.wait == nil {
		return
	}
	v.room.waiting.Remove(v.wait)
	v.wait = nil
	l.waiting--
	if v.room.waiting.Len() == 0 {
		l.turns.Remove(v.room.turn)
		v.room.whole = nil // nobody else has a use for it
	}
}

// Missed takes back pushes for which their viewers had no room.
func (l *Lists) Missed(now time.Time, missed []Push) {
	for _, p := range missed {
		switch {
		case p.viewer.left():
		case p.Update.Kind == Standing:
			p.viewer.degraded = !p.Update.Degraded
			l.touch(now, p.viewer.room)
		default:
			if p.paid {
				l.budget.refund(p.Update.size)
			}
			l.behind(now, p.viewer)
		}
	}
}

// behind notes that a viewer is to be told all anew.
func (l *Lists) behind(now time.Time, v *viewer) {
	v.behind, v.greeted = true, nil
	l.touch(now, v.room)
}

func (l *Lists) enter(now time.Time, name, user string, since int64) *room {
	rm := l.rooms[name]
	if rm == nil {
		rm = &room{name: name, members: make(map[string]*member), gate: coalesce.Gate{Interval: interval}}
		l.rooms[name] = rm
	}
	if rm.enter(user, since) {
		l.touch(now, rm)
	}
	return rm
}

// leave takes back an enter.
func (l *Lists) leave(now time.Time, name, user string, since int64) {
	if rm := l.rooms[name]; rm.leave(user, since) {
		l.touch(now, rm)
	}
}

// touch sees to it that the room is flushed: now after a quiet time, otherwise an interval after the flush before.
func (l *Lists) touch(now time.Time, rm *room) {
	if _, waits := rm.gate.Due(); waits {
		return
	}
	rm.gate.Touch(now)
	at, _ := rm.gate.Due()
	heap.Push(&l.due, dueRoom{at: at, room: rm})
}
