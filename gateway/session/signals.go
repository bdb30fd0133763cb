package session

import (
	"time"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// Signal is a signal on its way to sessions of one user.
type Signal struct {
	*wire.Signal
	format  roster.Format
	encoded []byte
}

// Encoded is the signal in a format, encoded once for all sessions that follow each other with the same format: a user may
// have many, and none of them is to cost a copy.
func (s *Signal) Encoded(f roster.Format, encode func(*wire.Signal) []byte) []byte {
	if s.encoded == nil || s.format != f {
		s.format, s.encoded = f, encode(s.Signal)
	}
	return s.encoded
}

// Send sends a request of s, and calls outcome exactly once: before it returns, or later from another goroutine, which
// outcome must not block. Calls for one session come one at a time. Signals of s to one user arrive in the order of the
// calls.
//
// Every door's signals pass here, and those that arrive pass deliver: rules about who may ring whom have their place in these
// two, and a signal that one of them stops is [wire.Refused].
func (h *Hub) Send(s *Session, req *wire.Request, outcome func(wire.Outcome)) {
	signal := wire.Signal{
		Kind: req.Kind, From: s.from, FromSession: s.ID, ToSession: req.ToSession, CallID: req.CallID, Body: req.Body,
	}
	start := time.Now()
	finish := func(o wire.Outcome) {
		h.o.Metrics.signal(req.Kind, o, time.Since(start))
		outcome(o)
	}
	if callee := h.shortcut(s, req); callee != nil {
		finish(callee.conn.Signal(&Signal{Signal: &signal}))
		return
	}
	s.inFlight.Add(1)
	h.signals.Send(req.To, &signal, func(o wire.Outcome) {
		s.inFlight.Add(-1)
		finish(o)
	})
}

// shortcut is the session that the request addresses, if this gateway holds it and may hand the signal over itself. While
// NATS still carries signals of the sender it may not: this one could arrive before one of those.
func (h *Hub) shortcut(s *Session, req *wire.Request) *Session {
	if req.ToSession == "" || req.ToSession == s.ID || s.inFlight.Load() > 0 {
		return nil
	}
	h.mu.RLock()
	callee := h.sessions[req.ToSession]
	h.mu.RUnlock()
	if callee == nil || callee.User != req.To || !callee.reachable() {
		return nil
	}
	return callee
}

// deliver hands a signal that arrived over NATS to the user's sessions that it is for. No session receives what it sent
// itself: a signal to one's own user id is for one's other sessions.
func (h *Hub) deliver(token string, signal *wire.Signal) wire.Outcome {
	h.mu.RLock()
	sessions := h.users[token]
	h.mu.RUnlock()
	shared := Signal{Signal: signal}
	best := wire.Offline // of a user who has left while the signal was on its way, too
	for _, s := range sessions {
		if s.ID == signal.FromSession || signal.ToSession != "" && signal.ToSession != s.ID || !s.reachable() {
			continue
		}
		if o := s.conn.Signal(&shared); best != wire.Delivered && o != wire.Offline {
			best = o
		}
	}
	return best
}
