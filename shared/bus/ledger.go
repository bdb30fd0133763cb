package bus

import (
	"slices"
	"strings"
	"time"

	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

// The tempo of announcements.
const (
	// AnnounceEvery is the least time from one announcement of a gateway to the next, apart from those that go before a
	// beat or a snapshot.
	AnnounceEvery = 25 * time.Millisecond
	// BeatEvery is the time from one beat of a gateway, or of a replica's view, to the next.
	BeatEvery = 250 * time.Millisecond
)

// Ledger is what a gateway holds and what it has said of it. It is pure: the caller passes the time and publishes what
// it is given, in the order in which it is given, whether publishing works or not. What gets lost shows in the next
// beat. Not safe for concurrent use.
type Ledger struct {
	incarnation string
	seq         uint64
	held        map[string]wire.Login // by session
	digest      wire.Digest           // of held
	unsaid      coalesce.Changes[string, wire.Login]
	gate        coalesce.Gate
}

// NewLedger is the ledger of an incarnation that holds nothing.
func NewLedger(incarnation string) *Ledger {
	return &Ledger{
		incarnation: incarnation,
		held:        make(map[string]wire.Login),
		gate:        coalesce.Gate{Interval: AnnounceEvery},
	}
}

// Join notes a login; it takes the place of one of the same session.
func (l *Ledger) Join(now time.Time, login wire.Login) {
	was, had := l.held[login.Session]
	if had {
		l.digest ^= wire.Digest(was.Hash())
	}
	l.held[login.Session] = login
	l.digest ^= wire.Digest(login.Hash())
	l.unsaid.Put(login.Session, login, was, had)
	l.gate.Touch(now)
}

// Leave notes the end of a session. One that is not held is fine.
func (l *Ledger) Leave(now time.Time, session string) {
	was, had := l.held[session]
	if !had {
		return
	}
	delete(l.held, session)
	l.digest ^= wire.Digest(was.Hash())
	l.unsaid.Remove(session, was)
	l.gate.Touch(now)
}

// Due is when [Ledger.Announce] has something to say; false when nothing has changed.
func (l *Ledger) Due() (time.Time, bool) { return l.gate.Due() }

// Announce gives the announcements that are due, none before their time.
func (l *Ledger) Announce(now time.Time) []wire.Announcement {
	if !l.gate.Open(now) {
		return nil
	}
	return l.say(now)
}

// Beat gives a beat, and what has to be announced before it.
func (l *Ledger) Beat(now time.Time) ([]wire.Announcement, wire.Beat) {
	said := l.say(now)
	return said, wire.Beat{Incarnation: l.incarnation, Seq: l.seq, Count: len(l.held), Digest: l.digest}
}

// Snapshot gives the chunks of a snapshot, which share id, and what has to be announced before them.
func (l *Ledger) Snapshot(now time.Time, id string) ([]wire.Announcement, []wire.GatewaySnapshot) {
	said := l.say(now)
	logins := make([]wire.Login, 0, len(l.held))
	for _, login := range l.held {
		logins = append(logins, login)
	}
	slices.SortFunc(logins, func(a, b wire.Login) int { return strings.Compare(a.Session, b.Session) })

	chunks := wire.Chunks(logins)
	snapshot := make([]wire.GatewaySnapshot, len(chunks))
	for i, chunk := range chunks {
		snapshot[i] = wire.GatewaySnapshot{
			ID: id, Incarnation: l.incarnation, Seq: l.seq, Chunk: i, Chunks: len(chunks), Logins: chunk,
		}
	}
	return said, snapshot
}

// say gives all that has not been announced yet, in as many announcements as it needs.
func (l *Ledger) say(now time.Time) []wire.Announcement {
	if _, changed := l.gate.Due(); !changed {
		return nil
	}
	l.gate.Fired(now)

	var said []wire.Announcement
	var filling wire.Filling
	next := func(one wire.Sized) *wire.Announcement {
		if fits := filling.Add(one); !fits || len(said) == 0 {
			l.seq++
			said = append(said, wire.Announcement{Incarnation: l.incarnation, Seq: l.seq})
		}
		return &said[len(said)-1]
	}
	for _, step := range l.unsaid.Take(strings.Compare) {
		if step.Came {
			a := next(step.Value)
			a.Joined = append(a.Joined, step.Value)
		} else {
			a := next(wire.Ref{Session: step.Key})
			a.Left = append(a.Left, step.Key)
		}
	}
	return said
}
