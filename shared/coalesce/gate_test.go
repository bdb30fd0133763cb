package coalesce_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/shared/coalesce"
)

var start = time.Unix(1000, 0)

func at(d time.Duration) time.Time { return start.Add(d) }

func TestLoneChangeGoesAtOnce(t *testing.T) {
	g := coalesce.Gate{Interval: 25 * time.Millisecond}
	if _, ok := g.Due(); ok || g.Open(at(0)) {
		t.Fatal("due before anything changed")
	}
	for _, now := range []time.Time{at(0), at(25 * time.Millisecond), at(time.Second)} {
		g.Touch(now)
		if due, ok := g.Due(); !ok || !due.Equal(now) || !g.Open(now) {
			t.Fatalf("a change at %v is due at %v, %v; want at once", now, due, ok)
		}
		g.Fired(now)
	}
}

func TestBurstWaitsOutTheInterval(t *testing.T) {
	g := coalesce.Gate{Interval: 25 * time.Millisecond}
	g.Touch(at(0))
	g.Fired(at(0))
	g.Touch(at(time.Millisecond))
	g.Touch(at(24 * time.Millisecond))
	if due, ok := g.Due(); !ok || !due.Equal(at(25*time.Millisecond)) {
		t.Fatalf("due at %v, %v; want 25 ms after the last firing", due, ok)
	}
	if g.Open(at(24 * time.Millisecond)) {
		t.Fatal("open before the interval is over")
	}
	g.Interval = 50 * time.Millisecond
	if due, _ := g.Due(); !due.Equal(at(50 * time.Millisecond)) {
		t.Fatalf("due at %v after the interval grew to 50 ms", due)
	}
}

// Whatever comes when: no change waits longer than the interval, and firings are an interval apart.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := coalesce.Gate{Interval: 25 * time.Millisecond}
		now := start
		var waiting, lastFired time.Time
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "ms")) * time.Millisecond)
			if due, ok := g.Due(); ok && !due.After(now) { // the caller's timer fires on time
				if !lastFired.IsZero() && due.Sub(lastFired) < g.Interval {
					t.Fatalf("firings %v apart", due.Sub(lastFired))
				}
				if due.Sub(waiting) > g.Interval {
					t.Fatalf("a change waited %v", due.Sub(waiting))
				}
				g.Fired(due)
				lastFired, waiting = due, time.Time{}
			}
			if rapid.Bool().Draw(t, "change") {
				g.Touch(now)
				if waiting.IsZero() {
					waiting = now
				}
				if _, ok := g.Due(); !ok {
					t.Fatal("a change is not due at all")
				}
			}
		}
	})
}
