package bus

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"beckon/shared/wire"
)

const (
	// retryAfter is when a signal is tried again that found nobody although presence shows the user: interest in a
	// subject travels to other NATS servers more slowly (1 ms typically, 9 ms at the 99th percentile) than news of a
	// login may.
	retryAfter = 20 * time.Millisecond
	// backlogMost bounds the signals of one pair that wait for that retry; more are slow.
	backlogMost = 256
	// settleAfter is how long a negative outcome waits for a positive one after all whom presence shows have answered: a
	// user may be on a gateway that it does not show yet, which tells gatherTime later than others that it delivered.
	settleAfter = 50 * time.Millisecond
)

// pair is what order is kept for.
type pair struct{ fromSession, to string }

// sent is a signal on its way to an outcome.
type sent struct {
	pair
	n        uint64
	msg      []byte
	outcome  func(wire.Outcome)
	deadline time.Duration // by the table's clock

	retried  bool         // NATS knew no receiver once already
	answered []string     // gateways that did not deliver it
	worst    wire.Outcome // the worst of their answers
	settles  time.Time    // when that is the outcome; zero before all have answered

	prev, next *sent // in the order of n, which is that of the deadlines
}

// backlog holds back the signals of a pair while one of them waits to be tried again.
type backlog struct {
	due       time.Time
	waiting   []*sent // by n; empty only while they are being sent
	overtaken uint64  // the highest n of this pair that somebody took while these waited
}

// pending is the table of signals without an outcome yet. It gives each exactly one.
//
// A signal for which NATS has no responders is offline at once, unless presence shows the user: then it is tried once
// more after retryAfter, with the pair's later signals waiting behind it. It is not tried again if a later signal of
// the pair has arrived meanwhile, because order is kept.
type pending struct {
	publish func(*sent) error
	holders func(user string) []string
	wake    chan struct{} // one slot: something will be due; full means the watcher will look anyway

	mu       sync.Mutex
	closed   bool
	clock    clock
	last     uint64
	byNumber map[uint64]*sent
	list     sent    // ring of all in byNumber
	settling []*sent // in the order of settles; some have their outcome already
	backlogs map[pair]*backlog
}

func (t *pending) init(publish func(*sent) error, holders func(string) []string) {
	t.publish, t.holders = publish, holders
	t.wake = make(chan struct{}, 1)
	t.byNumber = make(map[uint64]*sent)
	t.backlogs = make(map[pair]*backlog)
	t.list.prev, t.list.next = &t.list, &t.list
	t.clock.ticked = time.Now()
}

// clock measures the time in which answers could be read. It stands still while the process does, or the machine under it:
// an answer that waits in the socket meanwhile is not to come too late for that.
type clock struct {
	past   time.Duration // until the last tick
	ticked time.Time
}

// now is how much time has passed. Of a long time between two ticks it counts the first part.
func (c *clock) now() time.Duration { return c.past + min(time.Since(c.ticked), 2*expiryTick) }

func (c *clock) tick() { c.past, c.ticked = c.now(), time.Now() }

func (t *pending) send(p *sent) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		p.outcome(wire.Unavailable)
		return
	}
	p.deadline = t.clock.now() + outcomeTimeout
	t.last++
	p.n = t.last
	if len(t.backlogs) > 0 {
		if b := t.backlogs[p.pair]; b != nil {
			full := len(b.waiting) >= backlogMost
			if !full {
				t.insert(p)
				b.waiting = append(b.waiting, p)
			}
			t.mu.Unlock()
			if full {
				p.outcome(wire.Slow)
			}
			return
		}
	}
	t.insert(p)
	t.mu.Unlock()
	t.transmit(p)
}

// transmit publishes p, which is in the table.
func (t *pending) transmit(p *sent) {
	if err := t.publish(p); err != nil {
		t.finish(p.n, wire.Unavailable)
	}
}

func (t *pending) insert(p *sent) {
	t.byNumber[p.n] = p
	p.prev, p.next = t.list.prev, &t.list
	p.prev.next, p.next.prev = p, p
}

func (t *pending) remove(p *sent) {
	delete(t.byNumber, p.n)
	p.prev.next, p.next.prev = p.next, p.prev
	p.prev, p.next = nil, nil
}

// finish gives signal n its outcome, if it has none yet.
func (t *pending) finish(n uint64, o wire.Outcome) {
	t.mu.Lock()
	p := t.byNumber[n]
	if p != nil {
		t.remove(p)
	}
	t.mu.Unlock()
	if p != nil {
		p.outcome(o)
	}
}

// took notes that somebody received p, whatever they did with it. t.mu is held.
func (t *pending) took(p *sent) {
	if len(t.backlogs) == 0 {
		return
	}
	if b := t.backlogs[p.pair]; b != nil {
		b.overtaken = max(b.overtaken, p.n)
	}
}

func (t *pending) positive(n uint64, o wire.Outcome) {
	t.mu.Lock()
	p := t.byNumber[n]
	if p != nil {
		t.took(p)
		t.remove(p)
	}
	t.mu.Unlock()
	if p != nil {
		p.outcome(o)
	}
}

