package session

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Drain takes no more logins and closes every connection with [Draining], spread evenly over a time so that the clients do
// not all arrive at other gateways in the same moment. It returns a moment after every session has left, or with ctx's
// error.
//
// Nobody is told that they left: their clients come back on other gateways, and in no list do they go. Who does not come
// back goes with this gateway, when the announcer says that it has ended. The moment is for those who were the last to be
// sent away.
func (h *Hub) Drain(ctx context.Context, over time.Duration) error {
	h.mu.Lock()
	h.draining = true
	all := slices.Collect(maps.Values(h.sessions))
	h.mu.Unlock()

	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	start := time.Now()
	closed := 0
	for h.Sessions() > 0 {
		due := len(all)
		if past := time.Since(start); past < over {
			due = 1 + int(float64(len(all))*float64(past)/float64(over)) // the first at once: often there is no other
		}
		for ; closed < min(due, len(all)); closed++ {
			all[closed].sentAway.Store(true)
			all[closed].conn.Close(Draining)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	if closed == 0 {
		return nil
	}
	moment := time.NewTimer(min(lastMoment, over/2))
	defer moment.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-moment.C:
		return nil
	}
}

// lastMoment is how long those who were sent away last have to come back elsewhere.
const lastMoment = time.Second

const drainTick = 20 * time.Millisecond
