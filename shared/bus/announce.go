package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

const (
	// A gateway makes at most one snapshot in snapshotEvery, for everybody who has asked by then.
	snapshotEvery = 100 * time.Millisecond
	// maxAsking is how many requests for a snapshot may wait.
	maxAsking = 256
	// probedBeat is how soon a gateway beats that is asked whether it is there.
	probedBeat = 10 * time.Millisecond
)

// Announcer is a gateway's side of presence: it tells the replicas who is here, by announcements, beats and snapshots.
// What it says while NATS is away is lost, and the first beat after that shows it.
type Announcer struct {
	conn    *Conn
	gateway string
	log     *slog.Logger

	mu     sync.Mutex
	ledger *Ledger

	// Filled by Join and Leave when something is due that was not before. Holds one: full means that the goroutine will
	// look anyway.
	changed chan struct{}
	// Filled when the link is there again. Holds one, as above.
	returned chan struct{}
	// Filled by NATS with requests for a snapshot, maxAsking deep. When it is full NATS drops: whoever asked asks again.
	requests chan *nats.Msg
	sub      *nats.Subscription

	stop chan struct{} // closed by the first Close
	done chan struct{} // closed when run has returned
	once sync.Once

	// Owned by run.
	asking   []string // reply subjects, at most maxAsking
	answers  coalesce.Gate
	nextBeat time.Time
	failures throttle
}

// NewAnnouncer starts to announce for a gateway, which holds nothing yet; NATS need not be there. gateway and incarnation
// are names ([wire.CheckName]), the incarnation a new one for each announcer.
func NewAnnouncer(conn *Conn, gateway, incarnation string, log *slog.Logger) (*Announcer, error) {
	a := &Announcer{
		conn:     conn,
		gateway:  gateway,
		log:      log.With("component", "announcer"),
		ledger:   NewLedger(incarnation),
		changed:  make(chan struct{}, 1),
		returned: make(chan struct{}, 1),
		requests: make(chan *nats.Msg, maxAsking),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		answers:  coalesce.Gate{Interval: snapshotEvery},
		failures: throttle{every: time.Second},
	}
	for _, name := range []string{gateway, incarnation} {
		if err := wire.CheckName(name); err != nil {
			return nil, fmt.Errorf("announce %q: %w", name, err)
		}
	}
	sub, err := conn.NATS().ChanSubscribe(wire.GatewaySubject(gateway), a.requests)
	if err != nil {
		return nil, fmt.Errorf("listen for requests for snapshots: %w", err)
	}
	a.sub = sub
	conn.Watch(func(up bool) {
		if up {
			nudge(a.returned)
		}
	})
	go a.run()
	return a, nil
}

// Join tells of a new session, whose names must have been checked. It never waits for NATS. The session's own
// subscriptions must be flushed before: whoever hears of the session may send to it at once.
func (a *Announcer) Join(login wire.Login) {
	a.change(func(now time.Time) { a.ledger.Join(now, login) })
}

// Leave tells of the end of a session. It never waits for NATS.
func (a *Announcer) Leave(session string) {
	a.change(func(now time.Time) { a.ledger.Leave(now, session) })
}

func (a *Announcer) change(apply func(time.Time)) {
	a.mu.Lock()
	_, before := a.ledger.Due()
	apply(time.Now())
	_, after := a.ledger.Due()
	a.mu.Unlock()
	if after && !before {
		nudge(a.changed)
	}
}

// Close announces what is left to say and that this incarnation has ended: the replicas drop all of its sessions at once.
// It returns when that has reached the NATS server or ctx has ended; without a link there is nothing to wait for. Joins
// and leaves after Close are not told.
func (a *Announcer) Close(ctx context.Context) error {
	a.once.Do(func() { close(a.stop) })
	select {
	case <-a.done:
	case <-ctx.Done():
		return fmt.Errorf("end the announcements: %w", ctx.Err())
	}
	if err := a.conn.Flush(ctx); err != nil && !errors.Is(err, ErrAway) {
		return fmt.Errorf("end the announcements: %w", err)
	}
	return nil
}

