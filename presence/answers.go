package presence

import (
	"slices"
	"time"

	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

const (
	// snapshotEvery is the least time from one snapshot of the view to the next. Each is for everybody who has asked by
	// then.
	snapshotEvery = 250 * time.Millisecond
	// maxAsking is how many followers may wait for the next snapshot.
	maxAsking = 1024
)

// answers are the snapshots of the view that followers ask for. They leave chunk by chunk, so that a large one holds
// nothing up. What leaves in between is newer: a follower keeps it until it has the whole snapshot.
type answers struct {
	asking []string // reply subjects, at most maxAsking: whoever finds no room asks again
	gate   coalesce.Gate

	chunks  []wire.ViewSnapshot // still to be sent
	replies []string            // to these
}

func newAnswers() answers { return answers{gate: coalesce.Gate{Interval: snapshotEvery}} }

func (a *answers) ask(now time.Time, reply string) {
	// Whoever asks again before it is served shall not have every chunk twice.
	if len(a.asking) < maxAsking && !slices.Contains(a.asking, reply) {
		a.asking = append(a.asking, reply)
		a.gate.Touch(now)
	}
}

// due is when [answers.begin] must be called; false when nobody waits, or somebody is being served.
func (a *answers) due() (time.Time, bool) {
	if len(a.chunks) > 0 {
		return time.Time{}, false
	}
	return a.gate.Due()
}

// begin has a snapshot sent to all who have asked.
func (a *answers) begin(now time.Time, snapshot []wire.ViewSnapshot) {
	a.chunks, a.replies, a.asking = snapshot, a.asking, nil
	a.gate.Fired(now)
}

// more can be received from while there is a next chunk.
func (a *answers) more() <-chan struct{} {
	if len(a.chunks) > 0 {
		return always
	}
	return nil
}

// next gives the next chunk, and to whom it goes.
func (a *answers) next() (*wire.ViewSnapshot, []string) {
	chunk := &a.chunks[0]
	a.chunks = a.chunks[1:]
	return chunk, a.replies
}

var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
