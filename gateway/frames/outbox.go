package frames

import (
	"sync"
	"time"
)

const (
	// feed is how many frames stand in melody's own queue, which every connection pays for, used or not.
	feed = 4
	// MaxFrames and MaxBytes bound what waits for a client: signals and lists that find as much are slow.
	MaxFrames = 256
	MaxBytes  = 1 << 20
	// StuckAfter is how long a queue may stay full, or a reader wait for it, before the client is given up.
	StuckAfter = 5 * time.Second
)

// Frame is one message for a client.
type Frame struct {
	Data   []byte
	Binary bool
}

// Text is a text frame.
func Text(data []byte) Frame { return Frame{Data: data} }

// Outbox is the queue of frames to one client. It takes what the client is owed (answers to its own frames; whoever reads
// those sees to it that there are not too many) always, everything else only while there is room.
//
// Frames leave over a [Link], once there is one ([Outbox.Attach]); until then whoever can carry them takes them
// ([Outbox.Take]). melody drops a frame when its queue is full and says so to nobody who could tell the sender. So only
// the outbox puts frames there, as many as fit, and the next ones when those are written.
type Outbox struct {
	mu      sync.Mutex
	link    *Link         // nil for none
	feeding int           // frames in melody's queue, being written, or taken
	waiting []Frame       // frames behind those
	bytes   int           // of waiting
	ending  []byte        // the close frame's payload, to go behind them; nil while the connection is to live
	full    time.Time     // since when there has been no room; zero when there is
	awaited chan struct{} // closed when there is room again; nil when nobody waits for that

	mark    int    // frames that are to be written before written is called
	written func() // nil for nobody
}

// Verdict is what became of a frame.
type Verdict uint8

// The verdicts.
const (
	Queued Verdict = iota
	NoRoom
	Stuck // there has been no room for StuckAfter
	Ended // a close frame was queued before
)

// Push queues frames, all or none of them; owed frames need no room.
func (o *Outbox) Push(now time.Time, owed bool, frames ...Frame) Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending != nil {
		return Ended
	}
	if !owed && !o.room() {
		if o.full.IsZero() {
			o.full = now
		}
		if now.Sub(o.full) > StuckAfter {
			return Stuck
		}
		return NoRoom
	}
	if o.room() {
		o.full = time.Time{}
	}
	for _, f := range frames {
		if o.link != nil {
			o.link.sock.Queue()
			if o.feeding < feed && len(o.waiting) == 0 {
				o.feeding++
				o.link.write(f)
				continue
			}
		}
		o.waiting = append(o.waiting, f)
		o.bytes += len(f.Data)
	}
	return Queued
}

// Attach has the frames leave over a link from now on, beginning with those that wait.
func (o *Outbox) Attach(l *Link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link = l
	for range o.waiting {
		l.sock.Queue()
	}
	o.next()
}

// Take gives the frames that wait, for who carries them otherwise than over a link. Call Wrote when that is done.
func (o *Outbox) Take() []Frame {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.link != nil {
		return nil
	}
	taken := o.waiting
	o.waiting, o.bytes = nil, 0
	o.feeding += len(taken)
	return taken
}

// Waiting reports whether there is something to take.
func (o *Outbox) Waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.link == nil && len(o.waiting) > 0
}

// End queues a close frame with this payload, behind which nothing more is queued. A client that does not read it is cut
// off by the deadline of the writes before it.
func (o *Outbox) End(payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending != nil {
		return
	}
	o.ending = payload
	if o.link != nil && len(o.waiting) == 0 {
		o.link.end(payload)
	}
}

func (o *Outbox) room() bool { return len(o.waiting) < MaxFrames && o.bytes < MaxBytes }

// Wrote notes that n frames that were fed or taken have been written, and feeds the next.
func (o *Outbox) Wrote(n int) {
	if told := o.wrote(n); told != nil {
		told()
	}
}

func (o *Outbox) wrote(n int) (told func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.feeding -= n
	if o.link != nil {
		o.next()
	}
	if o.awaited != nil && o.room() {
		close(o.awaited)
		o.awaited = nil
	}
	if o.written != nil {
		if o.mark -= n; o.mark <= 0 {
			told, o.written = o.written, nil
		}
	}
	return told
}

// next feeds what fits into melody's queue.
func (o *Outbox) next() {
	if len(o.waiting) == 0 {
		return
	}
	for o.feeding < feed && len(o.waiting) > 0 {
		f := o.waiting[0]
		o.waiting[0] = Frame{}
		o.waiting = o.waiting[1:]
		o.bytes -= len(f.Data)
		o.feeding++
		o.link.write(f)
	}
	if len(o.waiting) == 0 {
		o.waiting = nil // an idle client keeps no queue
		if o.ending != nil {
			o.link.end(o.ending)
		}
	}
}

// Written calls fn, which must not block, once everything that is queued now has been written: at once if that is
// nothing. It is for one caller at a time.
func (o *Outbox) Written(fn func()) {
	o.mu.Lock()
	o.mark = o.feeding + len(o.waiting)
	pending := o.mark > 0
	if pending {
		o.written = fn
	}
	o.mu.Unlock()
	if !pending {
		fn()
	}
}

// Wait gives a channel that is closed when there is room; nil when there is now.
func (o *Outbox) Wait() <-chan struct{} {
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
