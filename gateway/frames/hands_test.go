package frames

import (
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// slowOwner is done with a message when it is told to be.
type slowOwner struct {
	owner
	took chan<- string
	done <-chan struct{}
}

func (o *slowOwner) Text(msg []byte) {
	o.took <- string(msg)
	<-o.done
}

// However many owners take their time, nobody waits for another; and afterwards only a few hands stay.
func TestHands(t *testing.T) {
	const links = 3 * maxFree
	var s hands
	took, done := make(chan string), make(chan struct{})
	bring := func() {
		l := &Link{owner: &slowOwner{took: took, done: done}, brought: make(chan struct{}, 1), arrived: Text([]byte("word"))}
		s.bring(l)
	}
	var readers sync.WaitGroup
	for range links {
		readers.Go(bring)
	}
	for range links {
		if got := next(t, took, "message"); got != "word" {
			t.Errorf("%q was brought", got)
		}
	}
	close(done)
	readers.Wait()
	s.mu.Lock()
	free := len(s.free)
	s.mu.Unlock()
	if free != maxFree {
		t.Errorf("%d hands stay, want %d", free, maxFree)
	}

	s.dismiss()
	readers.Go(bring)
	next(t, took, "message after that")
	readers.Wait()
	s.all.Wait()
}

// A reader goes on when its owner is done, not before, and with the same hand.
func TestOneHandIsEnoughForOneLink(t *testing.T) {
	o := newOwner()
	server, ws := serve(t, o)
	for range 100 {
		if err := ws.WriteMessage(websocket.TextMessage, []byte("word")); err != nil {
			t.Fatal(err)
		}
		next(t, o.heard, "message")
	}
	ws.Close()
	next(t, o.over, "end")
	server.hands.mu.Lock()
	defer server.hands.mu.Unlock()
	if free := len(server.hands.free); free != 1 {
		t.Errorf("%d hands", free)
	}
}
