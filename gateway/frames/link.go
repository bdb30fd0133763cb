// Package frames carries messages over WebSocket (RFC 6455), for every door of the gateway: melody's WebSockets, each run
// by a goroutine that somebody waits for, and a bounded queue before each ([Outbox]) that knows what became of a frame.
package frames

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"golang.org/x/time/rate"

	"beckon/gateway/socket"
)

const (
	pongWait      = 5 * time.Second // for writing one
	handshakeWait = 5 * time.Second
	bufferSize    = 512      // of each connection's reader, which is there however idle it is
	writeBuffer   = 16 << 10 // shared by all; a longer frame is two writes, and wakes its client twice
	// A client may send pingBurst pings and pongs of its own, and pingRate more each second.
	pingRate  = rate.Limit(4)
	pingBurst = 64
)

// ErrPings is the error of a connection whose client sent too many pings or pongs.
var ErrPings = errors.New("too many pings")

// Owner is what a link belongs to. It is called by one goroutine at a time, but for Panicked and Failed; a panic in it ends
// the link and nothing else.
type Owner interface {
	// Opened is called after the upgrade, before anything is read or written. It must return soon.
	Opened()
	// Text and Binary take a message, whose bytes are theirs to keep. Waiting in them leaves the next one unread.
	Text(msg []byte)
	Binary(msg []byte)
	// Failed takes an error that ends the link; [Cause] says what it means. There may be several.
	Failed(err error)
	// Panicked takes what was recovered from a panic in one of the others.
	Panicked(v any, stack []byte)
}

// Options are what links have in common.
type Options struct {
	CheckOrigin func(*http.Request) bool
	MaxMessage  int // bytes; a longer one ends the link
	// Ping and Pong are how often clients are pinged, and how long they may not answer that. Write is how long a frame may
	// take.
	Ping, Pong, Write time.Duration
}

// Server upgrades requests.
type Server struct {
	melody *melody.Melody
	links  sync.WaitGroup // each is served by one goroutine of ours, which is its reader
	hands  hands
}

// NewServer makes a server.
func NewServer(o Options) *Server {
	m := melody.New()
	m.Config = &melody.Config{
		WriteWait: o.Write, PongWait: o.Pong, PingPeriod: o.Ping, MaxMessageSize: int64(o.MaxMessage),
		MessageBufferSize: feed + 1, // one place is kept for a close frame
	}
	m.Upgrader = &websocket.Upgrader{
		HandshakeTimeout: handshakeWait,
		ReadBufferSize:   bufferSize, WriteBufferSize: writeBuffer, WriteBufferPool: &sync.Pool{},
		CheckOrigin: o.CheckOrigin,
		// No compression: the read limit counts the bytes of the wire, not those that they unfold to.
	}
	m.HandleConnect(func(s *melody.Session) { of(s).opened(s) })
	server := &Server{melody: m}
	m.HandleMessage(func(s *melody.Session, msg []byte) { server.read(s, Frame{Data: msg}) })
	m.HandleMessageBinary(func(s *melody.Session, msg []byte) { server.read(s, Frame{Data: msg, Binary: true}) })
	wrote := func(s *melody.Session, _ []byte) { of(s).wrote() }
	m.HandleSentMessage(wrote)
	m.HandleSentMessageBinary(wrote)
	m.HandlePong(func(s *melody.Session) { of(s).pong() })
	m.HandleError(func(s *melody.Session, err error) {
		l := of(s)
		defer l.contain()
		l.owner.Failed(err) // melody ends the connection after every error
	})
	return server
}

func of(s *melody.Session) *Link {
	return socket.Of(s.WebsocketConnection().NetConn()).Attached().(*Link)
}

// read takes a message for its owner.
func (s *Server) read(from *melody.Session, f Frame) {
	l := of(from)
	l.arrived = f
	s.hands.bring(l)
}

// Serve upgrades a request and returns when that has been done or refused: nothing of the request outlives the handshake.
// over is called in the end, by a goroutine of the server, with the error of an upgrade that failed, of which the client
// has been told. l must be new.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, l *Link, out *Outbox, owner Owner, over func(error)) {
	l.owner, l.out = owner, out
	l.started = make(chan struct{})
	l.brought = make(chan struct{}, 1)
	l.pings = rate.NewLimiter(pingRate, pingBurst)
	served := make(chan struct{})
	s.links.Go(func() {
		defer close(served)
		s.serve(w, r, l, over)
	})
	select {
	case <-l.started:
	case <-served:
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, l *Link, over func(error)) {
	var refused error
	defer func() {
		if l.sock != nil {
			l.sock.Wait() // melody's writer may still be closing it
		}
	}()
	defer func() { over(refused) }()
	defer l.contain()
	if l.sock = socket.FromContext(r.Context()); l.sock != nil {
		l.sock.Attach(l)
	} else {
		w = &hijacker{w, l}
	}
	refused = s.melody.HandleRequest(w, r)
}

