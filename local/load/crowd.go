package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is everybody who logs in to one room in a storm. A goroutine for each guest reads; the first thing that goes
// wrong ends ctx with that as its cause, and ctx's end closes every connection.
type crowd struct {
	gateway string // host:port
	full    bool   // all want whole lists
	lists   *lists
	guests  []*guest

	ctx     context.Context
	fail    context.CancelCauseFunc
	readers sync.WaitGroup

	start    time.Time
	welcomed atomic.Int64
	inAfter  atomic.Int64 // from the start to the last welcome, in nanoseconds
	content  atomic.Int64 // guests who hold everybody
	done     chan time.Duration
}

// stormRoom is where all of them log in to.
const stormRoom = "storm"

// newCrowd makes n guests of a gateway. Call close.
func newCrowd(ctx context.Context, gateway string, n int, full bool) *crowd {
	c := &crowd{gateway: gateway, full: full, done: make(chan time.Duration, 1)} // only the first moment counts
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf("user-%04d", i)
		c.guests = append(c.guests, newGuest(users[i]))
	}
	c.lists = newLists(users)
	c.ctx, c.fail = context.WithCancelCause(ctx)
	return c
}

// login lets everybody in, so many at a time not yet welcomed, and waits until each of them holds everybody. It gives the time
// that took from the first dial.
func (c *crowd) login(atOnce int) (time.Duration, error) {
	c.start = time.Now()
	var dials sync.WaitGroup
	var next atomic.Int64
	for range min(atOnce, len(c.guests)) {
		dials.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(c.guests) && c.ctx.Err() == nil; i = next.Add(1) - 1 {
				g := c.guests[i]
				if err := g.login(c.ctx, c.gateway, stormRoom, c.full); err != nil {
					c.fail(err)
					return
				}
				c.readers.Go(func() { c.fail(g.read(c)) })
				select {
				case <-g.in:
				case <-c.ctx.Done():
				}
			}
		})
	}
	dials.Wait()
	select {
	case took := <-c.done:
		return took, c.agree()
	case <-c.ctx.Done():
		err := context.Cause(c.ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("no end is in sight")
		}
		return 0, fmt.Errorf("%w; %d of %d users were welcomed, and %d hold everybody",
			err, c.welcomed.Load(), len(c.guests), c.content.Load())
	}
}

// welcome notes that a guest is in.
func (c *crowd) welcome() {
	if c.welcomed.Add(1) == int64(len(c.guests)) {
		c.inAfter.Store(int64(time.Since(c.start)))
	}
}

// changed notes whether a guest's list has everybody.
func (c *crowd) changed(before, after bool) {
	switch {
	case after && !before:
		if c.content.Add(1) == int64(len(c.guests)) {
			select {
			case c.done <- time.Since(c.start):
			default:
			}
		}
	case before && !after:
		c.content.Add(-1)
	}
}

// agree says who holds another list than the others; everybody is in each of them.
func (c *crowd) agree() error {
	first := c.guests[0].list.Load()
	for _, g := range c.guests {
		if l := g.list.Load(); !l.whole || l != first && !slices.Equal(l.users, first.users) {
			return fmt.Errorf("%s holds another list than %s", g.user, c.guests[0].user)
		}
	}
	return nil
}

// close ends every connection and waits for the readers.
func (c *crowd) close() {
	c.fail(errors.New("the storm is over"))
	for _, g := range c.guests {
		g.hangUp()
	}
	c.readers.Wait()
}

// in is the time from the first dial to the last welcome.
func (c *crowd) in() time.Duration { return time.Duration(c.inAfter.Load()) }

// totals are sums over all guests.
func (c *crowd) totals() (bytes, frames, lists int64) {
	for _, g := range c.guests {
		bytes += g.bytes.Load()
		frames += g.frames.Load()
		lists += g.lists.Load()
	}
	return bytes, frames, lists
}
