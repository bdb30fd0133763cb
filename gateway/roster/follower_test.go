package roster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"beckon/shared/wire"
)

var (
	ann = entry("east", "s1", "ann", 1)
	bob = entry("east", "s2", "bob", 2)
	cat = entry("west", "s3", "cat", 3)
)

func TestFollowsSnapshotThenDeltas(t *testing.T) {
	a := newView("a", ann, bob, cat)
	s := following(t, a)
	s.do(s.delta(s.now, a.joined(entry("west", "s4", "dan", 4))), "")
	s.do(s.delta(s.now, a.left("east", "s1")), "")
	s.is(a, true)
	s.do(s.delta(s.now, a.gone("east")), "")
	s.is(a, true)
	// A gateway that started again, with a session of the same name, in one delta.
	s.do(s.delta(s.now, a.delta(wire.Delta{Gone: []string{"west"}, Joined: []wire.Entry{cat, entry("west", "s4", "dan", 5)}})), "")
	s.is(a, true)
	s.do(s.beat(s.now, a.beat()), "")
}

func TestIgnoresIncompleteViews(t *testing.T) {
	s := newScript(t)
	b := newView("b", ann)
	b.complete = false
	s.do(s.beat(s.now, b.beat()), "")
	if _, ok := s.deadline(s.now); ok {
		t.Error("it waits for something")
	}
	b.complete = true
	s.do(s.beat(s.now, b.beat()), "follow b, ask")
	// Turned incomplete before the answer was here: that is not to be trusted.
	b.complete = false
	s.do(s.beat(s.now, b.beat()), "")
	s.answer(b, "")
	s.is(newView("none"), false)
	s.now = s.now.Add(askEvery)
	b.complete = true
	s.do(s.beat(s.now, b.beat()), "ask")
	s.answer(b, "")
	s.is(b, true)
	// One that is followed may be incomplete for a while.
	b.complete = false
	s.do(s.beat(s.now, b.beat()), "")
	s.do(s.delta(s.now, b.joined(cat)), "")
	s.is(b, true)
	// But there is no snapshot from it.
	s.now = s.now.Add(askEvery)
	s.do(s.lost(s.now), "need")
	a := newView("a", ann, cat)
	s.do(s.beat(s.now, a.beat()), "follow a, ask")
}

func TestHoldsDeltasUntilTheSnapshot(t *testing.T) {
	a := newView("a", ann)
	s := newScript(t)
	s.do(s.beat(s.now, a.beat()), "follow a, ask")
	s.do(s.delta(s.now, a.joined(bob)), "")
	chunks := a.snapshot()
	s.do(s.delta(s.now, a.joined(cat)), "")
	s.do(s.delta(s.now, a.left("east", "s1")), "")
	for _, chunk := range chunks {
		s.do(s.chunk(s.now, chunk), "")
	}
	s.is(a, true)
}

func TestGapLeadsToSnapshot(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	s.now = s.now.Add(askEvery)
	s.do(s.beat(s.now, a.beat()), "")
	a.joined(bob) // is lost
	s.do(s.delta(s.now, a.joined(cat)), "need, ask")
	s.do(s.delta(s.now, a.left("east", "s1")), "")
	s.answer(a, "")
	s.is(a, true)
	// A repeated delta changes nothing.
	again := a.joined(ann)
	s.do(s.delta(s.now, again), "")
	s.do(s.delta(s.now, again), "")
	s.is(a, true)
}

func TestLastDeltaLostShowsInBeats(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	s.now = s.now.Add(askEvery)
	a.joined(bob)
	s.do(s.beat(s.now, a.beat()), "") // it may still be on its way
	s.do(s.beat(s.now, a.beat()), "need, ask")
	s.answer(a, "")
	s.is(a, true)
}

func TestOtherDigestLeadsToSnapshot(t *testing.T) {
	for name, spoil := range map[string]func(*view){
		"another session": func(v *view) { v.logins[wire.Ref{Gateway: "west", Session: "s3"}] = cat.Login },
		"another place":   func(v *view) { v.logins[wire.Ref{Gateway: "east", Session: "s1"}] = login("s1", "ann", "attic", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newView("a", ann)
			s := following(t, a)
			s.now = s.now.Add(askEvery)
			spoil(a)
			s.do(s.beat(s.now, a.beat()), "need, ask")
			s.answer(a, "")
			s.is(a, true)
			s.do(s.beat(s.now, a.beat()), "")
		})
	}
}

