// Package engineio is a server of the Engine.IO protocol, version 4: messages between a client and a server over HTTP
// long polling, over WebSocket, or over the first until the second has been tried ("upgrade"). The protocol's document is
// in the repository socketio/engine.io-protocol; names of packets and parameters are its own.
//
//	GET  ?EIO=4&transport=polling        ─▶ 0{"sid",...}      a session begins
//	GET  ?EIO=4&transport=polling&sid=   ─▶ waits for packets
//	POST ?EIO=4&transport=polling&sid=   ◀─ packets
//	GET  ?EIO=4&transport=websocket      ─▶ 0{"sid",...}      a session begins, or, with a sid, moves here:
//	                                     ◀─ 2probe ─▶ 3probe ◀─ 5
//
// It knows nothing of what the messages mean: a [Handler] a session takes them.
package engineio

import (
	"cmp"
	"container/list"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"beckon/gateway/frames"
	"beckon/gateway/socketio/clock"
)

// Options are what a server does. Their zero values are the protocol's defaults.
type Options struct {
	Path           string        // of all requests; /engine.io/
	PingInterval   time.Duration // between a pong, or the beginning, and the next ping; 25 s
	PingTimeout    time.Duration // for a pong; 20 s
	UpgradeTimeout time.Duration // from a WebSocket's opening to the end of the upgrade; 10 s
	MaxPayload     int           // bytes of a POST's body or of a WebSocket message; 1,000,000

	// Packets and Bytes are how many a session may send a second, with as much again in a burst; who sends more is ended.
	// None means no bound.
	Packets, Bytes int

	// Origin says whether a request's Origin may connect. Pages of those that may also read the answers (CORS), with
	// credentials. None means that all may, without.
	Origin func(*http.Request) bool
	// Admit is asked before a session begins; a refusal, unless nil, is the answer.
	Admit func(*http.Request) *Refusal
	// MaxPending is how many sessions of one address may not be established ([Session.Established]). One more ends the oldest:
	// who means it is established within a round trip or two. None means no bound. Evicted, unless nil, is told of each.
	MaxPending int
	Evicted    func()
	// Open gives the handler of a session that has begun. It must not block.
	Open func(*Session, *http.Request) Handler
	Log  *slog.Logger // slog.Default
}

// Handler takes what a session brings.
type Handler interface {
	// Message takes a message, one at a time and in their order, when the client has read enough of what it is owed for an
	// answer to have room. Its bytes may be kept, not changed. Waiting in it leaves the next one unread. An error ends the
	// session, because the client broke its protocol.
	Message(data []byte, binary bool) error
	// Closed is called once, when the session has ended, from a goroutine of the server: it must not block. A Message may
	// still be under way.
	Closed(Reason)
}

// Reason says why a session ended.
type Reason uint8

// The reasons.
const (
	ClientClosed Reason = iota + 1 // the client said so
	Gone                           // the client's connection broke, or it aborted a poll
	PingTimeout                    // no pong came
	BadData                        // the client broke the protocol
	Flood                          // the client sent more than it may
	TooSlow                        // the client did not read
	Fault                          // an error of ours
	ServerClosed                   // Session.Close or Server.Close
)

// Server is an http.Handler. Close it.
type Server struct {
	o      Options
	public bool // every origin may connect
	log    *slog.Logger
	links  *frames.Server
	clock  *clock.Clock

	mu       sync.Mutex
	closed   bool
	sessions map[string]*Session   // by sid
	pending  map[string]*list.List // of sessions that are not established, by place, the oldest first
}

// New makes a server.
func New(o Options) *Server {
	o.Path = cmp.Or(o.Path, "/engine.io/")
	o.PingInterval = cmp.Or(o.PingInterval, 25*time.Second)
	o.PingTimeout = cmp.Or(o.PingTimeout, 20*time.Second)
	o.UpgradeTimeout = cmp.Or(o.UpgradeTimeout, 10*time.Second)
	o.MaxPayload = cmp.Or(o.MaxPayload, 1_000_000)
	public := o.Origin == nil
	if public {
		o.Origin = func(*http.Request) bool { return true }
	}
	return &Server{
		o: o, public: public, log: cmp.Or(o.Log, slog.Default()),
		links: frames.NewServer(frames.Options{
			CheckOrigin: o.Origin, MaxMessage: o.MaxPayload,
			Ping: never, Pong: never, // the protocol has a heartbeat of its own
			Write: writeWait,
		}),
		clock:    clock.New(),
		sessions: make(map[string]*Session),
		pending:  make(map[string]*list.List),
	}
}

const (
	never     = 10_000 * time.Hour
	writeWait = 5 * time.Second
	// closeWait is how long a client has to hear that we end its session.
	closeWait = time.Second
)

// Clock is the server's, for who builds on it.
func (s *Server) Clock() *clock.Clock { return s.clock }

// MaxPayload is the option's value.
func (s *Server) MaxPayload() int { return s.o.MaxPayload }

// Len is how many sessions there are.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Sessions is how many established sessions there are over polling and over WebSocket.
func (s *Server) Sessions() (polling, webSocket int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		switch {
		case !session.established.Load():
		case session.upgraded.Load():
			webSocket++
		default:
			polling++
		}
	}
	return polling, webSocket
}

// Close ends all sessions, telling their clients, takes no more, and returns when everything has ended: within seconds.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	s.mu.Unlock()
	for _, session := range all {
		session.Close(1001, "going away")
	}
	s.links.Wait()
	for _, session := range all {
		<-session.over
	}
	s.clock.Close()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// add lets a new session in, and ends the one for which there is no place any more then.
func (s *Server) add(session *Session) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.sessions[session.id] = session
	evicted := s.wait(session)
	s.mu.Unlock()
	if evicted != nil {
		evicted.finish(ServerClosed, codePolicy, "too many of this address")
		if s.o.Evicted != nil {
			s.o.Evicted()
		}
	}
	return true
}

// wait has a session stand among those of its place that are not established, under mu, and gives the one that has to go.
func (s *Server) wait(session *Session) (evicted *Session) {
	if s.o.MaxPending == 0 || session.established.Load() {
		return nil
	}
	waiting := s.pending[session.place]
	if waiting == nil {
		waiting = list.New()
		s.pending[session.place] = waiting
	}
	if waiting.Len() >= s.o.MaxPending {
		evicted = waiting.Front().Value.(*Session)
		waiting.Remove(evicted.waits)
		evicted.waits = nil
	}
	session.waits = waiting.PushBack(session)
	return evicted
}

// unwait is for a session that waits no more.
func (s *Server) unwait(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(session)
}

func (s *Server) leave(session *Session) {
	if session.waits == nil {
		return
	}
	waiting := s.pending[session.place]
	waiting.Remove(session.waits)
	session.waits = nil
	if waiting.Len() == 0 {
		delete(s.pending, session.place)
	}
}

func (s *Server) remove(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(session)
	delete(s.sessions, session.id)
}

func (s *Server) session(sid string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[sid]
}
