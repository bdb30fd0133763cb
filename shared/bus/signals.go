package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/wire"
)

const (
	// outcomeTimeout is after how long a signal that nobody answered is [wire.Unknown].
	outcomeTimeout = time.Second
	// expiryTick is how late that may be noticed.
	expiryTick = 50 * time.Millisecond
	// gatherTime is how long a positive outcome may wait for others to the same gateway.
	gatherTime = 4 * time.Millisecond
	// gatherMost is how many outcomes one message carries.
	gatherMost = 512
	// inboxDepth bounds each channel between nats.go's reader, which fills it, and one of ours. nats.go drops what
	// does not fit; its sender hears unknown.
	inboxDepth = 8192
)

// SignalOptions say who sends and receives. All are required.
type SignalOptions struct {
	Conn        *Conn
	Gateway     string // this gateway's name
	Incarnation string // new at every start
	// Deliver hands a signal that arrived to the user's sessions on this gateway. It is called for one user by one
	// goroutine at a time, in the order of arrival, and must not block: all other users wait behind it. The signal is
	// the callee's to keep.
	Deliver func(token string, s *wire.Signal) wire.Outcome
	// Holders are the gateways that presence shows to hold a user. It is asked only about signals that were not
	// delivered at the first attempt.
	Holders func(user string) []string
	Log     *slog.Logger
}

// Signals sends signals and learns their outcomes, and receives the signals of the users it listens for. However many
// users and signals there are, it keeps a handful of goroutines.
type Signals struct {
	o        SignalOptions
	log      *slog.Logger
	outcomes wire.Outcomes
	pending  pending
	inboxes  []chan *nats.Msg // by hash of the user: keeps each user's order
	seed     maphash.Seed

	stop context.CancelFunc
	done sync.WaitGroup

	faultsMu sync.Mutex
	faults   throttle
}

// NewSignals subscribes to the outcomes of this gateway's signals and starts to work. Close it when no more are sent.
// Gateway and Incarnation are names ([wire.CheckName]).
func NewSignals(o SignalOptions) (*Signals, error) {
	for _, name := range []string{o.Gateway, o.Incarnation} {
		if err := wire.CheckName(name); err != nil {
			return nil, fmt.Errorf("send signals as %q: %w", name, err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Signals{
		o:        o,
		log:      o.Log.With("component", "signals"),
		outcomes: wire.NewOutcomes(o.Gateway, o.Incarnation),
		inboxes:  make([]chan *nats.Msg, min(runtime.GOMAXPROCS(0), 8)),
		seed:     maphash.MakeSeed(),
		stop:     stop,
		faults:   throttle{every: time.Second},
	}
	s.pending.init(s.publish, o.Holders)
	answers := make(chan *nats.Msg, inboxDepth)
	if _, err := o.Conn.NATS().ChanSubscribe(s.outcomes.All(), answers); err != nil {
		stop()
		return nil, fmt.Errorf("subscribe to outcomes: %w", err)
	}
	for i := range s.inboxes {
		s.inboxes[i] = make(chan *nats.Msg, inboxDepth)
		s.done.Go(func() { s.receive(ctx, s.inboxes[i]) })
	}
	s.done.Go(func() { s.learn(ctx, answers) })
	s.done.Go(func() { s.pending.watch(ctx) })
	return s, nil
}

// Close ends the goroutines and gives every signal that still waits its outcome: unknown, unless some gateway has said
// that it did not deliver it. Those that come later are unavailable. The subscriptions end with the connection.
func (s *Signals) Close() {
	s.stop()
	s.done.Wait()
	s.pending.abandon()
}

// Listen subscribes to the signals of user, who must be valid. They arrive once the subscription has been flushed
// ([Conn.Flush]); until Unsubscribe is called on what Listen returns.
func (s *Signals) Listen(user string) (*nats.Subscription, error) {
	subject := wire.SignalSubject(user)
	inbox := s.inboxes[maphash.String(s.seed, subject)%uint64(len(s.inboxes))]
	sub, err := s.o.Conn.NATS().ChanSubscribe(subject, inbox)
	if err != nil {
		return nil, fmt.Errorf("subscribe to a user's signals: %w", err)
	}
	return sub, nil
}

// Send sends signal to user, and calls outcome exactly once: before Send returns, or later from another goroutine, which
// it must not block. Signals of one session (signal.FromSession) to one user arrive in the order in which they were
// sent. Nothing is sent a second time, but for the one early retry of [pending].
func (s *Signals) Send(user string, signal *wire.Signal, outcome func(wire.Outcome)) {
	msg := wire.AppendSignal(nil, signal)
	s.pending.send(&sent{pair: pair{signal.FromSession, user}, msg: msg, outcome: outcome})
}

func (s *Signals) publish(p *sent) error {
	return s.o.Conn.Publish(wire.SignalSubject(p.to), s.outcomes.Reply(p.n), p.msg)
}

// learn takes the answers to our signals.
func (s *Signals) learn(ctx context.Context, answers <-chan *nats.Msg) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-answers:
			if err := s.answer(m); err != nil {
				s.fault("an outcome could not be read", "subject", m.Subject, "err", err)
			}
		}
	}
}

