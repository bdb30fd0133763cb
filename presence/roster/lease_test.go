package roster_test

import (
	"slices"
	"testing"
	"time"

	"beckon/presence/roster"
)

func TestSilentGatewayIsDroppedAfterItsLease(t *testing.T) {
	r, s := settled(t, "alice", "bob")
	r.sleep(roster.Lease)
	wantUsers(t, r, "alice", "bob")
	before := len(r.seen)
	r.sleep(100 * time.Millisecond)
	wantUsers(t, r)
	if d := r.seen[before:]; len(d) != 1 || !slices.Equal(d[0].Gone, []string{"gw"}) || len(d[0].Left) != 0 {
		t.Errorf("published %+v, want that the gateway is gone", d)
	}
	// It was only paused: it comes back by a snapshot, though nothing of it has changed.
	s.beat()
	wantUsers(t, r)
	s.answer(r.asked())
	wantUsers(t, r, "alice", "bob")
}

// The name lives on, but the incarnation that was believed is silent.
func TestLeaseIsOfAnIncarnation(t *testing.T) {
	r, _ := settled(t, "alice")
	b := r.incarnation("B", "bob")
	for range 20 {
		r.sleep(250 * time.Millisecond)
		b.beat()
	}
	wantUsers(t, r)
	asks := r.takeAsks()
	b.answer(asks[len(asks)-1])
	wantUsers(t, r, "bob")
}

func TestStoppingGatewayIsDroppedAtOnce(t *testing.T) {
	r, s := settled(t, "alice")
	s.stop()
	wantUsers(t, r)
	if n := r.Stats().Gateways; n != 0 {
		t.Errorf("%d gateways left", n)
	}
	other := r.incarnation("B", "bob")
	other.stop()
	wantUsers(t, r)
	if n := len(r.takeAsks()); n != 0 {
		t.Errorf("%d requests to who has stopped", n)
	}
}

func TestTimeAwayDoesNotCount(t *testing.T) {
	r, s := settled(t, "alice")
	r.sleep(roster.Lease - 100*time.Millisecond)
	r.Link(r.now, false)
	r.sleep(time.Minute)
	wantUsers(t, r, "alice")
	if n := len(r.takeAsks()); n != 0 {
		t.Errorf("%d requests without a link", n)
	}
	r.Link(r.now, true)
	r.advance()
	number := r.asked() // it may have missed something
	r.sleep(roster.Lease - 100*time.Millisecond)
	wantUsers(t, r, "alice")
	s.beat()
	s.answer(number)
	r.takeAsks()
	r.sleep(roster.Lease)
	wantUsers(t, r, "alice")
	r.sleep(100 * time.Millisecond)
	wantUsers(t, r)
}

// NATS may stand still without closing anything: then nobody is heard, not even oneself.
func TestStalledLinkDoesNotCount(t *testing.T) {
	r, s := settled(t, "alice")
	s.beat()
	r.stalled = true
	r.sleep(time.Minute)
	wantUsers(t, r, "alice")
	r.stalled = false
	r.sleep(roster.Lease - 100*time.Millisecond)
	wantUsers(t, r, "alice")
	s.beat()
	r.sleep(roster.Lease)
	wantUsers(t, r, "alice")
	r.sleep(100 * time.Millisecond)
	wantUsers(t, r)
	want := []roster.News{{Gateway: "gw", What: "heard", Sessions: 1}, {Gateway: "gw", What: "silent", Sessions: 1}}
	if got := r.News(); !slices.Equal(got, want) {
		t.Errorf("news %v, want %v", got, want)
	}
}

func TestPauseDoesNotCount(t *testing.T) {
	r, _ := settled(t, "alice")
	r.now = r.now.Add(time.Minute) // nobody called Advance meanwhile
	r.advance()
	wantUsers(t, r, "alice")
	r.sleep(roster.Lease)
	wantUsers(t, r, "alice")
	r.sleep(100 * time.Millisecond)
	wantUsers(t, r)
}

func TestComplete(t *testing.T) {
	tests := map[string]struct {
		play func(*replica)
		at   time.Duration // the first 50 ms in which it is complete
	}{
		"no gateway at all": {func(*replica) {}, 600 * time.Millisecond},
		"a gateway heard whole": {func(r *replica) {
			s := r.incarnation("A", "alice")
			s.beat()
			s.answer(r.asked())
		}, 600 * time.Millisecond},
		"a gateway that does not answer": {func(r *replica) {
			r.incarnation("A", "alice").beat()
		}, roster.Lease},
		"a gateway that was heard whole, but has to be asked again": {func(r *replica) {
			s := r.incarnation("A", "alice")
			s.beat()
			s.answer(r.asked())
			s.Join(r.now, login("s-bob", "bob"))
			s.lose()
			s.beat()
		}, roster.Lease},
		"a link that comes late": {func(r *replica) {
			r.Link(r.now, false)
			r.sleep(time.Second)
			r.Link(r.now, true)
		}, 1600 * time.Millisecond},
		"NATS that begins": {func(r *replica) {
			r.NATSBegan(1_700_000_000_000) // when everybody here logs in
			s := r.incarnation("A", "alice")
			s.beat()
			s.answer(r.asked())
		}, 600 * time.Millisecond},
		"NATS that begins again, with users from before": {func(r *replica) {
			r.NATSBegan(1_700_000_000_001)
			s := r.incarnation("A", "alice")
			s.beat()
			s.answer(r.asked())
		}, 2 * time.Second},
		"a hitch": {func(r *replica) {
			r.sleep(100 * time.Millisecond)
			r.now = r.now.Add(700 * time.Millisecond)
			r.advance()
		}, 1300 * time.Millisecond},
		"a pause": {func(r *replica) {
			r.now = r.now.Add(10 * time.Second)
			r.advance()
		}, 10600 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t)
			test.play(r)
			for !r.Complete() && r.now.Before(start.Add(time.Minute)) {
				r.sleep(10 * time.Millisecond)
			}
			if got := r.now.Sub(start); got < test.at || got > test.at+50*time.Millisecond {
				t.Errorf("complete after %v, want %v", got, test.at)
			}
		})
	}
	t.Run("stays", func(t *testing.T) {
		r, s := settled(t, "alice")
		s.Join(r.now, login("s-bob", "bob"))
		s.lose()
		s.beat()
		r.Link(r.now, false)
		r.sleep(time.Second)
		r.Link(r.now, true)
		r.advance()
		if !r.Complete() {
			t.Error("no longer complete")
		}
	})
}
