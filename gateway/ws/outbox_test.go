package ws

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/olahol/melody"

	"beckon/gateway/socket"
)

// box is an outbox before a session that takes everything and writes nothing until told to.
func box() *outbox { return &outbox{to: &melody.Session{}, sock: &socket.Conn{}} }

// fill pushes until there is no room, and gives the number of frames that found some.
func fill(t *testing.T, o *outbox, frame []byte, now time.Time) int {
	t.Helper()
	for n := range 10_000 {
		switch v := o.push(frame, false, now); v {
		case queued:
		case noRoom:
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
		{1, feed + outboxFrames},
		{outboxBytes / 4, feed + 4},
		{outboxBytes * 3, feed + 1},
	} {
		t.Run(fmt.Sprint(test.size, " bytes"), func(t *testing.T) {
			o := box()
			frame := make([]byte, test.size)
			if got := fill(t, o, frame, now); got != test.want {
				t.Errorf("room for %d frames, want %d", got, test.want)
			}
			// What the client is owed is taken all the same, and makes no room.
			for range 10 {
				if v := o.push(frame, true, now); v != queued {
					t.Errorf("an owed frame: verdict %d", v)
				}
			}
			if v := o.push(nil, false, now); v != noRoom {
				t.Errorf("verdict %d, want %d", v, noRoom)
			}
		})
	}
}

func TestOutboxRoom(t *testing.T) {
	now := time.Now()
	o := box()
	if o.wait() != nil {
		t.Error("an empty outbox lets wait")
	}
	fill(t, o, []byte("x"), now)
	for range 3 {
		o.push([]byte("owed"), true, now)
	}
	one, two := o.wait(), o.wait()
	for i := range 4 { // three that were owed, and one
		select {
		case <-one:
			t.Fatalf("told of room after %d frames", i)
		default:
		}
		o.wrote()
	}
	<-one
	<-two
	if o.wait() != nil {
		t.Error("lets wait although there is room")
	}
	if v := o.push([]byte("x"), false, now); v != queued {
		t.Errorf("verdict %d, want %d", v, queued)
	}
	if o.wait() == nil {
		t.Error("full again, and lets nobody wait")
	}
}

func TestOutboxStuck(t *testing.T) {
	start := time.Now()
	at := func(after time.Duration) time.Time { return start.Add(after) }
	o := box()
	fill(t, o, []byte("x"), start)
	is := func(after time.Duration, owed bool, want verdict) {
		t.Helper()
		if got := o.push([]byte("y"), owed, at(after)); got != want {
			t.Errorf("after %v: verdict %d, want %d", after, got, want)
		}
	}
	is(stuckAfter, false, noRoom)
	is(stuckAfter+time.Minute, true, queued) // is owed, and says nothing about room
	is(stuckAfter+1, false, stuck)
	is(stuckAfter+2, false, stuck)

	// Whoever reads a little is not stuck.
	for range 2 {
		o.wrote()
	}
	is(stuckAfter+3, false, queued)
	is(stuckAfter+4, false, noRoom)
	is(2*stuckAfter+4, false, noRoom)
	is(2*stuckAfter+5, false, stuck)
}

// An owed frame that finds room ends a time without it, too.
func TestOutboxStuckEndsWithRoom(t *testing.T) {
	start := time.Now()
	o := box()
	fill(t, o, []byte("x"), start)
	for range 100 {
		o.wrote()
	}
	if v := o.push([]byte("owed"), true, start.Add(stuckAfter)); v != queued {
		t.Errorf("verdict %d", v)
	}
	fill(t, o, []byte("x"), start.Add(stuckAfter))
	if v := o.push([]byte("x"), false, start.Add(2*stuckAfter)); v != noRoom {
		t.Errorf("verdict %d, want %d", v, noRoom)
	}
}

func TestOutboxEnds(t *testing.T) {
	o := box()
	o.push([]byte("x"), false, time.Now())
	o.end([]byte("why"))
	o.end([]byte("another reason"))
	if !bytes.Equal(o.ending, []byte("why")) {
		t.Errorf("ends with %q", o.ending)
	}
	for _, owed := range []bool{false, true} {
		if v := o.push([]byte("x"), owed, time.Now()); v != ended {
			t.Errorf("owed %v: verdict %d, want %d", owed, v, ended)
		}
	}
}

// What has been written is not kept, and an idle outbox keeps nothing.
func TestOutboxLetsGo(t *testing.T) {
	o := box()
	n := fill(t, o, make([]byte, 100), time.Now())
	all := o.waiting
	for range n / 2 {
		o.wrote()
	}
	for i, frame := range all {
		if written := i < n/2; (frame == nil) != written {
			t.Fatalf("frame %d is kept: %v", i, frame != nil)
		}
	}
	for range n - n/2 {
		o.wrote()
	}
	if o.waiting != nil || o.bytes != 0 || o.feeding != 0 {
		t.Errorf("%d frames, %d bytes, %d feeding are left", len(o.waiting), o.bytes, o.feeding)
	}
}
