package engineio

import (
	"net/http"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"beckon/gateway/frames"
	"beckon/gateway/socketio/clock"
)

// connection is a WebSocket: one with which a session opens, or one to which it wants to move. It is its link's owner.
type connection struct {
	session *Session
	link    frames.Link
	opens   func() Handler // of a session that begins here; nil once it has begun

	cause atomic.Uint32 // the Reason of the first error
	limit clock.Alarm   // of the upgrade

	opened bool // of one that probes, under the session's mu: it may be closed

	// Owned by the reader.
	probes bool // it is no more than a try
	probed bool // the client has sent the probe
}

var _ frames.Owner = (*connection)(nil)

const (
	probe      = "probe"
	probeText  = string(packetPing) + probe
	probedText = string(packetPong) + probe
)

var nothing = []byte{}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, c *connection) {
	s.links.Serve(w, r, &c.link, &c.session.out, c, c.over)
}

// Opened implements frames.Owner.
func (c *connection) Opened() {
	s := c.session
	if c.probes {
		s.try(c)
		return
	}
	s.connection = c // nobody knows the session yet
	s.upgraded.Store(true)
	c.link.Socket().Established()
	s.out.Push(time.Now(), true, frames.Text(s.handshake()))
	s.out.Attach(&c.link)
	s.handler = c.opens()
	c.opens = nil
	s.begin()
	if !s.server.add(s) {
		s.Close(1001, "going away")
	}
}

// seat lets a WebSocket try to take the session over, if no other one does.
func (s *Session) seat(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && !s.upgraded.Load() && s.probe == nil {
		s.probe = c
	}
}

// try begins the try, or ends it at once.
func (s *Session) try(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.probe != c {
		c.link.Close(codeNormal, "", closeWait)
		return
	}
	c.opened = true
	s.server.clock.Set(&c.limit, time.Now().Add(s.server.o.UpgradeTimeout), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dismiss(c, codePolicy, "no upgrade")
	})
}

// dismiss ends a try that has come to nothing, under mu. Another may begin.
func (s *Session) dismiss(c *connection, code int, text string) {
	if s.probe != c {
		return
	}
	s.probe, s.probed = nil, false
	s.server.clock.Stop(&c.limit)
	c.link.Close(code, text, closeWait)
}

// Text implements frames.Owner.
func (c *connection) Text(msg []byte) {
	if c.probes {
		c.proceed(string(msg))
		return
	}
	if !utf8.Valid(msg) {
		c.session.end(BadData)
		return
	}
	c.take(msg, false)
}

// Binary implements frames.Owner.
func (c *connection) Binary(msg []byte) {
	if c.probes {
		c.proceed("")
		return
	}
	c.take(msg, true)
}

func (c *connection) take(msg []byte, binary bool) {
	s := c.session
	select {
	case <-s.ended: // and what the client says behind that is not heard
		return
	default:
	}
	switch done, err := s.read(msg, binary); {
	case err != nil:
		s.end(faultOf(err))
	case done:
		s.end(ClientClosed)
	}
}

// proceed takes what a WebSocket says that wants to take the session over.
func (c *connection) proceed(msg string) {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || s.probe != c:
	case msg == probeText && !c.probed:
		c.probed, s.probed = true, true
		c.link.Say([]byte(probedText))
		s.probes++
		if s.hurry != nil && s.probes == 1 {
			close(s.hurry)
			s.hurry = nil
		}
		if s.waiting != nil {
			s.waiting.wake()
		}
	case msg == string(packetUpgrade) && c.probed:
		c.probes = false
		s.probe, s.probed, s.connection = nil, false, c
		s.upgraded.Store(true)
		s.server.clock.Stop(&c.limit)
		s.vouch(nil)
		c.link.Socket().Established()
		s.out.Attach(&c.link)
		if s.waiting != nil {
			s.waiting.wake()
		}
	default:
		s.dismiss(c, codeProtocol, "protocol error")
	}
}

// end ends the WebSocket of a session that has ended.
func (c *connection) end(why Reason, code int, text string) {
	if why == TooSlow {
		c.link.Socket().Abort()
		return
	}
	c.link.Socket().Expire(closeWait)
	c.session.out.End(frames.CloseMessage(code, text))
}

// Failed implements frames.Owner. What calls it may hold the session's mu.
func (c *connection) Failed(err error) {
	why := Gone
	switch frames.Cause(err) {
	case frames.Stalled:
		why = TooSlow
	case frames.Flood:
		why = Flood
	}
	c.cause.CompareAndSwap(0, uint32(why))
	c.session.server.log.Debug("Engine.IO WebSocket over", "err", err)
}

// Panicked implements frames.Owner.
func (c *connection) Panicked(v any, stack []byte) {
	c.session.panicked(v, stack)
}

// over is called when the WebSocket has ended, or was never opened: then a session that would have begun here has not.
func (c *connection) over(refused error) {
	s := c.session
	s.mu.Lock()
	carries := s.connection == c
	if s.probe == c {
		s.probe, s.probed = nil, false
		s.server.clock.Stop(&c.limit)
	}
	s.mu.Unlock()
	if carries && refused == nil {
		s.end(Reason(max(c.cause.Load(), uint32(Gone))))
	}
}