func (s *Signals) answer(m *nats.Msg) error {
	n, single := s.outcomes.Signal(m.Subject)
	if !single {
		var g wire.Gathered
		if err := wire.Decode(m.Data, &g); err != nil {
			return err
		}
		for _, n := range g.Delivered {
			s.pending.positive(n, wire.Delivered)
		}
		return nil
	}
	if NoResponders(m) {
		s.pending.noResponders(n)
		return nil
	}
	var r wire.Receipt
	if err := wire.Decode(m.Data, &r); err != nil {
		return err
	}
	o, _ := wire.ParseOutcome(r.Status)
	if o.Positive() {
		s.pending.positive(n, o)
	} else {
		s.pending.negative(n, r.Gateway, o)
	}
	return nil
}

// receive takes the signals of its share of the users and answers them.
func (s *Signals) receive(ctx context.Context, inbox <-chan *nats.Msg) {
	g := gatherer{
		gateway: s.o.Gateway,
		publish: s.o.Conn.Publish,
		timer:   time.NewTimer(gatherTime),
		waiting: make(map[wire.Outcomes][]uint64),
	}
	defer g.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			g.flush()
			return
		case <-g.timer.C:
			g.flush()
		case m := <-inbox:
			s.take(m, &g)
		}
	}
}

func (s *Signals) take(m *nats.Msg, g *gatherer) {
	token, ok := wire.SignalToken(m.Subject)
	if !ok {
		return
	}
	sender, n, fromGateway := wire.OutcomeReply(m.Reply)
	read := wire.ReadForeignSignal
	if fromGateway {
		read = wire.ReadSignal
	}
	signal, err := read(m.Data)
	if err != nil {
		s.fault("a signal could not be read", "subject", m.Subject, "gateway", fromGateway, "err", err)
		receipt := wire.NewReceipt(s.o.Gateway, wire.Refused)
		receipt.Error = err.Error()
		s.reply(m, receipt)
		return
	}
	o := s.o.Deliver(token, &signal)
	if o == wire.Delivered && fromGateway {
		g.add(sender, n)
		return
	}
	s.reply(m, wire.NewReceipt(s.o.Gateway, o))
}

func (s *Signals) reply(m *nats.Msg, receipt wire.Receipt) {
	if m.Reply == "" {
		return // a backend that does not want to know
	}
	answer, err := wire.Encode(&receipt)
	if err == nil {
		err = s.o.Conn.Publish(m.Reply, "", answer)
	}
	if err != nil && !errors.Is(err, ErrAway) {
		s.fault("an outcome could not be told", "subject", m.Subject, "err", err)
	}
}

// fault logs what others did wrong, once a second at most: they may do it often.
func (s *Signals) fault(msg string, args ...any) {
	s.faultsMu.Lock()
	n, ok := s.faults.allow()
	s.faultsMu.Unlock()
	if ok {
		s.log.Warn(msg, append(args, "events", n)...)
	}
}

// gatherer collects positive outcomes for a moment, so that they do not double the traffic.
type gatherer struct {
	gateway string
	publish func(subject, reply string, data []byte) error
	timer   *time.Timer // fires gatherTime after the first of waiting came
	waiting map[wire.Outcomes][]uint64
	buf     []byte
}

func (g *gatherer) add(sender wire.Outcomes, n uint64) {
	if len(g.waiting) == 0 {
		g.timer.Reset(gatherTime)
	}
	delivered := append(g.waiting[sender], n)
	g.waiting[sender] = delivered
	if len(delivered) >= gatherMost {
		g.tell(sender, delivered)
		delete(g.waiting, sender)
	}
}

func (g *gatherer) flush() {
	for sender, delivered := range g.waiting {
		g.tell(sender, delivered)
	}
	clear(g.waiting)
}

// tell drops the outcomes when NATS is away: the sender has lost its link too, or hears unknown.
func (g *gatherer) tell(sender wire.Outcomes, delivered []uint64) {
	g.buf = wire.AppendGathered(g.buf[:0], g.gateway, delivered)
	_ = g.publish(sender.Gathered(), "", g.buf)
}
