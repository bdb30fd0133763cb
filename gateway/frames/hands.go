package frames

import "sync"

// maxFree is how many hands stay when there is nothing for them to do.
const maxFree = 16

// hands bring messages to their owners, for the readers. Go takes back half of a goroutine's stack when less than a quarter
// is in use. An owner's work needs 8 KB, and a reader that did it would keep them for the rest of its life, because what it
// has in use while it waits for the next message is more than a quarter. So a few goroutines have such stacks for all
// readers. Never more of them are at work than there are links.
type hands struct {
	mu        sync.Mutex
	free      []*hand // the last goes first: of all stacks its is the one that may still be in the processor's cache
	dismissed bool
	all       sync.WaitGroup
}

// hand is one of the goroutines.
type hand struct {
	next chan *Link // one slot, which is empty when the hand is free; closed when it is dismissed
}

// bring has a link's message brought, and returns when its owner is done with it.
func (s *hands) bring(l *Link) {
	s.one().next <- l
	<-l.brought
}

// one takes a hand that is free.
func (s *hands) one() *hand {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		h := s.free[last]
		s.free = s.free[:last]
		return h
	}
	h := &hand{next: make(chan *Link, 1)}
	s.all.Go(func() {
		for l := range h.next {
			l.deliver()
			stay := s.put(h) // before the reader goes on: it may have the next one already
			l.brought <- struct{}{}
			if !stay {
				return
			}
		}
	})
	return h
}

// put makes a hand free, and reports whether it is to stay.
func (s *hands) put(h *hand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dismissed || len(s.free) >= maxFree {
		return false
	}
	s.free = append(s.free, h)
	return true
}

// dismiss ends the hands, and returns when they have ended. One that is called after that goes when it is done.
func (s *hands) dismiss() {
	s.mu.Lock()
	s.dismissed = true
	for _, h := range s.free {
		close(h.next)
	}
	s.free = nil
	s.mu.Unlock()
	s.all.Wait()
}
