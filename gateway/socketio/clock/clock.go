// Package clock calls functions when their time has come, all from one goroutine: a heartbeat for each of fifty thousand
// sessions needs neither as many goroutines nor as many timers.
package clock

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Clock rings alarms. Close it.
type Clock struct {
	mu     sync.Mutex
	alarms alarms
	kick   chan struct{} // one slot: the next alarm may have changed; full means that it will be seen anyway
	stop   context.CancelFunc
	done   chan struct{}
}

// Alarm is a time and what to do then. Its zero value is not set. It belongs to one clock.
type Alarm struct {
	at    time.Time
	ring  func()
	index int // in the heap, from 1; 0 when it is not set
}

// New starts a clock.
func New() *Clock {
	ctx, stop := context.WithCancel(context.Background())
	c := &Clock{kick: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
	go c.run(ctx)
	return c
}

// Close stops the clock: no alarm rings any more.
func (c *Clock) Close() {
	c.stop()
	<-c.done
}

// Set has ring called at a time, from the clock's goroutine: it must not block. An alarm that was set already is moved.
func (c *Clock) Set(a *Alarm, at time.Time, ring func()) {
	c.mu.Lock()
	a.at, a.ring = at, ring
	if a.index == 0 {
		heap.Push(&c.alarms, a)
	} else {
		heap.Fix(&c.alarms, a.index-1)
	}
	first := a.index == 1
	c.mu.Unlock()
	if first {
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
}

// Stop takes an alarm back, if it is set. It may be about to ring all the same.
func (c *Clock) Stop(a *Alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.index > 0 {
		heap.Remove(&c.alarms, a.index-1)
		a.ring = nil
	}
}

func (c *Clock) run(ctx context.Context) {
	defer close(c.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, ring := c.due(time.Now())
		if ring != nil {
			if ctx.Err() != nil {
				return
			}
			ring()
			continue
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		case <-timer.C:
		}
	}
}

// due takes an alarm whose time has come, or says how long there is none.
func (c *Clock) due(now time.Time) (next time.Duration, ring func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.alarms) == 0 {
		return time.Hour, nil
	}
	if wait := c.alarms[0].at.Sub(now); wait > 0 {
		return wait, nil
	}
	a := heap.Pop(&c.alarms).(*Alarm)
	ring, a.ring = a.ring, nil
	return 0, ring
}

// alarms is a heap, the earliest first.
type alarms []*Alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *alarms) Push(x any) {
	a := x.(*Alarm)
	*h = append(*h, a)
	a.index = len(*h)
}

func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.index = 0
	return a
}
