package engineio

import (
	"container/list"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"beckon/gateway/frames"
	"beckon/gateway/socket"
	"beckon/gateway/socketio/clock"
)

// Session is one client, whatever carries its packets.
type Session struct {
	server  *Server
	id      string // 128 random bits: who knows it may speak for the client
	place   string // where the client is
	handler Handler
	out     frames.Outbox

	packets, bytes *rate.Limiter // under reading

	reading  sync.Mutex // held while packets are taken, from a POST or from a WebSocket
	ended    chan struct{}
	over     chan struct{} // closed when Closed has been called
	upgraded atomic.Bool   // connection carries the packets

	established atomic.Bool
	waits       *list.Element // in Server.pending, under the server's mu; nil when it does not

	mu         sync.Mutex
	closed     bool
	closing    bool          // closed by us, and a poll has still to be told so
	waiting    *poll         // the GET that waits
	polled     chan struct{} // closed when a GET comes to wait; nil when nobody waits for that
	posting    bool          // a POST is being read
	vouched    *socket.Conn  // over which the last one came; nil for none
	connection *connection   // the WebSocket, once upgraded
	probe      *connection   // the WebSocket that wants to be it
	probes     int           // that have been answered
	hurry      chan struct{} // closed when probed; nil when nobody waits for that
	probed     bool          // it has been answered: GETs are to return
	due        time.Time     // of the heartbeat's next step
	pinged     bool          // that is the end, unless a pong comes
	heart      clock.Alarm
	last       clock.Alarm // the call of Closed
	rest       clock.Alarm // the end of closing
	forgotten  bool
}

func newSession(s *Server, place string) *Session {
	return &Session{
		server: s, id: rand.Text(), place: place, ended: make(chan struct{}), over: make(chan struct{}),
		packets: limiter(s.o.Packets), bytes: limiter(s.o.Bytes),
	}
}

// limiter allows so many a second, with as much again in a burst; 0 is no bound.
func limiter(perSecond int) *rate.Limiter {
	if perSecond == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)
}

// errFlood is the error of a session that sent more than it may.
var errFlood = errors.New("too many packets")

// allowed counts a packet, under reading.
func (s *Session) allowed(size int) error {
	if now := time.Now(); !s.packets.AllowN(now, 1) || !s.bytes.AllowN(now, size) {
		return errFlood
	}
	return nil
}

// faultOf is why a packet that could not be taken ends a session.
func faultOf(err error) Reason {
	if errors.Is(err, errFlood) || errors.Is(err, errMany) {
		return Flood
	}
	return BadData
}

// handshake is the packet with which a session begins.
func (s *Session) handshake() []byte {
	upgrades := []string{"websocket"}
	if s.upgraded.Load() {
		upgrades = []string{}
	}
	data, _ := json.Marshal(struct { // cannot fail: texts and numbers
		ID           string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}{s.id, upgrades, s.server.o.PingInterval.Milliseconds(), s.server.o.PingTimeout.Milliseconds(), s.server.o.MaxPayload})
	return append([]byte{packetOpen}, data...)
}

// begin starts the heartbeat.
func (s *Session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = time.Now().Add(s.server.o.PingInterval)
	s.server.clock.Set(&s.heart, s.due, s.beat)
}

// beat is the next step of the heartbeat.
func (s *Session) beat() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	if s.pinged {
		s.mu.Unlock()
		s.end(PingTimeout)
		return
	}
	s.pinged = true
	s.due = s.due.Add(s.server.o.PingTimeout)
	s.server.clock.Set(&s.heart, s.due, s.beat)
	s.mu.Unlock()
	s.Send(true, frames.Text([]byte{packetPing}))
}

// overdue ends a session whose pong has not come in time, for requests that are sooner than the clock.
func (s *Session) overdue(now time.Time) bool {
	s.mu.Lock()
	last := s.due
	if !s.pinged {
		last = last.Add(s.server.o.PingTimeout)
	}
	s.mu.Unlock()
	if now.Before(last) {
		return false
	}
	s.end(PingTimeout)
	return true
}

func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.pinged {
		return
	}
	s.pinged = false
	s.due = time.Now().Add(s.server.o.PingInterval)
	s.server.clock.Set(&s.heart, s.due, s.beat)
}

// Send queues messages for the client: text that begins as [AppendText] has it, or binary. Those that are owed, because
// they answer the client, need no room. A session that is [frames.Stuck] ends.
func (s *Session) Send(owed bool, messages ...frames.Frame) frames.Verdict {
	v := s.out.Push(time.Now(), owed, messages...)
	switch v {
	case frames.Queued:
		s.wake()
	case frames.Stuck:
		s.end(TooSlow)
	}
	return v
}

// wake has the GET that waits look for what there is.
func (s *Session) wake() {
	if s.upgraded.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting != nil {
		s.waiting.wake()
	}
}

