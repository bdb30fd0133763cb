package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/bus"
)

const (
	// loginTimeout is how long a login waits for NATS.
	loginTimeout = 5 * time.Second
	// flushTimeout is how long one confirmation may take.
	flushTimeout = 2 * time.Second
	// loginRetry is the pause between attempts while NATS is away.
	loginRetry = 50 * time.Millisecond
)

// admission subscribes to the signals of the users who have sessions here, and completes logins. A login is announced
// only when NATS has confirmed the user's subscription, or the first signal after the announcement would find nobody. One
// confirmation serves all logins that came since the one before, so a rush of logins does not make as many round trips. In the
// same way a user's end is announced only when he has been unsubscribed from, or the first signal after it could still be
// sent here and get lost, and its sender would hear unknown after a second instead of offline at once.
//
// It is a goroutine of its own because nats.go's lock, which subscribing takes, is held for seconds while it dials.
type admission struct {
	conn    *bus.Conn
	signals *bus.Signals
	here    func(token string) bool // the user has sessions
	admit   func(s *Session, confirmed bool)
	gone    func(*Session) // announces an end
	log     *slog.Logger

	mu    sync.Mutex
	asked []candidate // bounded by the number of sessions
	left  []departure // bounded by the logins that fit into a round

	kick chan struct{} // one slot: something is asked; full means it will be seen anyway
	stop context.CancelFunc
	done chan struct{}

	// Owned by run.
	subs map[string]*nats.Subscription // by subject token of the user
}

type candidate struct {
	session  *Session
	deadline time.Time
}

// departure is the end of a user's last session here.
type departure struct {
	last     *Session
	announce bool
}

func (a *admission) start() {
	ctx, stop := context.WithCancel(context.Background())
	a.kick, a.stop, a.done = make(chan struct{}, 1), stop, make(chan struct{})
	a.subs = make(map[string]*nats.Subscription)
	go a.run(ctx)
}

// close ends the goroutine. Candidates and subscriptions stay as they are.
func (a *admission) close() {
	a.stop()
	<-a.done
}

// ask has a login completed. The session is here already.
func (a *admission) ask(s *Session) {
	a.mu.Lock()
	a.asked = append(a.asked, candidate{s, time.Now().Add(loginTimeout)})
	a.mu.Unlock()
	a.wake()
}

// forget has the subscription of a user ended who has no session here any more, unless he is back by then, and the end of
// his last session announced after that, if it is to be.
func (a *admission) forget(last *Session, announce bool) {
	a.mu.Lock()
	a.left = append(a.left, departure{last, announce})
	a.mu.Unlock()
	a.wake()
}

func (a *admission) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

func (a *admission) run(ctx context.Context) {
	defer close(a.done)
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.kick:
		case <-retry.C:
		}
		if a.round(ctx) {
			retry.Reset(loginRetry)
		}
	}
}

// round asks NATS once, and reports whether candidates remain who need another round.
func (a *admission) round(ctx context.Context) (again bool) {
	a.mu.Lock()
	asked, left := a.asked, a.left
	a.asked, a.left = nil, nil
	a.mu.Unlock()

	for _, d := range left {
		_ = a.subscribe(d.last) // ends a subscription, unless the user is back and about to be asked for
		if d.announce {
			a.gone(d.last)
		}
	}
	if len(asked) == 0 {
		return false
	}
	err := a.confirm(ctx, asked)
	now := time.Now()
	waiting := asked[:0]
	for _, c := range asked {
		if err == nil || now.After(c.deadline) {
			a.admit(c.session, err == nil)
		} else {
			waiting = append(waiting, c)
		}
	}
	if refused := len(asked) - len(waiting); err != nil && refused > 0 {
		a.log.Warn("logins were not confirmed", "logins", refused, "err", err)
	}
	a.mu.Lock()
	a.asked = append(waiting, a.asked...)
	a.mu.Unlock()
	return len(waiting) > 0
}

// confirm subscribes for all candidates, and returns when NATS has said that it has heard that.
func (a *admission) confirm(ctx context.Context, asked []candidate) error {
	for _, c := range asked {
		if err := a.subscribe(c.session); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return a.conn.Flush(ctx)
}

// subscribe makes it true that there is a subscription for the user of s exactly while he has sessions here.
func (a *admission) subscribe(s *Session) error {
	sub, here := a.subs[s.token], a.here(s.token)
	switch {
	case here && sub == nil:
		sub, err := a.signals.Listen(s.User)
		if err != nil {
			return err
		}
		a.subs[s.token] = sub
	case !here && sub != nil:
		delete(a.subs, s.token)
		if err := sub.Unsubscribe(); err != nil {
			a.log.Debug("unsubscribe", "session", s.ID, "err", err)
		}
	}
	return nil
}
