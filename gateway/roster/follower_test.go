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
	s.do(s.f.Delta(s.now, a.joined(entry("west", "s4", "dan", 4))), "")
	s.do(s.f.Delta(s.now, a.left("east", "s1")), "")
	s.is(a, true)
	s.do(s.f.Delta(s.now, a.gone("east")), "")
	s.is(a, true)
	// A gateway that started again, with a session of the same name, in one delta.
	s.do(s.f.Delta(s.now, a.delta(wire.Delta{Gone: []string{"west"}, Joined: []wire.Entry{cat, entry("west", "s4", "dan", 5)}})), "")
	s.is(a, true)
	s.do(s.f.Beat(s.now, a.beat()), "")
}

func TestIgnoresIncompleteViews(t *testing.T) {
	s := newScript(t)
	b := newView("b", ann)
	b.complete = false
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.darkens()
	b.complete = true
	s.do(s.f.Beat(s.now, b.beat()), "follow b, ask")
	// Turned incomplete before the answer was here: that is not to be trusted.
	b.complete = false
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.answer(b, "")
	s.is(newView("none"), false)
	s.now = s.now.Add(askEvery)
	b.complete = true
	s.do(s.f.Beat(s.now, b.beat()), "ask")
	s.answer(b, "")
	s.is(b, true)
	// One that is followed may be incomplete for a while.
	b.complete = false
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.do(s.f.Delta(s.now, b.joined(cat)), "")
	s.is(b, true)
	// But there is no snapshot from it.
	s.now = s.now.Add(askEvery)
	s.do(s.f.Lost(s.now), "need")
	a := newView("a", ann, cat)
	s.do(s.f.Beat(s.now, a.beat()), "follow a, ask")
}

func TestHoldsDeltasUntilTheSnapshot(t *testing.T) {
	a := newView("a", ann)
	s := newScript(t)
	s.do(s.f.Beat(s.now, a.beat()), "follow a, ask")
	s.do(s.f.Delta(s.now, a.joined(bob)), "")
	chunks := a.snapshot()
	s.do(s.f.Delta(s.now, a.joined(cat)), "")
	s.do(s.f.Delta(s.now, a.left("east", "s1")), "")
	for _, chunk := range chunks {
		s.do(s.f.Chunk(s.now, chunk), "")
	}
	s.is(a, true)
}

func TestGapLeadsToSnapshot(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	s.now = s.now.Add(askEvery)
	s.do(s.f.Beat(s.now, a.beat()), "")
	a.joined(bob) // is lost
	s.do(s.f.Delta(s.now, a.joined(cat)), "need, ask")
	s.do(s.f.Delta(s.now, a.left("east", "s1")), "")
	s.answer(a, "")
	s.is(a, true)
	// A repeated delta changes nothing.
	again := a.joined(ann)
	s.do(s.f.Delta(s.now, again), "")
	s.do(s.f.Delta(s.now, again), "")
	s.is(a, true)
}

func TestLastDeltaLostShowsInBeats(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	s.now = s.now.Add(askEvery)
	a.joined(bob)
	s.do(s.f.Beat(s.now, a.beat()), "") // it may still be on its way
	s.do(s.f.Beat(s.now, a.beat()), "need, ask")
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
			s.do(s.f.Beat(s.now, a.beat()), "need, ask")
			s.answer(a, "")
			s.is(a, true)
			s.do(s.f.Beat(s.now, a.beat()), "")
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
		if e := s.f.Beat(s.now, beat); e.Ask {
			asked++
			s.answer(a, "")
		}
		// Meanwhile it is followed as ever.
		s.do(s.f.Delta(s.now, a.joined(bob)), "")
		s.do(s.f.Delta(s.now, a.left("east", "s2")), "")
		s.is(a, true)
	}
	if asked < 5 || asked > 15 {
		t.Errorf("asked %d times in 5 minutes", asked)
	}
}

