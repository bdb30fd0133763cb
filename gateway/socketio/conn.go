package socketio

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"beckon/gateway/frames"
	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/gateway/socketio/clock"
	"beckon/gateway/socketio/engineio"
	"beckon/gateway/socketio/sio"
	"beckon/shared/wire"
)

const (
	// listDelay is the time from when CONNECT was written to the first list. Clients misread a list that arrives in the same
	// read.
	listDelay = 30 * time.Millisecond
	// inFlightMost is how many signals of one client may wait for their outcomes; its next event stays unread until one has
	// come, which takes a second at most. It bounds the answers that a client is owed.
	inFlightMost = 256
	// A client may send badBurst events that are refused, and badRate more each second, before it is sent away.
	badRate  = rate.Limit(4)
	badBurst = 64
)

// conn is one client's socket, and a session.Conn.
type conn struct {
	door    *Door
	socket  *sio.Socket
	session atomic.Pointer[session.Session] // nil before the login, and if it was refused

	closing  atomic.Bool
	inFlight chan struct{} // a slot for each signal without an outcome

	listed  sync.Mutex
	opens   clock.Alarm
	open    bool           // lists may be sent
	held    *roster.Update // the first one, while they may not; nil if there is none yet
	counted bool           // the room has too many for a list, and the client has been told

	// Owned by the reader: events of one client come one at a time.
	frames, bytes, bad *rate.Limiter
}

var _ session.Conn = (*conn)(nil)

func newConn(d *Door, s *sio.Socket) *conn {
	return &conn{
		door: d, socket: s,
		inFlight: make(chan struct{}, inFlightMost),
		frames:   rate.NewLimiter(rate.Limit(d.o.Rates.Frames), 2*d.o.Rates.Frames),
		bytes:    rate.NewLimiter(rate.Limit(d.o.Rates.Bytes), 2*d.o.Rates.Bytes),
		bad:      rate.NewLimiter(badRate, badBurst),
	}
}

// Welcome implements session.Conn. A client knows itself in the list by its id, so that is the user's.
func (c *conn) Welcome(s *session.Session) {
	c.session.Store(s) // Login may not have returned yet
	c.socket.Accept(s.User)
	clk := c.door.server.Clock()
	c.socket.Written(func() { clk.Set(&c.opens, time.Now().Add(listDelay), c.openLists) })
}

// openLists lets lists through, beginning with the one that is held.
func (c *conn) openLists() {
	c.listed.Lock()
	defer c.listed.Unlock()
	c.open = true
	if c.held != nil && !c.closing.Load() {
		c.list(c.held, true)
		c.held = nil
	}
}

// Userlist implements roster.Viewer.
func (c *conn) Userlist(u *roster.Update) bool {
	if u.Kind == roster.Standing || c.closing.Load() {
		return true // nothing that these clients could tell their users; or for one that is somebody else by now
	}
	c.listed.Lock()
	defer c.listed.Unlock()
	if !c.open {
		c.held = u
		return true
	}
	return c.list(u, false) == frames.Queued
}

// list sends an update. A room that has too many for a list becomes one with nobody but the client, and a number for those
// who understand it.
func (c *conn) list(u *roster.Update, owed bool) frames.Verdict {
	update := frames.Text(u.Encoded(roster.SocketIO, encodeUpdate))
	counted := u.Kind == roster.Count
	if !counted || c.counted {
		v := c.send(owed, update)
		c.counted = c.counted && (counted || v != frames.Queued)
		return v
	}
	alone := roster.Update{Kind: roster.Whole, Users: []string{c.session.Load().User}}
	v := c.send(owed, frames.Text(encodeUpdate(&alone)), update)
	c.counted = v == frames.Queued
	return v
}

// Signal implements session.Conn.
func (c *conn) Signal(s *session.Signal) wire.Outcome {
	if c.closing.Load() {
		return wire.Offline
	}
	user := c.session.Load().User // that of all sessions for which the signal is encoded
	switch c.send(false, frames.Text(s.Encoded(roster.SocketIO, func(s *wire.Signal) []byte { return encodeSignal(s, user) }))) {
	case frames.Queued:
		return wire.Delivered
	case frames.Ended:
		return wire.Offline
	default:
		return wire.Slow
	}
}

// send queues messages.
func (c *conn) send(owed bool, messages ...frames.Frame) frames.Verdict {
	v := c.socket.Send(owed, messages...)
	if v == frames.Stuck || v == frames.NoRoom {
		c.door.o.Metrics.QueueFull()
	}
	return v
}

// Close implements session.Conn.
func (c *conn) Close(why session.Reason) {
	if !c.finish() {
		return
	}
	c.door.o.Metrics.Closed(why)
	end := closings[why]
	c.socket.Close(end.code, end.text)
}

// finish notes that the connection is ending, and reports whether that is news.
func (c *conn) finish() bool { return !c.closing.Swap(true) }

// left is called when the client has left, whatever the cause.
func (c *conn) left(why engineio.Reason) {
	news := c.finish()
	c.door.server.Clock().Stop(&c.opens)
	s := c.session.Load()
	if s == nil {
		return
	}
	c.door.o.Hub.Leave(s)
	if !news {
		return
	}
	level := slog.LevelDebug
	switch reason := reasons[why]; reason {
	case 0:
	case session.TooSlow, session.Fault:
		level = slog.LevelWarn
		fallthrough
	default:
		c.door.o.Metrics.Closed(reason)
	}
	c.door.log.Log(context.Background(), level, "connection over", "session", s.ID, "reason", reasons[why].String())
}
