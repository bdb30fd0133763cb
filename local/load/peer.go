package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	handshakeTimeout = 10 * time.Second
	bufferSize       = 8 << 10 // the longest frame of ours is written, and many are read, by one system call
)

var (
	writeBuffers sync.Pool
	dialer       = websocket.Dialer{
		HandshakeTimeout: handshakeTimeout, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, WriteBufferPool: &writeBuffers,
	}
)

// kind tells a peer's two messages apart.
type kind int

const (
	sdp kind = iota // an offer or an answer
	candidate
)

// peer is one side of a pair: a client with one session. It exchanges messages with the other side only and takes nothing
// on trust: each message that arrives must be from the other side, as it was sent, and the next in order.
type peer struct {
	name    string
	caller  bool
	gateway string // host:port
	other   *peer
	from    []byte // the member by which the other side's messages must be stamped
	conn    *websocket.Conn

	mu    sync.Mutex // orders sends
	says  [2]message // by kind
	sent  atomic.Int64
	acked atomic.Int64

	// Owned by the reader.
	told   []uint64 // a bit for each of our messages that was acked, by number
	inCall int      // messages that a caller has received in this call

	received atomic.Int64 // counts a message only when what it caused has been done
}

// newPair makes both sides of a pair, the caller first. Their names must need no escapes in JSON.
func newPair(callerName, callerGateway, calleeName, calleeGateway string, acks bool) (caller, callee *peer) {
	caller = &peer{name: callerName, caller: true, gateway: callerGateway, from: fmt.Appendf(nil, `"from":"%s"`, calleeName)}
	callee = &peer{name: calleeName, gateway: calleeGateway, from: fmt.Appendf(nil, `"from":"%s"`, callerName)}
	caller.other, callee.other = callee, caller
	caller.says = [...]message{sdp: newOffer(calleeName, acks), candidate: newCandidate(calleeName, acks)}
	callee.says = [...]message{sdp: newAnswer(callerName, acks), candidate: newCandidate(callerName, acks)}
	return caller, callee
}

// login connects and waits for the welcome.
func (p *peer) login(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, resp, err := dialer.DialContext(ctx, "ws://"+p.gateway+"/ws?"+url.Values{"user": {p.name}}.Encode(), nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: %s", err, resp.Status)
		}
		return fmt.Errorf("log %s in: %w", p.name, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	_, first, err := conn.ReadMessage()
	switch {
	case err == nil && !stop():
		err = context.Cause(ctx)
	case err == nil && string(event(first)) != "welcome":
		err = fmt.Errorf("the first frame is %.200q", first)
	}
	if err != nil {
		conn.Close()
		return fmt.Errorf("log %s in: %w", p.name, err)
	}
	p.conn = conn
	return nil
}

// send sends the next message; at is when it was to be sent.
func (p *peer) send(k kind, at time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := p.sent.Add(1)
	if err := p.conn.WriteMessage(websocket.TextMessage, p.says[k].write(number, int64(at))); err != nil {
		return fmt.Errorf("%s sends: %w", p.name, err)
	}
	return nil
}

// read takes frames until the connection ends, which is always an error.
func (p *peer) read(t *traffic) error {
	var buf bytes.Buffer
	for {
		_, r, err := p.conn.NextReader()
		if err == nil {
			buf.Reset()
			_, err = buf.ReadFrom(r)
		}
		if err == nil {
			err = p.take(t, buf.Bytes(), t.now())
		}
		if err != nil {
			return fmt.Errorf("%s reads: %w", p.name, err)
		}
	}
}

func (p *peer) take(t *traffic, frame []byte, now time.Duration) error {
	event := event(frame)
	switch string(event) {
	case "ack":
		return p.ack(t, frame)
	case "undeliverable":
		if bytes.Contains(frame, []byte(`"reason":"unknown"`)) {
			t.unknown.Add(1)
			return nil
		}
	case "updateUserlist", "userlistDelta":
		return nil
	}
	for k := range p.other.says {
		if m := &p.other.says[k]; m.event == string(event) {
			at, err := p.check(m, frame)
			if err != nil {
				return err
			}
			t.book(now - at)
			if err := t.react(p, kind(k)); err != nil {
				return err
			}
			p.received.Add(1)
			return nil
		}
	}
	return fmt.Errorf("unexpected: %.300q", frame)
}

// check holds a message against what the other side has sent, and says when it was to be sent.
func (p *peer) check(m *message, frame []byte) (at time.Duration, err error) {
	if !bytes.Contains(frame[:min(len(frame), 256)], p.from) {
		return 0, fmt.Errorf("not from %s: %.300q", p.other.name, frame)
	}
	number, sentAt, ok := m.read(frame)
	if !ok {
		return 0, fmt.Errorf("not as it was sent: %.300q", frame)
	}
	if next := p.received.Load() + 1; number != next {
		return 0, fmt.Errorf("message %d of %s where %d was to come", number, p.other.name, next)
	}
	return time.Duration(sentAt), nil
}

// ack notes the outcome of a message of ours, which must be the first one it has, and not bad.
func (p *peer) ack(t *traffic, frame []byte) error {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"event":"ack","id":"`))
	if !ok || len(rest) < numberDigits {
		return fmt.Errorf("an ack without an id of ours: %.300q", frame)
	}
	unknown := bytes.Contains(rest, []byte(`"status":"unknown"`))
	if !unknown && !bytes.Contains(rest, []byte(`"status":"delivered"`)) {
		return fmt.Errorf("a bad outcome: %.300q", frame)
	}
	number, ok := digits(rest[:numberDigits])
	if !ok || number < 1 || number > p.sent.Load() {
		return fmt.Errorf("an ack of what was not sent: %.300q", frame)
	}
	word, bit := int(number/64), uint64(1)<<(number%64)
	for len(p.told) <= word {
		p.told = append(p.told, 0)
	}
	if p.told[word]&bit != 0 {
		return fmt.Errorf("a second ack of message %d", number)
	}
	p.told[word] |= bit
	if unknown {
		t.unknown.Add(1)
	}
	p.acked.Add(1)
	return nil
}

// event is the event of a frame of the gateway, which writes it first; nil if it is not there.
func event(frame []byte) []byte {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"event":"`))
	if !ok {
		return nil
	}
	event, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return nil
	}
	return event
}

var errLost = errors.New("messages were lost")

// missing says what of the peer's messages has not come back to us yet; nil if nothing is.
func (p *peer) missing(acks bool) error {
	sent, received, acked := p.sent.Load(), p.other.received.Load(), p.acked.Load()
	switch {
	case received != sent:
		return fmt.Errorf("%w: %s sent %d, %s received %d", errLost, p.name, sent, p.other.name, received)
	case acks && acked != sent:
		return fmt.Errorf("%w: %s sent %d, of which %d were acked", errLost, p.name, sent, acked)
	}
	return nil
}
