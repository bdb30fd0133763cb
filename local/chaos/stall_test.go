package chaos

import (
	"testing"
	"time"
)

// noticeable is for how long a machine may let a process wait that has something to do, before it shows in the figures.
const noticeable = 100 * time.Millisecond

// watchStalls begins to watch for how long the machine lets this process wait. What it returns ends that and gives the
// longest time: so much of a figure may be due to what else the machine had to do.
func watchStalls(t *testing.T) (longest func() time.Duration) {
	t.Helper()
	const every = 10 * time.Millisecond
	var most time.Duration
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-tick.C:
				now := time.Now()
				most, last = max(most, now.Sub(last)-every), now
			case <-end:
				return
			}
		}
	}()
	return func() time.Duration {
		close(end)
		<-done
		return most
	}
}
