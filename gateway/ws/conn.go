package ws

import (
	"errors"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"golang.org/x/time/rate"

	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/shared/wire"
)

// closeWait is how long the client has to read what is queued, and the close frame behind it, once we end the connection.
const closeWait = time.Second

// inFlightMost is how many signals of one client may wait for their outcomes; its next frame stays unread until one has
// come, which takes a second at most. It bounds the answers that a client is owed.
const inFlightMost = 256

// conn is one client's connection, and a session.Conn.
type conn struct {
	door  *Door
	login login
	sock  *socket.Conn
	out   outbox

	started chan struct{} // closed when melody has taken the connection over
	melody  *melody.Session
	session atomic.Pointer[session.Session] // nil before the login, and if it was refused

	closing  atomic.Bool
	over     chan struct{} // closed with closing: whoever waits for the client need not any more
	inFlight chan struct{} // a slot for each signal without an outcome

	// Owned by the reader: melody calls for one connection one at a time.
	frames, bytes, bad, pings *rate.Limiter
}

var _ session.Conn = (*conn)(nil)

func newConn(d *Door, l login, sock *socket.Conn) *conn {
	c := &conn{
		door: d, login: l, sock: sock,
		started:  make(chan struct{}),
		over:     make(chan struct{}),
		inFlight: make(chan struct{}, inFlightMost),
		frames:   rate.NewLimiter(rate.Limit(d.o.Rates.Frames), 2*d.o.Rates.Frames),
		bytes:    rate.NewLimiter(rate.Limit(d.o.Rates.Bytes), 2*d.o.Rates.Bytes),
		bad:      rate.NewLimiter(badRate, badBurst),
		pings:    rate.NewLimiter(badRate, badBurst),
	}
	c.out.sock = sock
	return c
}

// Welcome implements session.Conn.
func (c *conn) Welcome(s *session.Session) {
	frame, err := encodeWelcome(&welcome{
		UserID: s.User, SessionID: s.ID, Room: s.Room,
		ICEServers: c.door.o.ICEServers, Limits: c.door.limits, Version: ProtocolVersion,
	})
	if err != nil { // every value was checked to be valid UTF-8
		c.door.log.Error("encode welcome", "session", s.ID, "err", err)
		c.Close(session.Fault)
		return
	}
	c.push(frame, true)
}

// Signal implements session.Conn.
func (c *conn) Signal(s *session.Signal) wire.Outcome {
	if c.closing.Load() {
		return wire.Offline
	}
	switch c.push(s.Encoded(roster.Native, encodeSignal), false) {
	case queued:
		return wire.Delivered
	case ended:
		return wire.Offline
	default:
		return wire.Slow
	}
}

// Userlist implements roster.Viewer.
func (c *conn) Userlist(u *roster.Update) bool {
	return c.push(u.Encoded(roster.Native, encodeList), false) == queued
}

// Close implements session.Conn: a close frame behind what is queued, or an abrupt end for a client that reads nothing.
// Both end the connection within closeWait and what the socket lingers.
func (c *conn) Close(why session.Reason) {
	if !c.finish() {
		return
	}
	c.door.o.Metrics.Closed(why)
	if why == session.TooSlow || why == session.Fault {
		c.door.log.Warn("connection ended", "session", c.id(), "reason", why)
	}
	if why == session.TooSlow || c.melody == nil {
		c.sock.Abort()
		return
	}
	c.sock.Expire(closeWait)
	if why == session.NotReady {
		c.push(encodeError(nil, &refusal{codeUnavailable, "cannot log in now"}), true)
	}
	cl := closings[why]
	c.out.end(melody.FormatCloseMessage(cl.code, cl.text))
}

// finish notes that the connection is ending, and reports whether that is news.
func (c *conn) finish() bool {
	if c.closing.Swap(true) {
		return false
	}
	close(c.over)
	return true
}

// failed takes the error that has ended the connection, unless we ended it ourselves.
func (c *conn) failed(err error) {
	var network net.Error
	switch {
	case errors.Is(err, socket.ErrStalled):
		c.Close(session.TooSlow)
	case !c.finish():
	case errors.As(err, &network) && network.Timeout():
		c.door.o.Metrics.Closed(session.Silent)
	case errors.Is(err, socket.ErrBudget), errors.Is(err, websocket.ErrReadLimit), errors.Is(err, errPings):
		c.door.o.Metrics.Closed(session.Flood)
	}
	c.door.log.Debug("connection over", "session", c.id(), "err", err)
}

// push queues a frame.
func (c *conn) push(frame []byte, owed bool) verdict {
	v := c.out.push(frame, owed, time.Now())
	if v == stuck {
		c.Close(session.TooSlow)
	}
	if v == stuck || v == noRoom {
		c.door.o.Metrics.QueueFull()
	}
	return v
}

func (c *conn) id() string {
	if s := c.session.Load(); s != nil {
		return s.ID
	}
	return ""
}

// contain, deferred, ends the connection when a callback panics. melody calls back in goroutines where a panic would
// leave the connection behind, or end the process.
func (c *conn) contain() {
	if v := recover(); v != nil {
		c.door.log.Error("panic in a connection", "session", c.id(), "panic", v, "stack", string(debug.Stack()))
		c.Close(session.Fault)
	}
}
