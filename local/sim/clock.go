package sim

import "time"

// clock is virtual time, and what is to happen in it: in the order of time, and of two things at one time the one that was
// planned first.
type clock struct {
	now     time.Time
	planned []event // a heap
	n       uint64
}

type event struct {
	at     time.Time
	n      uint64
	happen func()
}

// epoch is when each schedule begins. That it is no round number makes no difference, so it is one.
var epoch = time.Unix(1_000_000, 0)

func (e event) before(other event) bool {
	if e.at.Equal(other.at) {
		return e.n < other.n
	}
	return e.at.Before(other.at)
}

// at has something happen, now at the earliest.
func (c *clock) at(at time.Time, happen func()) {
	if at.Before(c.now) {
		at = c.now
	}
	c.n++
	c.planned = append(c.planned, event{at, c.n, happen})
	for i := len(c.planned) - 1; i > 0; {
		parent := (i - 1) / 2
		if !c.planned[i].before(c.planned[parent]) {
			break
		}
		c.planned[i], c.planned[parent] = c.planned[parent], c.planned[i]
		i = parent
	}
}

func (c *clock) after(d time.Duration, happen func()) { c.at(c.now.Add(d), happen) }

// run has everything happen that is planned until then.
func (c *clock) run(until time.Time) {
	for len(c.planned) > 0 && !c.planned[0].at.After(until) {
		e := c.pop()
		c.now = e.at
		e.happen()
	}
	c.now = until
}

func (c *clock) pop() event {
	first, last := c.planned[0], len(c.planned)-1
	c.planned[0] = c.planned[last]
	c.planned[last] = event{}
	c.planned = c.planned[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if c.planned[child].before(c.planned[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		c.planned[i], c.planned[least] = c.planned[least], c.planned[i]
		i = least
	}
}

// timer is what a loop of a process sleeps on. It fires a little late, as timers do, and only while its process runs.
type timer struct {
	*port
	fire func()
	due  time.Time
	wake time.Time // the earliest event planned for it; zero for none
}

// reset has the timer fire at that time and not at another.
func (t *timer) reset(at time.Time) {
	at = at.Add(t.net.upTo(time.Millisecond))
	t.due = at
	if t.wake.IsZero() || at.Before(t.wake) {
		t.plan(at)
	}
}

func (t *timer) plan(at time.Time) {
	at = later(at, t.net.now)
	t.wake = at
	t.net.at(at, func() {
		switch {
		case !t.wake.Equal(at) || !t.open:
		case t.net.now.Before(t.due):
			t.plan(t.due)
		default:
			t.wake = time.Time{}
			t.act(t.fire)
		}
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
