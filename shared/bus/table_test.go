package bus

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"beckon/shared/wire"
)

// table is a pending table over virtual time, with what it published and which outcomes it gave.
type table struct {
	*testing.T
	pending

	guard     sync.Mutex
	failure   error               // what publishing gives
	publishes func(name string)   // called for what is published, if not nil
	holds     map[string][]string // who holds a user, as presence shows it
	published []string            // names of signals
	got       map[string]wire.Outcome
}

// inTable runs a test in a bubble of time of its own.
func inTable(t *testing.T, test func(*table)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := newTable(t)
		ctx, cancel := context.WithCancel(t.Context())
		var watcher sync.WaitGroup
		watcher.Go(func() { x.watch(ctx) })
		test(x)
		cancel()
		watcher.Wait()
		x.abandon()
		if len(x.byNumber) != 0 || x.list.next != &x.list {
			t.Errorf("%d signals stay in the table", len(x.byNumber))
		}
	})
}

func newTable(t *testing.T) *table {
	x := &table{T: t, holds: make(map[string][]string), got: make(map[string]wire.Outcome)}
	x.init(func(p *sent) error {
		name := string(p.msg)
		x.guard.Lock()
		err, publishes := x.failure, x.publishes
		if err == nil {
			x.published = append(x.published, name)
		}
		x.guard.Unlock()
		if err == nil && publishes != nil {
			publishes(name)
		}
		return err
	}, func(user string) []string {
		x.guard.Lock()
		defer x.guard.Unlock()
		return x.holds[user]
	})
	return x
}

// signal sends the signal called name from session to user, and gives its number.
func (x *table) signal(session, user, name string) uint64 {
	p := &sent{pair: pair{session, user}, msg: []byte(name), outcome: func(o wire.Outcome) {
		x.guard.Lock()
		defer x.guard.Unlock()
		if was, had := x.got[name]; had {
			x.Errorf("signal %s has the outcome %s after %s", name, o, was)
		}
		x.got[name] = o
	}}
	x.send(p)
	return p.n
}

func (x *table) fail(err error) {
	x.guard.Lock()
	defer x.guard.Unlock()
	x.failure = err
}

// on calls f for what is published from now on.
func (x *table) on(f func(name string)) {
	x.guard.Lock()
	defer x.guard.Unlock()
	x.publishes = f
}

// after lets d pass, and all that happens until then.
func (x *table) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// hasOutcome checks the outcome of a signal; 0 stands for none.
func (x *table) hasOutcome(name string, want wire.Outcome) {
	x.Helper()
	x.guard.Lock()
	defer x.guard.Unlock()
	if got := x.got[name]; got != want {
		x.Errorf("signal %s has the outcome %q, want %q", name, got, want)
	}
}

func (x *table) hasPublished(want ...string) {
	x.Helper()
	x.guard.Lock()
	defer x.guard.Unlock()
	if !slices.Equal(x.published, want) {
		x.Errorf("published %v, want %v", x.published, want)
	}
}