func (a *Announcer) run() {
	defer close(a.done)
	timer := time.NewTimer(0) // the first beat goes at once
	defer timer.Stop()
	for {
		select {
		case <-a.stop:
			a.end()
			return
		case <-a.changed:
		case <-a.returned:
			a.nextBeat = time.Time{} // what was said meanwhile is lost, and this beat shows it
		case request := <-a.requests:
			a.take(request)
		case <-timer.C:
		}
		timer.Reset(time.Until(a.advance(time.Now())))
	}
}

// take takes a replica's request.
func (a *Announcer) take(request *nats.Msg) {
	var asked wire.GatewayRequest
	if len(request.Data) > 0 { // replicas of the first version said nothing, and meant a snapshot
		if err := wire.Decode(request.Data, &asked); err != nil {
			a.failed(fmt.Errorf("read a request of presence: %w", err))
			return
		}
	}
	now := time.Now()
	if asked.Probe {
		// Soon, not at once for each: several replicas may ask.
		if soon := now.Add(probedBeat); soon.Before(a.nextBeat) {
			a.nextBeat = soon
		}
		return
	}
	// Whoever asks again before it is served shall not have every chunk twice.
	if request.Reply != "" && len(a.asking) < maxAsking && !slices.Contains(a.asking, request.Reply) {
		a.asking = append(a.asking, request.Reply)
		a.answers.Touch(now)
	}
}

// advance says what is due, and returns when it must be called next.
func (a *Announcer) advance(now time.Time) (next time.Time) {
	a.mu.Lock()
	said := a.ledger.Announce(now)
	a.mu.Unlock()
	a.announce(said)

	if !now.Before(a.nextBeat) {
		a.nextBeat = now.Add(BeatEvery)
		a.beat(now, false)
	}
	if a.answers.Open(now) {
		a.answer(now)
		a.answers.Fired(now)
	}

	next = a.nextBeat
	a.mu.Lock()
	if due, ok := a.ledger.Due(); ok && due.Before(next) {
		next = due
	}
	a.mu.Unlock()
	if due, ok := a.answers.Due(); ok && due.Before(next) {
		next = due
	}
	return next
}

func (a *Announcer) beat(now time.Time, stopping bool) {
	a.mu.Lock()
	said, beat := a.ledger.Beat(now)
	a.mu.Unlock()
	a.announce(said)
	beat.Stopping = stopping
	a.publish(wire.BeatSubject(a.gateway), &beat)
}

// answer sends a snapshot to everybody who asks. Announcements leave from this goroutine too, so none can come between
// what the snapshot holds and its seq.
func (a *Announcer) answer(now time.Time) {
	a.mu.Lock()
	said, snapshot := a.ledger.Snapshot(now, wire.NewID())
	a.mu.Unlock()
	a.announce(said)
	for i := range snapshot {
		data, err := wire.Encode(&snapshot[i])
		if err != nil {
			a.failed(err)
			continue
		}
		for _, reply := range a.asking {
			a.send(reply, data)
		}
	}
	a.asking = nil
}

func (a *Announcer) announce(said []wire.Announcement) {
	for i := range said {
		a.publish(wire.AnnounceSubject(a.gateway), &said[i])
	}
}

func (a *Announcer) end() {
	// The error is that of a connection that was closed already.
	_ = a.sub.Unsubscribe()
	a.beat(time.Now(), true)
}

func (a *Announcer) publish(subject string, message wire.Encodable) {
	data, err := wire.Encode(message)
	if err != nil {
		a.failed(err)
		return
	}
	a.send(subject, data)
}

func (a *Announcer) send(subject string, data []byte) {
	if err := a.conn.Publish(subject, "", data); err != nil && !errors.Is(err, ErrAway) {
		a.failed(err)
	}
}

func (a *Announcer) failed(err error) {
	if n, ok := a.failures.allow(); ok {
		a.log.Error("cannot announce", "err", err, "events", n)
	}
}

// nudge fills a channel that holds one and is never closed, unless it is full.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
