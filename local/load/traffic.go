package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// loginsAtOnce bounds the handshakes under way.
	loginsAtOnce = 32
	// settleTimeout is how long messages that were sent may take to arrive; the gateways give an outcome up after a second.
	settleTimeout = 10 * time.Second
	settleEvery   = 5 * time.Millisecond
)

// What peers do about messages that arrive.
const (
	listen int32 = iota // nothing
	call                // play calls, one after the other
	hangUp              // finish the call under way
)

// traffic is all pairs and what goes on among them. A goroutine for each peer reads; the first thing that goes wrong ends
// ctx with that as its cause, and ctx's end closes every connection.
type traffic struct {
	acks  bool
	peers []*peer // each caller before its callee
	clock time.Time

	ctx     context.Context
	fail    context.CancelCauseFunc
	readers sync.WaitGroup
	unhook  func() bool

	mode    atomic.Int32
	latency atomic.Pointer[histogram] // takes what arrives; nil while nothing is measured
	unknown atomic.Int64              // outcomes that came too late to be known; the message must arrive all the same
}

// party is who takes part in a traffic, and where they meet.
type party struct {
	door    *door
	servers [2]string // host:port; both the same if there is one
	pairs   int
	acks    bool // every message is to be acked, which the native door only does here
	rooms   bool // every peer logs in to a room of its own, so that lists are short
}

// connect logs pairs in, the callers of every other pair on the first server and their callees on the second, the other
// pairs the other way round. Call close.
func connect(ctx context.Context, who party) (*traffic, error) {
	t := &traffic{acks: who.acks, clock: time.Now()}
	for i := range who.pairs {
		caller := client{server: who.servers[i%2], name: fmt.Sprintf("caller-%d", i)}
		callee := client{server: who.servers[1-i%2], name: fmt.Sprintf("callee-%d", i)}
		if who.rooms {
			caller.room, callee.room = caller.name, callee.name
		}
		a, b := newPair(who.door, caller, callee)
		t.peers = append(t.peers, a, b)
	}
	logins, loginCtx := errgroup.WithContext(ctx)
	logins.SetLimit(loginsAtOnce)
	for _, p := range t.peers {
		logins.Go(func() error { return p.login(loginCtx) })
	}
	err := logins.Wait()
	t.ctx, t.fail = context.WithCancelCause(ctx)
	t.unhook = context.AfterFunc(t.ctx, t.hangUpAll)
	if err != nil {
		t.close()
		return nil, err
	}
	for i := range who.pairs {
		t.peers[2*i].introduce(i, who.acks)
	}
	for _, p := range t.peers {
		t.readers.Go(func() { t.fail(p.read(t)) })
	}
	return t, nil
}

func (t *traffic) hangUpAll() {
	for _, p := range t.peers {
		if p.conn != nil {
			p.conn.close()
		}
	}
}

// close ends every connection and waits for the readers.
func (t *traffic) close() {
	if t.unhook() {
		t.hangUpAll()
	}
	t.readers.Wait()
	t.fail(nil)
}

func (t *traffic) now() time.Duration { return time.Since(t.clock) }

func (t *traffic) book(latency time.Duration) {
	if h := t.latency.Load(); h != nil {
		h.add(latency)
	}
}

// react plays p's part after it has received a message: a callee answers an offer, both send their candidates, and the
// caller, when it has all that a call brings, begins the next one.
func (t *traffic) react(p *peer, k kind) error {
	mode := t.mode.Load()
	if mode == listen {
		return nil
	}
	if k == sdp {
		if !p.caller {
			if err := p.send(sdp, t.now()); err != nil {
				return err
			}
		}
		for range candidates {
			if err := p.send(candidate, t.now()); err != nil {
				return err
			}
		}
	}
	if !p.caller {
		return nil
	}
	if p.inCall++; p.inCall < 1+candidates {
		return nil
	}
	p.inCall = 0
	if mode == hangUp {
		return nil
	}
	return p.send(sdp, t.now())
}

