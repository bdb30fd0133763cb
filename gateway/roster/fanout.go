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
	var pushes []Push
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.touched:
		case <-timer.C:
		}
		for more := true; more; {
			pushes, more = r.flush(pushes)
		}
		r.mu.Lock()
		at, ok := r.lists.Next()
		r.mu.Unlock()
		if ok {
			timer.Reset(time.Until(at))
		}
	}
}

// flush sends what is due, or a part of it. It lends pushes from call to call.
func (r *Roster) flush(pushes []Push) (_ []Push, more bool) {
	r.mu.Lock()
	pushes, more = r.lists.Flush(time.Now(), pushes[:0])
	r.mu.Unlock()
	var missed []Push
	for _, p := range pushes {
		if !p.Send() {
			missed = append(missed, p)
		}
	}
	clear(pushes)
	if len(missed) > 0 {
		r.missed.Add(uint64(len(missed)))
		r.mu.Lock()
		r.lists.Missed(time.Now(), missed)
		r.mu.Unlock()
	}
	return pushes, more
}
