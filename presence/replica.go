package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

const (
	// intakeDepth is how many messages may wait for the replica. The snapshots of a hundred thousand sessions are some
	// 150, a busy system announces some hundreds a second.
	intakeDepth = 4096
	// batch is how many of them it takes before it looks at what is due: few enough to be on time, and more than come in
	// meanwhile.
	batch = 256
	// logEvery is the least time between two lines about the same kind of trouble.
	logEvery = 10 * time.Second
)

// replica carries messages between NATS and a roster. One goroutine owns the roster.
type replica struct {
	conn *bus.Conn
	view string
	log  *slog.Logger

	intake    *bus.Intake
	announced *nats.Subscription
	beats     *nats.Subscription
	snapshots *nats.Subscription
	requests  *nats.Subscription
	echoes    *nats.Subscription
	inbox     string // snapshots of gateways come to <inbox>.<gateway>.<number of the request>

	// Filled by whoever has a question about the roster, not buffered: who asks waits until it is taken.
	queries  chan query
	complete chan struct{} // closed when the view is complete for the first time
	once     sync.Once     // of that
	cancel   context.CancelFunc
	done     chan struct{} // closed when run has returned

	numbers   atomic.Pointer[roster.Stats]
	malformed atomic.Uint64
	dropped   atomic.Uint64

	// Owned by run.
	roster   *roster.Roster
	answers  answers
	nextBeat time.Time

	// Each lets one line into the log now and then.
	notUnderstood, contested, notPublished rate.Sometimes
}

type query struct {
	look func(*roster.Roster)
	done chan<- struct{} // closed when look has returned
}

// errEnding says that nobody answers questions any more.
var errEnding = errors.New("this replica is about to end")

// newReplica makes a replica that has subscribed to everything, and for which depth messages may wait.
func newReplica(ctx context.Context, conn *bus.Conn, view string, depth int, log *slog.Logger) (*replica, error) {
	r := &replica{
		conn:     conn,
		view:     view,
		log:      log.With("component", "replica"),
		intake:   conn.Intake(depth),
		inbox:    conn.NATS().NewInbox(),
		queries:  make(chan query),
		complete: make(chan struct{}),
		done:     make(chan struct{}),
		roster:   roster.New(view),
		answers:  newAnswers(),

		notUnderstood: rate.Sometimes{Interval: logEvery},
		contested:     rate.Sometimes{Interval: logEvery},
		notPublished:  rate.Sometimes{Interval: logEvery},
	}
	r.numbers.Store(&roster.Stats{})
	for _, s := range []struct {
		sub     **nats.Subscription
		subject string
	}{
		{&r.announced, wire.AllAnnouncements},
		{&r.beats, wire.AllBeats},
		{&r.snapshots, r.inbox + ".*.*"},
		{&r.requests, wire.ViewSnapshotSubject(view)},
		{&r.echoes, wire.ReplicaSubject(view)},
	} {
		var err error
		if *s.sub, err = r.intake.Subscribe(s.subject); err != nil {
			return nil, err
		}
	}
	// The roster counts from the link's beginning. By then the subscriptions must have reached NATS; when there is no link
	// yet they will be sent before it is said to be up.
	if err := conn.Flush(ctx); err != nil && !errors.Is(err, bus.ErrAway) {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return r, nil
}

func (r *replica) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
}

