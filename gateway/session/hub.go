package session

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"beckon/gateway/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

// Errors of [Hub.Login].
var (
	ErrDraining = errors.New("the gateway is stopping")
	ErrFull     = errors.New("the gateway has as many sessions as it may have")
)

// Options are what a hub works with. All are required.
type Options struct {
	Gateway     string // this gateway's name
	Incarnation string // new at every start
	Conn        *bus.Conn
	Roster      *roster.Roster
	Announcer   *bus.Announcer
	MaxSessions int
	Metrics     *Metrics
	Log         *slog.Logger
}

// Hub holds the sessions of this gateway by user.
//
// Nobody who calls it waits for NATS. A login is completed by a goroutine of the hub (see admission.go); signals leave
// through [bus.Signals], which also brings those that arrive to deliver.
type Hub struct {
	o       Options
	log     *slog.Logger
	signals *bus.Signals
	door    *admission

	mu       sync.RWMutex
	draining bool
	users    map[string][]*Session // by subject token; each list is replaced, never changed, so that readers need no lock
	sessions map[string]*Session   // by id
}

// NewHub starts a hub. Close it.
func NewHub(o Options) (*Hub, error) {
	h := &Hub{
		o:        o,
		log:      o.Log.With("component", "hub"),
		users:    make(map[string][]*Session),
		sessions: make(map[string]*Session),
	}
	signals, err := bus.NewSignals(bus.SignalOptions{
		Conn: o.Conn, Gateway: o.Gateway, Incarnation: o.Incarnation,
		Deliver: h.deliver, Holders: o.Roster.Gateways, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	h.signals = signals
	h.door = &admission{conn: o.Conn, signals: signals, here: h.here, admit: h.admit, gone: h.announceLeave, log: h.log}
	h.door.start()
	o.Metrics.watch(h)
	return h, nil
}

// Close ends the hub's goroutines. Connections that are still open stay so, cut off from everybody.
func (h *Hub) Close() {
	h.door.close()
	h.signals.Close()
}

// Login adds a session of a valid user in a valid room. It returns at once; the session's connection is welcomed, or
// closed with [NotReady], a moment later. Call Leave when the connection has ended, whatever ended it.
func (h *Hub) Login(conn Conn, userID, room string, fullLists bool) (*Session, error) {
	s := &Session{
		ID: wire.NewID(), User: userID, Room: room,
		token: wire.Token(userID), from: wire.Quote(userID), since: time.Now().UnixMilli(), full: fullLists,
		conn: conn, ready: make(chan struct{}),
	}
	if err := h.add(s); err != nil {
		return nil, err
	}
	h.door.ask(s)
	return s, nil
}

func (h *Hub) add(s *Session) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return ErrDraining
	case len(h.sessions) >= h.o.MaxSessions:
		return ErrFull
	}
	h.users[s.token] = append(slices.Clone(h.users[s.token]), s)
	h.sessions[s.ID] = s
	return nil
}

// admit completes a login whose subscription NATS has confirmed, or ends one that it has not confirmed in time.
func (h *Hub) admit(s *Session, confirmed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if !confirmed {
		s.conn.Close(NotReady)
		return
	}
	s.conn.Welcome(s)
	s.welcomed.Store(true)
	close(s.ready)
	h.o.Roster.Join(s.login(), s.conn, s.full)
	h.o.Announcer.Join(s.login())
}

// Leave removes a session, and says so to everybody who saw it, unless [Hub.Drain] has sent it away. Calling it again does
// nothing.
func (h *Hub) Leave(s *Session) {
	last := h.remove(s)
	announced := h.end(s)
	switch {
	case last:
		h.door.forget(s, announced)
	case announced:
		h.announceLeave(s)
	}
}

// remove takes a session out, and reports whether it was the last of its user.
func (h *Hub) remove(s *Session) (last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.ID] != s {
		return false
	}
	delete(h.sessions, s.ID)
	rest := slices.DeleteFunc(slices.Clone(h.users[s.token]), func(other *Session) bool { return other == s })
	if len(rest) > 0 {
		h.users[s.token] = rest
		return false
	}
	delete(h.users, s.token)
	return true
}

// end notes that a session has ended, takes it out of the lists here, and reports whether presence is to be told.
func (h *Hub) end(s *Session) (announced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended = true
	if !s.welcomed.Load() {
		close(s.ready)
		return false
	}
	if s.sentAway.Load() {
		h.o.Roster.Detach(s.ID)
		return false
	}
	h.o.Roster.Leave(s.ID)
	return true
}

func (h *Hub) announceLeave(s *Session) { h.o.Announcer.Leave(s.ID) }

func (h *Hub) here(token string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.users[token]) > 0
}

// Sync has the room's list sent to the session again.
func (h *Hub) Sync(s *Session) { h.o.Roster.Sync(s.ID) }

// Page gives a part of the list of the session's room, as it was told last.
func (h *Hub) Page(s *Session, q roster.Query) roster.Page { return h.o.Roster.Page(s.ID, q) }

// Sessions is how many sessions there are here.
func (h *Hub) Sessions() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.sessions)
}

// Users is how many users have sessions here.
func (h *Hub) Users() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.users)
}

// Closed says why nobody can log in now, for the metric and for the client; nothing if they can.
func (h *Hub) Closed() (reason, why string) {
	switch {
	case h.Draining():
		return "draining", "this gateway is stopping"
	case h.o.Conn.Away() > awayTolerance:
		return "nats_away", "the message bus is away"
	case h.Full():
		return "full", "this gateway is full"
	}
	return "", ""
}

// awayTolerance is for how long NATS may be away before new logins are sent away; shorter absences they wait for.
const awayTolerance = 2 * time.Second

// RetryAfter is the value of that header (RFC 9110, section 10.2.3) for clients that are sent away: whole seconds, each
// time others, lest they all return in the same.
func RetryAfter() string { return strconv.Itoa(RetrySoonest + rand.IntN(RetryLatest-RetrySoonest+1)) }

// RetrySoonest and RetryLatest bound it.
const RetrySoonest, RetryLatest = 3, 8

// Full reports that no more sessions fit.
func (h *Hub) Full() bool { return h.Sessions() >= h.o.MaxSessions }

// Draining reports that Drain has begun.
func (h *Hub) Draining() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.draining
}