// Owners are those whose links are up.
func (s *Server) Owners() []Owner {
	sessions, _ := s.melody.Sessions() // fails once melody's hub is closed, which nobody does
	owners := make([]Owner, 0, len(sessions))
	for _, session := range sessions {
		owners = append(owners, of(session).owner)
	}
	return owners
}

// Wait returns when every link has ended, and what served them. No more requests may come.
func (s *Server) Wait() {
	s.links.Wait()
	s.hands.dismiss()
}

// hijacker makes the connection of a plain http.Server a socket.Conn.
type hijacker struct {
	http.ResponseWriter
	link *Link
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.link.sock = socket.Unbounded(conn)
	h.link.sock.Attach(h.link)
	return h.link.sock, buffered, nil
}

// Link is one WebSocket. Its zero value is ready for [Server.Serve].
type Link struct {
	owner   Owner
	out     *Outbox // what it counts what has been written for; it may carry frames of its own before that is attached
	sock    *socket.Conn
	melody  *melody.Session
	started chan struct{} // closed when melody has taken the connection over

	mu    sync.Mutex
	plain int // frames in melody's queue that are not out's

	pings *rate.Limiter // owned by the reader

	arrived Frame         // the message that is being brought; owned by the reader until it is handed on, and then by the hand
	brought chan struct{} // one slot, filled when the owner is done with that
}

func (l *Link) opened(s *melody.Session) {
	defer close(l.started)
	defer l.contain()
	s.Request = nil // and what hangs on it
	l.melody = s
	l.sock.Linger()
	s.WebsocketConnection().SetPingHandler(l.ping)
	l.owner.Opened()
}

// deliver gives the owner the message that has arrived.
func (l *Link) deliver() {
	defer l.contain()
	f := l.arrived
	l.arrived = Frame{} // which would live until the next one comes
	if f.Binary {
		l.owner.Binary(f.Data)
	} else {
		l.owner.Text(f.Data)
	}
}

// Socket is the connection beneath, from [Owner.Opened] on.
func (l *Link) Socket() *socket.Conn { return l.sock }

// Say writes a frame without a queue: a word or two before the outbox is attached.
func (l *Link) Say(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plain++
	l.sock.Queue()
	l.write(Text(data))
}

// Close ends the link with a close frame behind what has been written, within a time and what the socket lingers.
func (l *Link) Close(code int, text string, within time.Duration) {
	l.sock.Expire(within)
	l.end(CloseMessage(code, text))
}

// CloseMessage is the payload of a close frame (RFC 6455, section 5.5.1).
func CloseMessage(code int, text string) []byte { return melody.FormatCloseMessage(code, text) }

// write and end fail only when the link has ended.
func (l *Link) write(f Frame) {
	if f.Binary {
		_ = l.melody.WriteBinary(f.Data)
	} else {
		_ = l.melody.Write(f.Data)
	}
}

func (l *Link) end(payload []byte) { _ = l.melody.CloseWithMsg(payload) }

// wrote notes that melody has written a frame.
func (l *Link) wrote() {
	defer l.contain()
	l.sock.Wrote()
	l.mu.Lock()
	plain := l.plain > 0
	if plain {
		l.plain--
	}
	l.mu.Unlock()
	if !plain {
		l.out.Wrote(1)
	}
}

// ping answers a client's ping as RFC 6455, section 5.5.2 has it, but not a flood of them. The answer may stand behind a
// frame that the client is slow to read, so it has the same time.
func (l *Link) ping(data string) error {
	defer l.contain()
	if !l.pings.Allow() {
		return ErrPings
	}
	err := l.melody.WebsocketConnection().WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(pongWait))
	if errors.Is(err, websocket.ErrCloseSent) {
		return nil
	}
	return err
}

// pong counts a client's pongs with its pings: it is asked for few.
func (l *Link) pong() {
	defer l.contain()
	if !l.pings.Allow() {
		l.owner.Failed(ErrPings)
		l.sock.Abort()
	}
}

// contain, deferred, ends the link when a callback panics. melody calls back in goroutines where a panic would leave the
// connection behind, or end the process.
func (l *Link) contain() {
	if v := recover(); v != nil {
		l.owner.Panicked(v, debug.Stack())
	}
}

// End is what an error that ended a link means.
type End uint8

// The ends.
const (
	Gone    End = iota // the client has gone, or its network
	Stalled            // it does not read
	Silent             // it does not answer pings
	Flood              // it sends more than it may: bytes, pings, or a message that is too long
)

// Cause says what an error means.
func Cause(err error) End {
	var network net.Error
	switch {
	case errors.Is(err, socket.ErrStalled):
		return Stalled
	case errors.As(err, &network) && network.Timeout():
		return Silent
	case errors.Is(err, socket.ErrBudget), errors.Is(err, websocket.ErrReadLimit), errors.Is(err, ErrPings):
		return Flood
	}
	return Gone
}