// negative counts settleAfter after every gateway that presence shows to hold the user has answered.
func (t *pending) negative(n uint64, gateway string, o wire.Outcome) {
	t.mu.Lock()
	p := t.byNumber[n]
	if p == nil {
		t.mu.Unlock()
		return
	}
	t.took(p)
	if !slices.Contains(p.answered, gateway) {
		p.answered = append(p.answered, gateway)
	}
	if p.worst == 0 || o.Worse(p.worst) {
		p.worst = o
	}
	answered := slices.Clone(p.answered)
	t.mu.Unlock()

	for _, holder := range t.holders(p.to) {
		if !slices.Contains(answered, holder) {
			return
		}
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byNumber[n] != p || !p.settles.IsZero() {
		return
	}
	p.settles = time.Now().Add(settleAfter)
	t.settling = append(t.settling, p)
	nudge(t.wake)
}

func (t *pending) noResponders(n uint64) {
	t.mu.Lock()
	p := t.byNumber[n]
	again := p != nil && !p.retried
	t.mu.Unlock()
	if p == nil {
		return
	}
	if !again || len(t.holders(p.to)) == 0 {
		t.finish(n, wire.Offline)
		return
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byNumber[n] != p {
		return
	}
	p.retried = true
	b := t.backlogs[p.pair]
	if b == nil {
		b = new(backlog)
		t.backlogs[p.pair] = b
	}
	if now := time.Now(); !now.Before(b.due) { // new, or being sent
		b.due = now.Add(retryAfter)
		nudge(t.wake)
	}
	// Signals sent since p may stand here already, p's own failure having been on its way.
	at, _ := slices.BinarySearchFunc(b.waiting, n, func(w *sent, n uint64) int { return cmp.Compare(w.n, n) })
	b.waiting = slices.Insert(b.waiting, at, p)
}

// watch expires and settles signals and retries backlogs until ctx ends.
func (t *pending) watch(ctx context.Context) {
	expiry := time.NewTicker(expiryTick)
	defer expiry.Stop()
	retry := time.NewTimer(retryAfter)
	defer retry.Stop()
	settle := time.NewTimer(settleAfter)
	defer settle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-expiry.C:
			t.mu.Lock()
			t.clock.tick()
			now := t.clock.past
			t.mu.Unlock()
			t.expire(now)
		case <-t.wake:
		case <-retry.C:
		case <-settle.C:
		}
		if next, any := t.retryDue(time.Now()); any {
			retry.Reset(time.Until(next))
		}
		if next, any := t.settle(time.Now()); any {
			settle.Reset(time.Until(next))
		}
	}
}

// expire gives those their outcome whose time has passed.
func (t *pending) expire(now time.Duration) {
	for {
		t.mu.Lock()
		p := t.list.next
		if p == &t.list || now < p.deadline {
			t.mu.Unlock()
			return
		}
		t.remove(p)
		o := wire.Unknown // also when some have answered: another may deliver it yet
		if !p.settles.IsZero() {
			o = p.worst
		}
		t.mu.Unlock()
		p.outcome(o)
	}
}

// settle gives the negative outcomes that are due and says when the next one is.
func (t *pending) settle(now time.Time) (next time.Time, any bool) {
	for {
		t.mu.Lock()
		if len(t.settling) == 0 {
			t.mu.Unlock()
			return time.Time{}, false
		}
		p := t.settling[0]
		if now.Before(p.settles) {
			t.mu.Unlock()
			return p.settles, true
		}
		t.settling = t.settling[1:]
		o := p.worst
		t.mu.Unlock()
		t.finish(p.n, o)
	}
}

// retryDue sends the backlogs that are due and says when the next one is.
func (t *pending) retryDue(now time.Time) (next time.Time, any bool) {
	var due []pair
	t.mu.Lock()
	for key, b := range t.backlogs {
		if !now.Before(b.due) {
			due = append(due, key)
		} else if !any || b.due.Before(next) {
			next, any = b.due, true
		}
	}
	t.mu.Unlock()
	for _, key := range due {
		for t.drain(key) {
		}
	}
	return next, any
}

// drain sends what waits in a backlog. It reports whether more has come meanwhile; the backlog stands until nothing has,
// so that a later signal of the pair cannot pass.
func (t *pending) drain(key pair) (more bool) {
	t.mu.Lock()
	b := t.backlogs[key]
	if len(b.waiting) == 0 {
		delete(t.backlogs, key)
		t.mu.Unlock()
		return false
	}
	if time.Now().Before(b.due) { // one of those sent before it was due has failed
		t.mu.Unlock()
		return false
	}
	var late []*sent
	passed := max(b.overtaken, t.inFlight(key, b))
	send := b.waiting[:0]
	for _, p := range b.waiting {
		switch {
		case t.byNumber[p.n] != p: // has its outcome
		case p.n < passed:
			t.remove(p)
			late = append(late, p)
		default:
			send = append(send, p)
		}
	}
	b.waiting = nil
	t.mu.Unlock()
	for _, p := range late {
		p.outcome(wire.Offline)
	}
	for _, p := range send {
		t.transmit(p)
	}
	return true
}

// inFlight is the highest number of a signal of the pair that was published after the first of the backlog and for
// which NATS has not said that there are no responders: somebody has it. t.mu is held.
func (t *pending) inFlight(key pair, b *backlog) uint64 {
	first := b.waiting[0].n
	for p := t.list.prev; p != &t.list && p.n > first; p = p.prev {
		if p.pair == key && !slices.Contains(b.waiting, p) {
			return p.n
		}
	}
	return 0
}

// abandon ends the table: what still waits is unknown, what comes is unavailable.
func (t *pending) abandon() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.expire(math.MaxInt64)
}