// Written calls fn, which must not block, when everything that is queued now has been written.
func (s *Session) Written(fn func()) { s.out.Written(fn) }

// settle waits until the client has read enough of what it is owed for more, or the session has ended; which it does when
// that takes [frames.StuckAfter]. It reports whether the session lives.
//
// A client whose probe has been answered polls no more until its POSTs are through, so while the first WebSocket is being
// tried nobody waits: what is owed meanwhile is bounded by the time that this may take, and by what a client may send.
func (s *Session) settle() bool {
	if room := s.out.Wait(); room != nil {
		if hurry := s.patience(); hurry != nil {
			patience := time.NewTimer(frames.StuckAfter)
			defer patience.Stop()
			select {
			case <-room:
			case <-hurry:
			case <-s.ended:
			case <-patience.C:
				s.end(TooSlow)
			}
		}
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// patience gives a channel that is closed when there is no time to wait any more; nil when there is none now.
func (s *Session) patience() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probed && s.probes == 1 {
		return nil
	}
	if s.hurry == nil {
		s.hurry = make(chan struct{})
	}
	return s.hurry
}

// Established says that the client has become somebody: [Options.MaxPending] does not count it any more.
func (s *Session) Established() {
	if !s.established.Swap(true) {
		s.server.unwait(s)
	}
}

// Ended is closed when the session has ended, or is told to.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Close ends the session after what is queued: over WebSocket with a close frame (RFC 6455, section 7.4), over polling with
// a close packet. It returns at once.
func (s *Session) Close(code int, text string) { s.finish(ServerClosed, code, text) }

// The close frames of other ends.
const (
	codeNormal   = 1000
	codeProtocol = 1002
	codePolicy   = 1008
	codeFault    = 1011
)

// end ends the session.
func (s *Session) end(why Reason) {
	switch why {
	case ClientClosed:
		s.finish(why, codeNormal, "")
	case BadData:
		s.finish(why, codeProtocol, "protocol error")
	case Fault:
		s.finish(why, codeFault, "internal error")
	default:
		s.finish(why, codePolicy, "")
	}
}

func (s *Session) finish(why Reason, code int, text string) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.ended)
	clk := s.server.clock
	clk.Stop(&s.heart)
	polling := !s.upgraded.Load()
	tell := polling && why != ClientClosed && why != Gone
	if tell {
		s.out.Push(time.Now(), true, frames.Text([]byte{packetClose}))
	}
	s.closing = why == ServerClosed && polling && s.waiting == nil
	if s.waiting != nil {
		s.waiting.wake()
	}
	if s.probe != nil && s.probe.opened {
		s.dismiss(s.probe, code, text)
	}
	s.vouch(nil)
	connection := s.connection
	// Not from here: whoever ends a session may hold what its handler needs.
	clk.Set(&s.last, time.Now(), func() { s.told(why) })
	s.mu.Unlock()

	if connection == nil {
		s.out.End(nothing)
	} else {
		connection.end(why, code, text)
	}
}

// told tells the handler of the end.
func (s *Session) told(why Reason) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked(v, debug.Stack())
		}
	}()
	s.mu.Lock()
	closing := s.closing
	if closing {
		s.server.clock.Set(&s.rest, time.Now().Add(closeWait), s.forget)
	}
	s.mu.Unlock()
	if !closing {
		defer s.forget()
	}
	s.handler.Closed(why)
}

// forget is the last that is done about a session.
func (s *Session) forget() {
	s.mu.Lock()
	again := s.forgotten
	s.forgotten = true
	s.mu.Unlock()
	if !again {
		s.server.remove(s)
		close(s.over)
	}
}

func (s *Session) panicked(v any, stack []byte) {
	s.server.log.Error("panic in an Engine.IO session", "panic", v, "stack", string(stack))
	s.end(Fault)
}

// read takes a packet, or a binary message, that came over WebSocket.
func (s *Session) read(msg []byte, binary bool) (done bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.allowed(len(msg)); err != nil {
		return true, err
	}
	if binary {
		return false, s.deliver(msg, true)
	}
	return s.packet(msg)
}

// deliver gives the handler a message.
func (s *Session) deliver(data []byte, binary bool) error {
	if !s.settle() {
		return nil
	}
	return s.handler.Message(data, binary)
}

// packet takes one of the client's packets. An error, or done, means that there are to be no more.
func (s *Session) packet(p []byte) (done bool, err error) {
	if len(p) == 0 {
		return true, errMalformed
	}
	switch p[0] {
	case packetMessage:
		return false, s.deliver(p[1:], false)
	case packetPong:
		s.pong()
		return false, nil
	case packetNoop:
		return false, nil
	case packetClose:
		return true, nil
	}
	return true, fmt.Errorf("%w of type %q", errMalformed, p[0])
}
