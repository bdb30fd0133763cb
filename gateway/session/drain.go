package session

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Drain takes no more logins and closes every connection with [Draining], spread evenly over a time so that the clients do
// not all arrive at other gateways in the same moment. It returns when every session has left, or with ctx's error.
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
			all[closed].conn.Close(Draining)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

const drainTick = 20 * time.Millisecond
