package frames

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/olahol/melody"

	"beckon/gateway/socket"
)

// box is an outbox before a link that takes everything and writes nothing until told to.
func box() *Outbox {
	o := &Outbox{}
	o.Attach(&Link{melody: &melody.Session{}, sock: &socket.Conn{}})
	return o
}

// fill pushes until there is no room, and gives the number of frames that found some.
func fill(t *testing.T, o *Outbox, frame []byte, now time.Time) int {
	t.Helper()
	for n := range 10_000 {
		switch v := o.Push(now, false, Text(frame)); v {
		case Queued:
		case NoRoom:
			return n
		default:
			t.Fatalf("verdict %d", v)
		}
	}
	t.Fatal("there is always room")
	return 0
}

func TestOutboxBounds(t *testing.T) {
	now := time.Now()
	for _, test := range []struct{ size, want int }{
		{1, feed + MaxFrames},
		{MaxBytes / 4, feed + 4},
		{MaxBytes * 3, feed + 1},
	} {
		t.Run(fmt.Sprint(test.size, " bytes"), func(t *testing.T) {
			o := box()
			frame := make([]byte, test.size)
			if got := fill(t, o, frame, now); got != test.want {
				t.Errorf("room for %d frames, want %d", got, test.want)
			}
			// What the client is owed is taken all the same, and makes no room.
			for range 10 {
				if v := o.Push(now, true, Text(frame)); v != Queued {
					t.Errorf("an owed frame: verdict %d", v)
				}
			}
			if v := o.Push(now, false, Frame{}); v != NoRoom {
				t.Errorf("verdict %d, want %d", v, NoRoom)
			}
		})
	}
}

func TestOutboxRoom(t *testing.T) {
	now := time.Now()
	o := box()
	if o.Wait() != nil {
		t.Error("an empty outbox lets wait")
	}
	fill(t, o, []byte("x"), now)
	for range 3 {
		o.Push(now, true, Text([]byte("owed")))
	}
	one, two := o.Wait(), o.Wait()
	for i := range 4 { // three that were owed, and one
		select {
		case <-one:
			t.Fatalf("told of room after %d frames", i)
		default:
		}
		o.Wrote(1)
	}
	<-one
	<-two
	if o.Wait() != nil {
		t.Error("lets wait although there is room")
	}
	if v := o.Push(now, false, Text([]byte("x"))); v != Queued {
		t.Errorf("verdict %d, want %d", v, Queued)
	}
	if o.Wait() == nil {
		t.Error("full again, and lets nobody wait")
	}
}

func TestOutboxStuck(t *testing.T) {
	start := time.Now()
	at := func(after time.Duration) time.Time { return start.Add(after) }
	o := box()
	fill(t, o, []byte("x"), start)
	is := func(after time.Duration, owed bool, want Verdict) {
		t.Helper()
		if got := o.Push(at(after), owed, Text([]byte("y"))); got != want {
			t.Errorf("after %v: verdict %d, want %d", after, got, want)
		}
	}
	is(StuckAfter, false, NoRoom)
	is(StuckAfter+time.Minute, true, Queued) // is owed, and says nothing about room
	is(StuckAfter+1, false, Stuck)
	is(StuckAfter+2, false, Stuck)

	// Whoever reads a little is not stuck.
	for range 2 {
		o.Wrote(1)
	}
	is(StuckAfter+3, false, Queued)
	is(StuckAfter+4, false, NoRoom)
	is(2*StuckAfter+4, false, NoRoom)
	is(2*StuckAfter+5, false, Stuck)
}

// An owed frame that finds room ends a time without it, too.
func TestOutboxStuckEndsWithRoom(t *testing.T) {
	start := time.Now()
	o := box()
	fill(t, o, []byte("x"), start)
	for range 100 {
		o.Wrote(1)
	}
	if v := o.Push(start.Add(StuckAfter), true, Text([]byte("owed"))); v != Queued {
		t.Errorf("verdict %d", v)
	}
	fill(t, o, []byte("x"), start.Add(StuckAfter))
	if v := o.Push(start.Add(2*StuckAfter), false, Text([]byte("x"))); v != NoRoom {
		t.Errorf("verdict %d, want %d", v, NoRoom)
	}
}

func TestOutboxEnds(t *testing.T) {
	o := box()
	o.Push(time.Now(), false, Text([]byte("x")))
	o.End([]byte("why"))
	o.End([]byte("another reason"))
	if !bytes.Equal(o.ending, []byte("why")) {
		t.Errorf("ends with %q", o.ending)
	}
	for _, owed := range []bool{false, true} {
		if v := o.Push(time.Now(), owed, Text([]byte("x"))); v != Ended {
			t.Errorf("owed %v: verdict %d, want %d", owed, v, Ended)
		}
	}
}

// What has been written is not kept, and an idle outbox keeps nothing.
func TestOutboxLetsGo(t *testing.T) {
	o := box()
	n := fill(t, o, make([]byte, 100), time.Now())
	all := o.waiting
	for range n / 2 {
		o.Wrote(1)
	}
	for i, frame := range all {
		if written := i < n/2; (frame.Data == nil) != written {
			t.Fatalf("frame %d is kept: %v", i, frame.Data != nil)
		}
	}
	for range n - n/2 {
		o.Wrote(1)
	}
	if o.waiting != nil || o.bytes != 0 || o.feeding != 0 {
		t.Errorf("%d frames, %d bytes, %d feeding are left", len(o.waiting), o.bytes, o.feeding)
	}
}
