// Package coalesce gathers bursts of changes. [Gate] says when they go out: a lone one at once, and while more come, at
// most one an interval. [Changes] says what goes out: what remains of them.
package coalesce

import "time"

// Gate says when gathered changes are due. It is pure: the caller passes the time, sets the timer and owns the gate,
// which is not safe for concurrent use. The zero value with an Interval is ready.
//
//	gate.Touch(now)                 // something changed
//	at, ok := gate.Due()            // sleep until then
//	if gate.Open(now) { ...; gate.Fired(now) }
type Gate struct {
	// Interval is the least time from one firing to the next. It may be changed at any time, and counts from the
	// last firing.
	Interval time.Duration

	touched bool
	since   time.Time // the first touch since the last firing
	fired   time.Time // zero before the first
}

// Touch notes a change.
func (g *Gate) Touch(now time.Time) {
	if !g.touched {
		g.touched, g.since = true, now
	}
}

// Due is when the changes noted so far go out: as soon as the interval since the last firing is over, which is at once
// after a quiet time. It is false when nothing has changed.
func (g *Gate) Due() (time.Time, bool) {
	if !g.touched {
		return time.Time{}, false
	}
	if !g.fired.IsZero() {
		if at := g.fired.Add(g.Interval); at.After(g.since) {
			return at, true
		}
	}
	return g.since, true
}

// Open reports that changes are due now.
func (g *Gate) Open(now time.Time) bool {
	at, ok := g.Due()
	return ok && !at.After(now)
}

// Fired notes that everything that had changed went out now.
func (g *Gate) Fired(now time.Time) {
	g.touched, g.fired = false, now
}