// stop says goodbye to the followers and ends the replica.
func (r *replica) stop(ctx context.Context) error {
	r.cancel()
	select {
	case <-r.done:
		return r.intake.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask has look look at the roster. It waits for that until ctx ends.
func (r *replica) ask(ctx context.Context, look func(*roster.Roster)) error {
	done := make(chan struct{})
	select {
	case r.queries <- query{look, done}:
	case <-r.done:
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done // the replica looks at once
	return nil
}

// stats are the roster's numbers of a moment ago.
func (r *replica) stats() roster.Stats { return *r.numbers.Load() }

func (r *replica) run(ctx context.Context) {
	defer close(r.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.beat(time.Now(), true)
			return
		case <-r.intake.Linked():
		case m := <-r.intake.Messages():
			r.take(m)
		case q := <-r.queries:
			q.look(r.roster)
			close(q.done)
		case <-r.answers.more():
			r.send(r.answers.next())
		case <-timer.C:
			r.takeWaiting()
		}
		timer.Reset(time.Until(r.advance()))
	}
}

// take takes in a message and those behind it.
func (r *replica) take(m *nats.Msg) {
	r.hear(m)
	r.takeWaiting()
}

// takeWaiting takes in messages that wait: leases are judged only after what has arrived was heard.
func (r *replica) takeWaiting() {
	for range min(len(r.intake.Messages()), batch) {
		r.hear(<-r.intake.Messages())
	}
}

// hear hands a message to the roster.
func (r *replica) hear(m *nats.Msg) {
	now := time.Now()
	var err error
	switch m.Sub {
	case r.announced:
		gateway, known := wire.AnnouncingGateway(m.Subject)
		var a wire.Announcement
		if err = decode(m, known, &a); err == nil {
			r.roster.Announced(now, gateway, &a)
		}
	case r.beats:
		gateway, known := wire.AnnouncingGateway(m.Subject)
		var b wire.Beat
		if err = decode(m, known, &b); err == nil {
			r.roster.Beat(now, gateway, &b)
		}
	case r.snapshots:
		gateway, number, known := r.answerOf(m.Subject)
		if bus.NoResponders(m) {
			r.roster.Absent(now, gateway, number)
			return
		}
		var s wire.GatewaySnapshot
		if err = decode(m, known, &s); err == nil {
			r.snapshot(now, gateway, number, &s)
		}
	case r.requests:
		if m.Reply != "" && r.roster.Complete() {
			r.answers.ask(now, m.Reply)
		}
	case r.echoes:
		r.roster.Echo(now)
	}
	if err != nil {
		r.malformed.Add(1)
		r.notUnderstood.Do(func() { r.log.Warn("a message is not understood", "subject", m.Subject, "err", err) })
	}
}

func decode(m *nats.Msg, known bool, into wire.Encodable) error {
	if !known {
		return errors.New("a subject that names no gateway")
	}
	return wire.Decode(m.Data, into)
}

func (r *replica) snapshot(now time.Time, gateway string, number uint64, s *wire.GatewaySnapshot) {
	before := r.roster.Stats().Contested
	r.roster.Snapshot(now, gateway, number, s)
	if r.roster.Stats().Contested != before {
		r.contested.Do(func() {
			r.log.Error("two gateways have the same name; each hides the other's users", "gateway", gateway)
		})
	}
}

// replyOf is where a gateway shall answer a request.
func (r *replica) replyOf(ask roster.Ask) string {
	return r.inbox + "." + ask.Gateway + "." + strconv.FormatUint(ask.Number, 10)
}

// answerOf is the inverse of replyOf.
func (r *replica) answerOf(subject string) (gateway string, number uint64, ok bool) {
	gateway, digits, _ := strings.Cut(strings.TrimPrefix(subject, r.inbox+"."), ".")
	number, err := strconv.ParseUint(digits, 10, 64)
	return gateway, number, err == nil && wire.CheckName(gateway) == nil
}

// advance does what is due, and returns when it must be called next.
func (r *replica) advance() (next time.Time) {
	now := time.Now()
	if up, news := r.intake.Link(); news {
		r.roster.Link(now, up)
	}
	if n := r.intake.Lost(); n > 0 {
		r.dropped.Add(uint64(n))
		r.roster.Lost(now)
	}
	asks, deltas := r.roster.Advance(now)
	for _, ask := range asks {
		data, err := wire.Encode(&wire.GatewayRequest{Probe: ask.Probe})
		if err == nil {
			err = r.conn.Publish(wire.GatewaySubject(ask.Gateway), r.replyOf(ask), data)
		}
		r.failed(err)
	}
	r.publish(deltas)
	if whole := r.roster.Complete(); whole != r.stats().Complete {
		r.completed(whole)
		r.nextBeat = now // who follows shall know
	}
	if !now.Before(r.nextBeat) {
		r.beat(now, false)
		r.nextBeat = now.Add(bus.BeatEvery)
	}
	if due, ok := r.answers.due(); ok && !due.After(now) {
		deltas, snapshot := r.roster.ViewSnapshot(now, wire.NewID())
		r.publish(deltas)
		r.answers.begin(now, snapshot)
	}
	for _, news := range r.roster.News() {
		level := slog.LevelInfo
		if news.What == "silent" || news.What == "gone" {
			level = slog.LevelWarn
		}
		r.log.Log(context.Background(), level, "gateway "+news.What, "gateway", news.Gateway, "sessions", news.Sessions)
	}
	stats := r.roster.Stats()
	r.numbers.Store(&stats)

	next = r.roster.Next()
	if r.nextBeat.Before(next) {
		next = r.nextBeat
	}
	if due, ok := r.answers.due(); ok && due.Before(next) {
		next = due
	}
	return next
}

// completed tells that the view has become complete, or is no longer.
func (r *replica) completed(whole bool) {
	stats := r.roster.Stats()
	log := r.log.With("gateways", stats.Gateways, "sessions", stats.Sessions)
	switch {
	case whole:
		log.Info("the view is complete")
		r.once.Do(func() { close(r.complete) })
	case stats.Doubts:
		log.Warn("half of all gateways seem to have died at once; rather waiting whether this replica is cut off")
	default:
		log.Info("gateways that were taken for dead are back; the view is not followed until all are")
	}
}

func (r *replica) beat(now time.Time, stopping bool) {
	deltas, beat := r.roster.ViewBeat(now)
	r.publish(deltas)
	beat.Stopping = stopping
	r.say(wire.ReplicaSubject(r.view), &beat)
}

func (r *replica) publish(deltas []wire.Delta) {
	for i := range deltas {
		r.say(wire.ViewSubject(r.view), &deltas[i])
	}
}

// send sends a chunk of a snapshot to everybody who waits for it. Deltas and chunks leave from one goroutine over one
// connection, so who subscribed to the deltas before it asked misses none.
func (r *replica) send(chunk *wire.ViewSnapshot, replies []string) {
	data, err := wire.Encode(chunk)
	r.failed(err)
	for _, reply := range replies {
		if err == nil {
			r.failed(r.conn.Publish(reply, "", data))
		}
	}
}

func (r *replica) say(subject string, m wire.Encodable) {
	data, err := wire.Encode(m)
	if err == nil {
		err = r.conn.Publish(subject, "", data)
	}
	r.failed(err)
}

// failed logs an error of publishing. That NATS is away is none: what was lost shows in the next beat.
func (r *replica) failed(err error) {
	if err != nil && !errors.Is(err, bus.ErrAway) {
		r.notPublished.Do(func() { r.log.Error("cannot publish", "err", err) })
	}
}