// A replica that counts differently for good is not asked for ever.
func TestDoubtGrowsSeldom(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	end := s.now.Add(5 * time.Minute)
	asked := 0
	for s.now.Before(end) {
		s.now = s.now.Add(250 * time.Millisecond)
		beat := a.beat()
		beat.Digest++
		if e := s.beat(s.now, beat); e.ask {
			asked++
			s.answer(a, "")
		}
		// Meanwhile it is followed as ever.
		s.do(s.delta(s.now, a.joined(bob)), "")
		s.do(s.delta(s.now, a.left("east", "s2")), "")
		s.is(a, true)
	}
	if asked < 5 || asked > 15 {
		t.Errorf("asked %d times in 5 minutes", asked)
	}
}

func TestAsksAgainWhenNothingComes(t *testing.T) {
	a := newView("a", ann, bob, cat)
	s := newScript(t)
	s.do(s.beat(s.now, a.beat()), "follow a, ask")
	s.passes(askEvery)
	s.do(s.tick(s.now), "ask")
	// Half an answer gives it time.
	s.now = s.now.Add(400 * time.Millisecond)
	s.do(s.chunk(s.now, a.snapshot()[0]), "")
	s.passes(askEvery)
	s.do(s.tick(s.now), "ask")
	s.answer(a, "")
	s.is(a, true)
}

func TestAsksSoonWhenNobodyIsThere(t *testing.T) {
	a := newView("a", ann)
	s := newScript(t)
	s.do(s.beat(s.now, a.beat()), "follow a, ask")
	s.do(s.absent(s.now), "")
	s.passes(askAbsent)
	s.do(s.tick(s.now), "ask")
	s.answer(a, "")
	s.do(s.absent(s.now), "") // to the request before
	s.is(a, true)
}

// A late answer to an earlier request is older than what is here.
func TestStaleSnapshotIsNotAdopted(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	stale := a.snapshot()
	s.do(s.delta(s.now, a.joined(bob)), "")
	s.now = s.now.Add(askEvery)
	s.do(s.lost(s.now), "need, ask")
	for _, chunk := range stale {
		s.do(s.chunk(s.now, chunk), "")
	}
	s.is(a, true)
	s.passes(askEvery)
	s.do(s.tick(s.now), "ask")
	s.answer(a, "")
	if s.needed {
		t.Error("the snapshot was not adopted")
	}
}

func TestMovesWhenTheViewIsQuiet(t *testing.T) {
	a, b := newView("a", ann, bob), newView("b", ann, bob, cat)
	s := following(t, a)
	s.now = s.now.Add(quietAfter / 2)
	s.do(s.beat(s.now, b.beat()), "")
	s.passes(quietAfter / 2)
	s.do(s.tick(s.now), "follow b, ask")
	s.do(s.delta(s.now, a.left("east", "s1")), "") // no longer followed
	s.answer(b, "")
	s.is(b, true)
	s.do(s.beat(s.now, a.beat()), "")
}

func TestMovesWhenTheViewStops(t *testing.T) {
	a, b := newView("a", ann, bob), newView("b", ann, bob)
	s := following(t, a)
	s.do(s.beat(s.now, b.beat()), "")
	s.do(s.beat(s.now, a.stopping()), "follow b, ask")
	e := s.chunk(s.now, b.snapshot()[0])
	if len(e.changes) != 0 {
		t.Errorf("the same view from another replica is %d changes", len(e.changes))
	}
	s.is(b, true)
	// The stopped one does not come back, whatever arrives late.
	s.do(s.beat(s.now, a.beat()), "")
	s.do(s.beat(s.now, b.stopping()), "")
	s.is(b, false)
}

func TestKeepsTheListWhenNobodyIsThere(t *testing.T) {
	a := newView("a", ann, bob)
	s := following(t, a)
	s.passes(quietAfter)
	s.do(s.tick(s.now), "")
	s.is(a, false)
	if _, ok := s.deadline(s.now); ok {
		t.Error("it waits for something")
	}
	// The same view goes on: nothing was missed.
	s.now = s.now.Add(time.Hour)
	s.do(s.beat(s.now, a.beat()), "")
	s.is(a, true)
	// Another start of presence: the difference.
	s.do(s.beat(s.now, a.stopping()), "")
	b := newView("b", bob, cat)
	s.do(s.beat(s.now, b.beat()), "follow b, ask")
	s.is(a, false)
	s.answer(b, "")
	s.is(b, true)
}