// closedLoop has every pair play calls, each beginning when the one before is over: as many messages as the system
// carries. It measures between its calls of begin and end, after a warm-up, and returns when all calls are over.
func (t *traffic) closedLoop(warmup, duration time.Duration, begin, end func() error) (*histogram, error) {
	t.mode.Store(call)
	for i := 0; i < len(t.peers); i += 2 {
		if err := t.peers[i].send(sdp, t.now()); err != nil {
			return nil, t.because(err)
		}
	}
	if err := t.wait(warmup); err != nil {
		return nil, err
	}
	latency := new(histogram)
	if err := begin(); err != nil {
		return nil, err
	}
	t.latency.Store(latency)
	err := t.wait(duration)
	t.latency.Store(nil)
	if err := errors.Join(err, end()); err != nil {
		return nil, err
	}
	t.mode.Store(hangUp)
	return latency, t.settle()
}

// openLoop sends messages at a steady rate, whatever becomes of them: the peers in turn, each a session description after
// every five candidates. latency counts from when a message was to be sent, so that a stall shows in every message that it
// held up; lag is how much of that was our own. It returns when all have arrived.
func (t *traffic) openLoop(rate int, duration time.Duration) (latency, lag *histogram, err error) {
	latency, lag = new(histogram), new(histogram)
	t.mode.Store(listen)
	t.latency.Store(latency)
	defer t.latency.Store(nil)
	s := schedule{start: t.now() + paceLead, rate: rate}
	err = withPreciseSleep(func(sleep func(time.Duration)) error {
		return s.run(s.within(duration), t.now, sleep, func(i int, due time.Duration) error {
			if err := context.Cause(t.ctx); err != nil {
				return err
			}
			lag.add(t.now() - due)
			turn, place := i/len(t.peers), i%len(t.peers)
			k := candidate
			if (turn+place)%(1+candidates) == 0 {
				k = sdp
			}
			return t.because(t.peers[place].send(k, due))
		})
	})
	if err == nil {
		err = t.settle()
	}
	return latency, lag, err
}

// because is what made everything end, if something did, rather than err, which follows from that.
func (t *traffic) because(err error) error {
	if cause := context.Cause(t.ctx); cause != nil {
		return cause
	}
	return err
}

// wait waits, or less if something goes wrong.
func (t *traffic) wait(d time.Duration) error { return pause(t.ctx, d) }

// pause waits, or less if ctx ends, and then gives the cause of that.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until everything that was sent has arrived and is acked. Nobody but the readers may send meanwhile.
func (t *traffic) settle() error {
	deadline := time.Now().Add(settleTimeout)
	for !t.quiet() {
		if err := t.wait(settleEvery); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return t.missing()
		}
	}
	return nil
}

// quiet reports that nothing is under way. It counts all that has arrived before all that was sent: if these are equal,
// nothing was under way in between, because a message counts as received only after what it caused counts as sent.
func (t *traffic) quiet() bool {
	var sent, received, acked int64
	for _, p := range t.peers {
		received += p.received.Load()
		acked += p.acked.Load()
	}
	for _, p := range t.peers {
		sent += p.sent.Load()
	}
	return received == sent && (!t.acks || acked == sent)
}

// missing names a few peers whose messages have not arrived.
func (t *traffic) missing() error {
	const few = 5
	var lost []error
	for _, p := range t.peers {
		if err := p.missing(t.acks); err != nil && len(lost) < few {
			lost = append(lost, err)
		}
	}
	return errors.Join(lost...)
}

// totals is how many messages have been sent and acked, through all that was played.
func (t *traffic) totals() (sent, acked int64) {
	for _, p := range t.peers {
		sent += p.sent.Load()
		acked += p.acked.Load()
	}
	return sent, acked
}

// received is how many messages have arrived.
func (t *traffic) received() (n int64) {
	for _, p := range t.peers {
		n += p.received.Load()
	}
	return n
}
