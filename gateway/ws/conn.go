package ws

import (
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"beckon/gateway/frames"
	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/shared/wire"
)

// closeWait is how long the client has to read what is queued, and the close frame behind it, once we end the connection.
const closeWait = time.Second

// inFlightMost is how many signals of one client may wait for their outcomes; its next frame stays unread until one has
// come, which takes a second at most. It bounds the answers that a client is owed.
const inFlightMost = 256

// conn is one client's connection: the owner of its link, and a session.Conn.
type conn struct {
	door  *Door
	login login
	link  frames.Link
	out   frames.Outbox

	session atomic.Pointer[session.Session] // nil before the login, and if it was refused

	closing  atomic.Bool
	ended    chan struct{} // closed with closing: whoever waits for the client need not any more
	inFlight chan struct{} // a slot for each signal without an outcome

	// Owned by the reader: a link calls its owner for one message at a time.
	frames, bytes, bad *rate.Limiter
}

var (
	_ session.Conn = (*conn)(nil)
	_ frames.Owner = (*conn)(nil)
)

func newConn(d *Door, l login) *conn {
	return &conn{
		door: d, login: l,
		ended:    make(chan struct{}),
		inFlight: make(chan struct{}, inFlightMost),
		frames:   rate.NewLimiter(rate.Limit(d.o.Rates.Frames), 2*d.o.Rates.Frames),
		bytes:    rate.NewLimiter(rate.Limit(d.o.Rates.Bytes), 2*d.o.Rates.Bytes),
		bad:      rate.NewLimiter(badRate, badBurst),
	}
}

// Opened implements frames.Owner.
func (c *conn) Opened() {
	c.out.Attach(&c.link)
	if bad := c.login.bad; bad != nil {
		c.refuse(nil, bad)
		c.Close(session.BadLogin)
		return
	}
	login, err := c.door.o.Hub.Login(c, c.login.user, c.login.room, c.login.fullLists)
	switch {
	case err == nil:
		c.session.Store(login)
		c.link.Socket().Established()
	case errors.Is(err, session.ErrDraining):
		c.Close(session.Draining)
	default:
		c.door.log.Warn("login failed", "err", err)
		c.Close(session.NotReady)
	}
}

// over is called when the connection has ended, or was never upgraded.
func (c *conn) over(refused error) {
	if s := c.session.Load(); s != nil {
		c.door.o.Hub.Leave(s)
	}
	if refused != nil {
		c.door.o.Metrics.TurnedAway("handshake") // gorilla has answered
		c.door.log.Debug("handshake failed", "err", refused)
	}
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
	case frames.Queued:
		return wire.Delivered
	case frames.Ended:
		return wire.Offline
	default:
		return wire.Slow
	}
}

// Userlist implements roster.Viewer.
func (c *conn) Userlist(u *roster.Update) bool {
	return c.push(u.Encoded(roster.Native, encodeList), false) == frames.Queued
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
	if why == session.TooSlow {
		c.link.Socket().Abort()
		return
	}
	c.link.Socket().Expire(closeWait)
	if why == session.NotReady {
		c.push(encodeError(nil, &refusal{codeUnavailable, "cannot log in now"}), true)
	}
	cl := closings[why]
	c.out.End(frames.CloseMessage(cl.code, cl.text))
}

// finish notes that the connection is ending, and reports whether that is news.
func (c *conn) finish() bool {
	if c.closing.Swap(true) {
		return false
	}
	close(c.ended)
	return true
}

// Failed implements frames.Owner.
func (c *conn) Failed(err error) {
	switch cause := frames.Cause(err); {
	case cause == frames.Stalled:
		c.Close(session.TooSlow)
	case !c.finish():
	case cause == frames.Silent:
		c.door.o.Metrics.Closed(session.Silent)
	case cause == frames.Flood:
		c.door.o.Metrics.Closed(session.Flood)
	}
	c.door.log.Debug("connection over", "session", c.id(), "err", err)
}

// push queues a frame.
func (c *conn) push(frame []byte, owed bool) frames.Verdict {
	v := c.out.Push(time.Now(), owed, frames.Text(frame))
	if v == frames.Stuck {
		c.Close(session.TooSlow)
	}
	if v == frames.Stuck || v == frames.NoRoom {
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

// Panicked implements frames.Owner.
func (c *conn) Panicked(v any, stack []byte) {
	c.door.log.Error("panic in a connection", "session", c.id(), "panic", v, "stack", string(stack))
	c.Close(session.Fault)
}
