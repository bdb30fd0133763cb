package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const handshakeTimeout = 10 * time.Second

// kind tells a peer's two messages apart.
type kind int

const (
	sdp kind = iota // an offer or an answer
	candidate
)

// peer is one side of a pair: a client with one session. It exchanges messages with the other side only and takes nothing
// on trust: each message that arrives must be from the other side, as it was sent, and the next in order.
type peer struct {
	client
	door   *door
	caller bool
	other  *peer

	// Since the login.
	conn link
	user string // the id by which the other side finds it

	mu    sync.Mutex // orders sends
	says  [2]message // by kind
	sent  atomic.Int64
	acked atomic.Int64

	// Owned by the reader.
	told   []uint64 // a bit for each of our messages that was acked, by number
	inCall int      // messages that a caller has received in this call

	received atomic.Int64 // counts a message only when what it caused has been done
}

// newPair makes both sides of a pair, the caller first, who are to log in through a door. Call introduce when they have.
func newPair(d *door, caller, callee client) (_, _ *peer) {
	a, b := &peer{door: d, client: caller, caller: true}, &peer{door: d, client: callee}
	a.other, b.other = b, a
	return a, b
}

// introduce tells both sides of pair i how to reach the other.
func (p *peer) introduce(i int, acks bool) {
	for side, p := range [...]*peer{p, p.other} {
		w := writer{door: p.door, from: p.user, to: p.other.user, ufrag: fmt.Sprintf("%04d", 2*i+side), acked: acks}
		p.says = [...]message{sdp: w.answer(), candidate: w.candidate()}
		if p.caller {
			p.says[sdp] = w.offer()
		}
	}
}

// login connects and waits until the peer is in.
func (p *peer) login(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, user, err := p.door.enter(ctx, p.client)
	if err != nil {
		return fmt.Errorf("log %s in: %w", p.name, err)
	}
	p.conn, p.user = conn, user
	return nil
}

// send sends the next message; at is when it was to be sent.
func (p *peer) send(k kind, at time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := p.sent.Add(1)
	if err := p.conn.send(p.says[k].write(number, int64(at))); err != nil {
		return fmt.Errorf("%s sends: %w", p.name, err)
	}
	return nil
}

// read takes frames until the connection ends, which is always an error.
func (p *peer) read(t *traffic) error {
	err := p.conn.receive(func(frame []byte) error { return p.take(t, frame, t.now()) })
	return fmt.Errorf("%s reads: %w", p.name, err)
}

func (p *peer) take(t *traffic, frame []byte, now time.Duration) error {
	event := p.door.words.event(frame)
	switch string(event) {
	case "ack":
		return p.ack(t, frame)
	case "undeliverable":
		if bytes.Contains(frame, []byte(`"reason":"unknown"`)) {
			t.unknown.Add(1)
			return nil
		}
	case "updateUserlist", "userlistDelta", "presence": // who is there is not what a peer looks at
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
	if m.from != nil && !bytes.Contains(frame[:min(len(frame), 256)], m.from) {
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
