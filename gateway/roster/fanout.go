package roster

import (
	"context"
	"time"
)

// fanOut sends rooms' updates when they are due. It is the only one that calls viewers, so that what they are told
// keeps its order, and calls them without a lock, so that they may hold their own and joins need not wait.
func (r *Roster) fanOut(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var pushes []push
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.touched:
		case <-timer.C:
		}
		for {
			var more bool
			if pushes, more = r.flush(pushes); !more {
				break
			}
		}
		r.mu.Lock()
		at, ok := r.rooms.next()
		r.mu.Unlock()
		if ok {
			timer.Reset(time.Until(at))
		}
	}
}

// flush sends one room's updates, if any are due. It lends pushes from call to call.
func (r *Roster) flush(pushes []push) (_ []push, more bool) {
	r.mu.Lock()
	rm, pushes := r.rooms.flush(time.Now(), pushes[:0])
	r.mu.Unlock()
	if rm == nil {
		return pushes, false
	}
	var missed []*viewer
	for _, p := range pushes {
		if !p.viewer.Userlist(p.update) {
			missed = append(missed, p.viewer)
		}
	}
	clear(pushes)
	r.missed.Add(uint64(len(missed)))
	r.mu.Lock()
	r.rooms.pushed(time.Now(), rm, missed)
	r.mu.Unlock()
	return pushes, true
}