func TestAsksAgainWhenNothingComes(t *testing.T) {
	a := newView("a", ann, bob, cat)
	s := newScript(t)
	s.do(s.f.Beat(s.now, a.beat()), "follow a, ask")
	s.passes(askEvery)
	s.do(s.f.Tick(s.now), "ask")
	// Half an answer gives it time.
	s.now = s.now.Add(400 * time.Millisecond)
	s.do(s.f.Chunk(s.now, a.snapshot()[0]), "")
	s.passes(askEvery)
	s.do(s.f.Tick(s.now), "ask")
	s.answer(a, "")
	s.is(a, true)
}

func TestAsksSoonWhenNobodyIsThere(t *testing.T) {
	a := newView("a", ann)
	s := newScript(t)
	s.do(s.f.Beat(s.now, a.beat()), "follow a, ask")
	s.do(s.f.Absent(s.now), "")
	s.passes(askAbsent)
	s.do(s.f.Tick(s.now), "ask")
	s.answer(a, "")
	s.do(s.f.Absent(s.now), "") // to the request before
	s.is(a, true)
}

// A late answer to an earlier request is older than what is here.
func TestStaleSnapshotIsNotAdopted(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	stale := a.snapshot()
	s.do(s.f.Delta(s.now, a.joined(bob)), "")
	s.now = s.now.Add(askEvery)
	s.do(s.f.Lost(s.now), "need, ask")
	for _, chunk := range stale {
		s.do(s.f.Chunk(s.now, chunk), "")
	}
	s.is(a, true)
	s.passes(askEvery)
	s.do(s.f.Tick(s.now), "ask")
	s.answer(a, "")
	if s.f.needed {
		t.Error("the snapshot was not adopted")
	}
}

func TestMovesWhenTheViewIsQuiet(t *testing.T) {
	a, b := newView("a", ann, bob), newView("b", ann, bob, cat)
	s := following(t, a)
	s.now = s.now.Add(quietAfter / 2)
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.passes(quietAfter / 2)
	s.do(s.f.Tick(s.now), "follow b, ask")
	s.do(s.f.Delta(s.now, a.left("east", "s1")), "") // no longer followed
	s.answer(b, "")
	s.is(b, true)
	s.do(s.f.Beat(s.now, a.beat()), "")
}

func TestMovesWhenTheViewStops(t *testing.T) {
	a, b := newView("a", ann, bob), newView("b", ann, bob)
	s := following(t, a)
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.do(s.f.Beat(s.now, a.stopping()), "follow b, ask")
	e := s.f.Chunk(s.now, b.snapshot()[0])
	if len(e.Changes) != 0 {
		t.Errorf("the same view from another replica is %d changes", len(e.Changes))
	}
	s.is(b, true)
	// The stopped one does not come back, whatever arrives late.
	s.do(s.f.Beat(s.now, a.beat()), "")
	s.do(s.f.Beat(s.now, b.stopping()), "")
	s.is(b, false)
}

func TestKeepsTheListWhenNobodyIsThere(t *testing.T) {
	a := newView("a", ann, bob)
	s := following(t, a)
	s.passes(quietAfter)
	s.do(s.f.Tick(s.now), "")
	s.is(a, false)
	s.darkens()
	// The same view goes on: nothing was missed.
	s.now = s.now.Add(time.Hour)
	s.do(s.f.Beat(s.now, a.beat()), "")
	s.is(a, true)
	if s.f.Degraded(s.now) {
		t.Error("it stays degraded")
	}
	// Another start of presence: the difference.
	s.do(s.f.Beat(s.now, a.stopping()), "")
	b := newView("b", bob, cat)
	s.do(s.f.Beat(s.now, b.beat()), "follow b, ask")
	s.is(a, false)
	s.answer(b, "")
	s.is(b, true)
}

