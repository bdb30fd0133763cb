// Package session is the gateway's core, which knows no client protocol: which users are logged in here, by which
// sessions, and what becomes of a signal that one of them sends or is to receive. Doors (packages ws and
// socketio) bring clients to it and implement [Conn].
package session

import (
	"sync"
	"sync/atomic"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// Conn is a session's connection as its door implements it. Its methods are called from many goroutines and never block:
// they queue a frame, or say that the queue is full.
type Conn interface {
	// Welcome queues the session's first frame, once.
	Welcome(*Session)
	// Signal queues a signal for the client: Delivered; Slow if the queue is full, Offline if the connection is ending.
	// The signal is shared and read-only, and no longer there when Signal has returned.
	Signal(*Signal) wire.Outcome
	// Viewer takes the room's list.
	roster.Viewer
	// Close ends the connection after what is queued, or after a second or two if that takes longer.
	Close(Reason)
}

// Reason says why the gateway ends a connection. The set is closed; doors map it to what their clients know.
type Reason uint8

// The reasons.
const (
	Draining   Reason = iota + 1 // this gateway is stopping; another one takes over
	NotReady                     // the login could not be completed because NATS is away
	TooSlow                      // the client did not read for too long
	TooManyBad                   // the client sent too much that was refused
	BadLogin                     // the user id or the room is not valid
	BadData                      // the client broke its protocol
	Fault                        // an error of ours
	Silent                       // the client did not answer our pings
	Flood                        // the client sent too much at once for an answer
)

var reasonNames = [...]string{
	Draining: "draining", NotReady: "not_ready", TooSlow: "too_slow", TooManyBad: "too_many_bad",
	BadLogin: "bad_login", BadData: "bad_data", Fault: "fault", Silent: "silent", Flood: "flood",
}

// String names the reason in logs and metrics.
func (r Reason) String() string { return reasonNames[r] }

// Session is one login of one user through one connection.
type Session struct {
	ID, User, Room string

	token    string // of User, the hub's key
	from     []byte // User as a JSON string
	since    int64  // Unix milliseconds
	full     bool   // wants whole lists, never deltas
	conn     Conn
	ready    chan struct{} // closed when the session has been welcomed or has ended
	welcomed atomic.Bool   // signals may reach it; see reachable
	sentAway atomic.Bool   // by Drain
	inFlight atomic.Int32  // its signals that NATS carries and that have no outcome yet

	mu    sync.Mutex // orders admission and leaving
	ended bool
}

// Ready is closed once the session has been welcomed or Leave has ended it: until then a door leaves what the client sends
// unread. A login that fails is ended by the door, which is told by its connection's Close.
func (s *Session) Ready() <-chan struct{} { return s.ready }

// reachable reports whether signals may reach the session. While it is being welcomed this waits: the client may have
// read the welcome, and told others, before its gateway has taken note.
func (s *Session) reachable() bool {
	if s.welcomed.Load() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.welcomed.Load()
}

func (s *Session) login() wire.Login {
	return wire.Login{Session: s.ID, User: s.User, Room: s.Room, Since: s.since}
}
