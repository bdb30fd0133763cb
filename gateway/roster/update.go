package roster

import "sync"

// Viewer is a session that shows its room's list.
type Viewer interface {
	// Userlist queues an update and reports whether there was room for it: it never waits. After false the viewer gets
	// no deltas but the whole list, as soon as there is room again. Only the roster's own goroutine calls it, without
	// any lock, so an update may still be on its way to a viewer that has just left.
	Userlist(*Update) bool
}

// Update is what viewers of a room's list are told: the whole list, or the difference to the version before. It is
// shared by all who get it, so nobody changes it.
type Update struct {
	Room string
	// Version is that of the list after the update. It grows by one with each published change of the room's list on
	// this gateway, for as long as the room has sessions.
	Version uint64

	// Full tells the two kinds apart.
	Full bool
	// Users is the whole list of a full update: each user once, by the time of the login he came with, then by id.
	Users []string

	// From is the version that a delta applies to: Version-1.
	From uint64
	// Left names users who leave the list. It applies before Joined; a user who changes his place is in both.
	Left []string
	// Joined names users who enter the list, in its order.
	Joined []string
	// At has the places of Joined in the list that results, ascending from 0. It is nil when they all stand at the end.
	At []int

	frames [formats]frame
}

// Format is a way to encode updates. Each has its place in every update, to be encoded there once.
type Format uint8

// The formats.
const (
	// Native is that of package ws.
	Native Format = iota

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
