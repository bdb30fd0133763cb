package ws

import (
	"sync"
	"time"

	"github.com/olahol/melody"

	"beckon/gateway/socket"
)

const (
	// feed is how many frames stand in melody's own queue, which every connection pays for, used or not.
	feed = 4
	// outboxFrames and outboxBytes bound what waits for a client: signals and lists that find as much are slow.
	outboxFrames = 256
	outboxBytes  = 1 << 20
	// stuckAfter is how long a queue may stay full, or a reader wait for it, before the client is given up.
	stuckAfter = 5 * time.Second
)

// outbox is the queue of frames to one client. It takes what the client is owed (answers to its own frames; the reader
// sees to it that there are not too many) always, everything else only while there is room.
//
// melody drops a frame when its queue is full and says so to nobody who could tell the sender. So only the outbox puts
// frames there, as many as fit, and the next ones when those are written.
type outbox struct {
	to   *melody.Session // set before the first frame
	sock *socket.Conn    // gathers writes while frames are queued

	mu      sync.Mutex
	feeding int           // frames in melody's queue or being written
	waiting [][]byte      // frames behind those
	bytes   int           // of waiting
	ending  []byte        // the close frame's payload, to go behind them; nil while the connection is to live
	full    time.Time     // since when there has been no room; zero when there is
	awaited chan struct{} // closed when there is room again; nil when nobody waits for that
}

type verdict uint8

const (
	queued verdict = iota
	noRoom
	stuck // there has been no room for stuckAfter
	ended // a close frame was queued before
)

// push queues a frame; owed frames need no room.
func (o *outbox) push(frame []byte, owed bool, now time.Time) verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending != nil {
		return ended
	}
	if !owed && !o.room() {
		if o.full.IsZero() {
			o.full = now
		}
		if now.Sub(o.full) > stuckAfter {
			return stuck
		}
		return noRoom
	}
	if o.room() {
		o.full = time.Time{}
	}
	o.sock.Queue()
	if o.feeding < feed && len(o.waiting) == 0 {
		o.feeding++
		_ = o.to.Write(frame) // fails only when the connection has ended
		return queued
	}
	o.waiting = append(o.waiting, frame)
	o.bytes += len(frame)
	return queued
}

// end queues a close frame with this payload, behind which nothing more is queued. A client that does not read it is cut
// off by the deadline of the writes before it.
func (o *outbox) end(payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending != nil {
		return
	}
	o.ending = payload
	if len(o.waiting) == 0 {
		_ = o.to.CloseWithMsg(payload) // one place in melody's queue is kept for it
	}
}

func (o *outbox) room() bool { return len(o.waiting) < outboxFrames && o.bytes < outboxBytes }

// wrote notes that melody has written a frame, and feeds it the next.
func (o *outbox) wrote() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sock.Wrote()
	o.feeding--
	if len(o.waiting) > 0 {
		next := o.waiting[0]
		o.waiting[0] = nil
		if o.waiting = o.waiting[1:]; len(o.waiting) == 0 {
			o.waiting = nil // an idle client keeps no queue
		}
		o.bytes -= len(next)
		o.feeding++
		_ = o.to.Write(next)
		if o.ending != nil && len(o.waiting) == 0 {
			_ = o.to.CloseWithMsg(o.ending)
		}
	}
	if o.awaited != nil && o.room() {
		close(o.awaited)
		o.awaited = nil
	}
}

// wait gives a channel that is closed when there is room; nil when there is now.
func (o *outbox) wait() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.room() {
		return nil
	}
	if o.awaited == nil {
		o.awaited = make(chan struct{})
	}
	return o.awaited
}
