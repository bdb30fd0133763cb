package roster

import (
	"strings"
	"sync"
)

// Viewer is a session that shows its room's list.
type Viewer interface {
	// Userlist queues an update and reports whether there was room for it: it never waits. After false the viewer gets
	// no changes but all anew, as soon as there is room again. Only the roster's own goroutine calls it, without any
	// lock, so an update may still be on its way to a viewer that has just left.
	Userlist(*Update) bool
}

// Kind is what an update tells.
type Kind uint8

// The kinds.
const (
	// Whole is the whole list.
	Whole Kind = iota
	// Delta is what has changed since the version before.
	Delta
	// Count is how many there are, in a room that has too many for a list. It takes the place of both until a Whole
	// comes; meanwhile clients page ([Roster.Page]).
	Count
	// Standing tells whether presence is heard.
	Standing
)

// Update is what viewers of a room's list are told. It is shared by all who get it, so nobody changes it.
type Update struct {
	Kind Kind
	Room string // none of a Standing: it concerns all
	// Version is that of the list after the update. It grows by one with each published change of the room's list on
	// this gateway, for as long as the room has sessions. The first list of a viewer that gets no deltas may be ahead of its
	// version.
	Version uint64

	// Users is the list of a Whole: each user once, by the time of the earliest login of those that he has there now, then by id.
	Users []string

	// From is the version that a Delta applies to: Version-1.
	From uint64
	// Left names users who leave the list. It applies before Joined; a user who changes his place is in both.
	Left []string
	// Joined names users who enter the list, in its order.
	Joined []string
	// At has the places of Joined in the list that results, ascending from 0. It is nil when they all stand at the end.
	At []int

	// Count is how many users there are, of a Count.
	Count int

	// Degraded, of a Standing: presence is not heard, lists stand still but for this gateway's own sessions.
	Degraded bool

	size   int // of a Whole, about, in bytes for a client
	frames [formats]frame
}

// Format is a way to encode updates. Each has its place in every update, to be encoded there once.
type Format uint8

// The formats.
const (
	// Native is that of package ws.
	Native Format = iota
	// SocketIO is that of package socketio.
	SocketIO

	formats = iota
)

type frame struct {
	once  sync.Once
	bytes []byte
}

// Encoded is the update in a format. The first call of all viewers' encodes; the others get the same bytes, which
// nobody may change.
func (u *Update) Encoded(f Format, encode func(*Update) []byte) []byte {
	frame := &u.frames[f]
	frame.once.Do(func() { frame.bytes = encode(u) })
	return frame.bytes
}

// measure is about how many bytes a Whole is for a client: names, with what JSON puts before and between them.
func (u *Update) measure() int {
	n := 64
	for _, user := range u.Users {
		n += len(user) + len(`"",`) + strings.Count(user, `"`) + strings.Count(user, `\`)
	}
	return n
}