// The time without a link does not count as silence, and what was said in it was not heard.
func TestLinkAway(t *testing.T) {
	a, b := newView("a", ann), newView("b")
	s := following(t, a)
	s.do(s.beat(s.now, b.beat()), "")
	s.now = s.now.Add(time.Second)
	s.do(s.link(s.now, false), "")
	s.is(a, false)
	if _, ok := s.deadline(s.now); ok {
		t.Error("it waits for something")
	}
	s.now = s.now.Add(time.Minute)
	s.do(s.tick(s.now), "")
	s.do(s.link(s.now, true), "need, ask")
	s.is(a, false)
	a.joined(bob)
	a.left("east", "s1")
	s.passes(askEvery)
	s.do(s.tick(s.now), "ask")
	s.answer(a, "")
	s.is(a, true)

	// If it does not come back, another is followed when it has been silent for as long as ever.
	s.do(s.link(s.now, false), "")
	s.now = s.now.Add(time.Minute)
	s.do(s.link(s.now, true), "need, ask")
	s.do(s.beat(s.now, b.beat()), "")
	s.passes(askEvery)
	s.do(s.tick(s.now), "ask")
	s.do(s.beat(s.now, b.beat()), "")
	s.passes(quietAfter - askEvery)
	s.do(s.tick(s.now), "follow b, ask")
	s.answer(b, "")
	s.is(b, true)
}

func TestHoldsNoMoreThanItMay(t *testing.T) {
	a := newView("a", ann)
	s := newScript(t)
	s.do(s.beat(s.now, a.beat()), "follow a, ask")
	chunks := a.snapshot()
	for i := range 3 * heldMost / 2 {
		s.do(s.delta(s.now, a.joined(entry("west", fmt.Sprint("t", i), "dan", 7))), "")
		if len(s.held) > heldMost {
			t.Fatalf("%d deltas are held", len(s.held))
		}
	}
	for _, chunk := range chunks {
		s.do(s.chunk(s.now, chunk), "need")
	}
	s.passes(askEvery)
	s.do(s.tick(s.now), "ask")
	s.answer(a, "")
	s.is(a, true)
}

// Gateways spread over replicas, and each keeps to its choice whatever it heard first.
func TestGatewaysSpread(t *testing.T) {
	views := []string{wire.NewID(), wire.NewID(), wire.NewID()}
	followers := make(map[string]int)
	for i := range 300 {
		f := newFollower(fmt.Sprint("gw-", i))
		now := time.Unix(1000, 0)
		f.up = true
		for _, name := range views {
			f.replicas[name] = &replica{heard: now, complete: true}
		}
		followers[f.best(now)]++
	}
	for _, name := range views {
		if n := followers[name]; n < 50 {
			t.Errorf("%d of 300 gateways follow one of 3 views", n)
		}
	}
}

func TestForgetsSilentReplicas(t *testing.T) {
	a := newView("a")
	s := following(t, a)
	for i := range 100 {
		s.now = s.now.Add(time.Second)
		b := newView(fmt.Sprint("b", i))
		b.complete = false
		s.do(s.beat(s.now, a.beat()), "")
		s.do(s.beat(s.now, b.beat()), "")
	}
	if n := len(s.replicas); n > 12 {
		t.Errorf("%d replicas are remembered", n)
	}
	s.is(a, true)
}

// A user who changes from one session to another in one delta, or between two views, is never without one.
func TestWhoComesIsToldFirst(t *testing.T) {
	moved := entry("west", "s9", "ann", 9)
	a, b := newView("a", ann, bob), newView("b", bob, moved)
	s := following(t, a)
	s.do(s.beat(s.now, b.beat()), "")
	s.do(s.beat(s.now, a.stopping()), "follow b, ask")
	e := s.chunk(s.now, b.snapshot()[0])
	if want := []change{{Entry: moved}, {ann, true}}; !slices.Equal(e.changes, want) {
		t.Errorf("changes %v, want %v", e.changes, want)
	}
	e = s.delta(s.now, b.delta(wire.Delta{Gone: []string{"west"}, Joined: []wire.Entry{ann}}))
	if want := []change{{Entry: ann}, {moved, true}}; !slices.Equal(e.changes, want) {
		t.Errorf("changes %v, want %v", e.changes, want)
	}
}