// The time without a link does not count as silence, and what was said in it was not heard.
func TestLinkAway(t *testing.T) {
	a, b := newView("a", ann), newView("b")
	s := following(t, a)
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.now = s.now.Add(time.Second)
	s.do(s.f.Link(s.now, false), "")
	s.is(a, false)
	s.darkens()
	s.now = s.now.Add(time.Minute)
	s.do(s.f.Tick(s.now), "")
	s.do(s.f.Link(s.now, true), "need, ask")
	s.is(a, false)
	a.joined(bob)
	a.left("east", "s1")
	s.passes(askEvery)
	s.do(s.f.Tick(s.now), "ask")
	s.answer(a, "")
	s.is(a, true)

	// If it does not come back, another is followed when it has been silent for as long as ever.
	s.do(s.f.Link(s.now, false), "")
	s.now = s.now.Add(time.Minute)
	s.do(s.f.Link(s.now, true), "need, ask")
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.passes(askEvery)
	s.do(s.f.Tick(s.now), "ask")
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.passes(quietAfter - askEvery)
	s.do(s.f.Tick(s.now), "follow b, ask")
	s.answer(b, "")
	s.is(b, true)
}

func TestHoldsNoMoreThanItMay(t *testing.T) {
	a := newView("a", ann)
	s := newScript(t)
	s.do(s.f.Beat(s.now, a.beat()), "follow a, ask")
	chunks := a.snapshot()
	for i := range 3 * heldMost / 2 {
		s.do(s.f.Delta(s.now, a.joined(entry("west", fmt.Sprint("t", i), "dan", 7))), "")
		if len(s.f.held) > heldMost {
			t.Fatalf("%d deltas are held", len(s.f.held))
		}
	}
	for _, chunk := range chunks {
		s.do(s.f.Chunk(s.now, chunk), "need")
	}
	s.passes(askEvery)
	s.do(s.f.Tick(s.now), "ask")
	s.answer(a, "")
	s.is(a, true)
}

// Gateways spread over replicas, and each keeps to its choice whatever it heard first.
func TestGatewaysSpread(t *testing.T) {
	views := []string{wire.NewID(), wire.NewID(), wire.NewID()}
	followers := make(map[string]int)
	for i := range 300 {
		f := NewFollower(fmt.Sprint("gw-", i))
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
		s.do(s.f.Beat(s.now, a.beat()), "")
		s.do(s.f.Beat(s.now, b.beat()), "")
	}
	if n := len(s.f.replicas); n > 12 {
		t.Errorf("%d replicas are remembered", n)
	}
	s.is(a, true)
}

// A user who changes from one session to another in one delta, or between two views, is never without one.
func TestWhoComesIsToldFirst(t *testing.T) {
	moved := entry("west", "s9", "ann", 9)
	a, b := newView("a", ann, bob), newView("b", bob, moved)
	s := following(t, a)
	s.do(s.f.Beat(s.now, b.beat()), "")
	s.do(s.f.Beat(s.now, a.stopping()), "follow b, ask")
	e := s.f.Chunk(s.now, b.snapshot()[0])
	if want := []Change{{Entry: moved}, {ann, true}}; !slices.Equal(e.Changes, want) {
		t.Errorf("changes %v, want %v", e.Changes, want)
	}
	e = s.f.Delta(s.now, b.delta(wire.Delta{Gone: []string{"west"}, Joined: []wire.Entry{ann}}))
	if want := []Change{{Entry: ann}, {moved, true}}; !slices.Equal(e.Changes, want) {
		t.Errorf("changes %v, want %v", e.Changes, want)
	}
}

// A view that is heard, but of which no snapshot comes, is not what the table shows.
func TestWithoutASnapshotItIsDegraded(t *testing.T) {
	a := newView("a", ann)
	s := following(t, a)
	a.joined(bob) // is not heard
	for range 12 {
		s.now = s.now.Add(250 * time.Millisecond)
		s.f.Beat(s.now, a.beat())
	}
	if !s.f.Degraded(s.now) {
		t.Error("it is not degraded")
	}
	s.answer(a, "")
	if s.is(a, true); s.f.Degraded(s.now) {
		t.Error("it stays degraded")
	}
}
