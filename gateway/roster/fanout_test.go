package roster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs a test with the fan-out going, in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, r *Roster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		defer goFanOut(r)()
		test(t, r)
	})
}

func goFanOut(r *Roster) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() { r.fanOut(ctx) })
	return func() {
		cancel()
		loop.Wait()
	}
}

func join(t *testing.T, r *Roster, session, user string, since int64) *client {
	t.Helper()
	c := &client{errorf: t.Errorf}
	r.Join(login(session, user, "lobby", since), c, false)
	return c
}

// joinBoth lets alice and bob in at one moment.
func joinBoth(t *testing.T, r *Roster) (alice, bob *client) {
	t.Helper()
	alice, bob = &client{errorf: t.Errorf}, &client{errorf: t.Errorf}
	r.change(func(now time.Time) {
		r.lists.Join(now, login("s1", "alice", "lobby", 100), alice, false)
		r.lists.Join(now, login("s2", "bob", "lobby", 200), bob, false)
	})
	return alice, bob
}

// expect waits until nothing more happens at this time, and checks what a client was told since the last call.
func expect(t *testing.T, c *client, want ...*Update) {
	t.Helper()
	synctest.Wait()
	got := c.taken()
	if len(got) != len(want) {
		t.Fatalf("%d updates, want %d", len(got), len(want))
	}
	for i, u := range got {
		w := want[i]
		same := u.Room == "lobby" && u.Kind == w.Kind && u.From == w.From && u.Version == w.Version &&
			slices.Equal(u.Users, w.Users) && slices.Equal(u.Left, w.Left) && slices.Equal(u.Joined, w.Joined) &&
			slices.Equal(u.At, w.At) && u.Count == w.Count
		if !same {
			t.Fatalf("told %s, want %s", show(u), show(w))
		}
	}
}

func whole(version uint64, users ...string) *Update {
	return &Update{Kind: Whole, Version: version, Users: users}
}

func TestOneListThenDeltas(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice := join(t, r, "s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))

		time.Sleep(interval)
		bob := join(t, r, "s2", "bob", 200)
		expect(t, bob, whole(2, "alice", "bob"))
		expect(t, alice, &Update{Kind: Delta, From: 1, Version: 2, Joined: []string{"bob"}})

		time.Sleep(interval)
		r.Leave("s1")
		expect(t, alice)
		expect(t, bob, &Update{Kind: Delta, From: 2, Version: 3, Left: []string{"alice"}})
	})
}

func TestUserStandsInTheListOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice, bob := joinBoth(t, r)
		expect(t, alice, whole(1, "alice", "bob"))
		expect(t, bob, whole(1, "alice", "bob"))

		// A second session here, a third on another gateway.
		time.Sleep(interval)
		again := join(t, r, "s3", "alice", 300)
		r.apply([]Change{{Entry: entry("there", "t1", "alice", 400)}})
		expect(t, again, whole(1, "alice", "bob"))
		if got := r.Gateways("alice"); !slices.Equal(got, []string{"here", "there"}) {
			t.Errorf("alice is held by %v", got)
		}

		// His place is that of the earliest that he has.
		time.Sleep(interval)
		r.Leave("s3")
		expect(t, bob)
		r.Leave("s1")
		expect(t, bob, &Update{Kind: Delta, From: 1, Version: 2, Left: []string{"alice"}, Joined: []string{"alice"}})
		if !r.Shows("alice") {
			t.Error("alice is not shown")
		}

		time.Sleep(interval)
		r.apply([]Change{{Entry: entry("there", "t1", "alice", 400), Left: true}})
		expect(t, bob, &Update{Kind: Delta, From: 2, Version: 3, Left: []string{"alice"}})
		if r.Shows("alice") || r.Gateways("alice") != nil {
			t.Error("alice is shown")
		}
	})
}

func TestJoinedInBetweenSaysWhere(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		carol := join(t, r, "s1", "carol", 300)
		expect(t, carol, whole(1, "carol"))
		time.Sleep(interval)
		r.apply([]Change{
			{Entry: entry("there", "t1", "bob", 200)},
			{Entry: entry("there", "t2", "abe", 200)},
			{Entry: entry("there", "t3", "dave", 400)},
		})
		expect(t, carol, &Update{Kind: Delta, From: 1, Version: 2, Joined: []string{"abe", "bob", "dave"}, At: []int{0, 1, 3}})
		if got := carol.list(); !slices.Equal(got, []string{"abe", "bob", "carol", "dave"}) {
			t.Errorf("carol shows %v", got)
		}
	})
}

func TestBurstIsOneUpdateAnInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice := join(t, r, "s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))
		time.Sleep(time.Millisecond)

		bob := join(t, r, "s2", "bob", 200)
		_ = join(t, r, "s3", "carol", 300)
		r.Leave("s3")
		expect(t, alice)
		expect(t, bob) // under load even the first list waits for the room's turn

		time.Sleep(interval - 2*time.Millisecond)
		expect(t, alice)
		time.Sleep(time.Millisecond)
		expect(t, alice, &Update{Kind: Delta, From: 1, Version: 2, Joined: []string{"bob"}})
		expect(t, bob, whole(2, "alice", "bob"))
	})
}

func TestNetChange(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice, _ := joinBoth(t, r)
		expect(t, alice, whole(1, "alice", "bob"))

		// Left and came back to the same place: nothing. To another: he moves.
		r.Leave("s2")
		_ = join(t, r, "s3", "bob", 200)
		time.Sleep(interval)
		expect(t, alice)
		r.Leave("s3")
		_ = join(t, r, "s4", "bob", 50)
		time.Sleep(interval)
		expect(t, alice, &Update{Kind: Delta, From: 1, Version: 2, Left: []string{"bob"}, Joined: []string{"bob"}, At: []int{0}})
	})
}

func TestSyncSendsTheListAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice := join(t, r, "s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))
		time.Sleep(interval)
		r.Sync("s1")
		expect(t, alice, whole(1, "alice"))
		for range 100 {
			r.Sync("s1")
		}
		time.Sleep(interval)
		expect(t, alice, whole(1, "alice"))
		r.Sync("nobody")
		expect(t, alice)
	})
}

func TestFullListsForThoseWhoWantThem(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		old := &client{errorf: t.Errorf, full: true}
		r.Join(login("s1", "old", "lobby", 100), old, true)
		expect(t, old, whole(1, "old"))
		time.Sleep(interval)
		alice := join(t, r, "s2", "alice", 200)
		expect(t, old, whole(2, "old", "alice"))
		expect(t, alice, whole(2, "old", "alice"))
		time.Sleep(interval)
		_ = join(t, r, "s3", "alice", 300) // is no change
		expect(t, old)
	})
}

// A viewer that misses a delta gets the whole list when it has room again, and no delta before.
func TestNoDeltaIsLostSilently(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice, bob := joinBoth(t, r)
		expect(t, alice, whole(1, "alice", "bob"))
		expect(t, bob, whole(1, "alice", "bob"))

		alice.setStalled(true)
		time.Sleep(interval)
		r.apply([]Change{{Entry: entry("there", "t1", "carol", 300)}})
		expect(t, bob, &Update{Kind: Delta, From: 1, Version: 2, Joined: []string{"carol"}})
		time.Sleep(4 * interval)
		expect(t, alice)
		expect(t, bob)
		if n := r.missed.Load(); n != 5 {
			t.Errorf("%d missed updates, want the delta and four tries", n)
		}

		alice.setStalled(false)
		time.Sleep(interval)
		expect(t, alice, whole(2, "alice", "bob", "carol"))
		time.Sleep(interval)
		r.Leave("s2")
		expect(t, alice, &Update{Kind: Delta, From: 2, Version: 3, Left: []string{"bob"}})
	})
}

func TestRoomsAreApart(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice := join(t, r, "s1", "alice", 100)
		c := &client{errorf: t.Errorf}
		r.Join(login("s2", "alice", "attic", 100), c, false)
		synctest.Wait()
		if got := c.taken(); len(got) != 1 || got[0].Room != "attic" || got[0].Version != 1 {
			t.Errorf("updates in the attic: %v", got)
		}
		expect(t, alice, whole(1, "alice"))
		r.Leave("s1")
		r.Leave("s2")
		r.Leave("s2")
		time.Sleep(interval)
		synctest.Wait()
		if len(r.lists.rooms) != 0 || len(r.lists.due) != 0 || r.lists.index.len() != 0 || len(r.lists.own) != 0 {
			t.Error("something remains of empty rooms")
		}
	})
}

func TestJoinAgainReplacesTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		first := join(t, r, "s1", "alice", 100)
		expect(t, first, whole(1, "alice"))
		time.Sleep(interval)
		second := join(t, r, "s1", "bob", 200)
		expect(t, first)
		expect(t, second, whole(2, "bob"))
	})
}

// What a view says about this gateway is not news.
func TestOwnTruth(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice := join(t, r, "s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))
		time.Sleep(interval)
		r.apply([]Change{
			{Entry: entry("here", "s1", "alice", 100)},
			{Entry: entry("here", "s9", "ghost", 100)},
			{Entry: entry("here", "s1", "alice", 100), Left: true},
		})
		expect(t, alice)
		if r.Shows("ghost") || r.lists.remote != 0 {
			t.Error("a session of ours that we do not hold is shown")
		}
	})
}

func TestEncodedOnce(t *testing.T) {
	u := &Update{Version: 7}
	n := 0
	encode := func(u *Update) []byte { n++; return []byte{byte(u.Version)} }
	first := u.Encoded(Native, encode)
	if second := u.Encoded(Native, encode); n != 1 || &first[0] != &second[0] || first[0] != 7 {
		t.Errorf("encoded %d times", n)
	}
}

func TestNewRefusesBadNames(t *testing.T) {
	if _, err := New(Options{Gateway: "a.b"}); err == nil {
		t.Error("no error")
	}
}

func show(u *Update) string {
	switch u.Kind {
	case Whole:
		return fmt.Sprintf("%s %d: %q", u.Room, u.Version, u.Users)
	case Count:
		return fmt.Sprintf("%s %d: %d users", u.Room, u.Version, u.Count)
	}
	return fmt.Sprintf("%s %d to %d: left %q, joined %q at %v", u.Room, u.From, u.Version, u.Left, u.Joined, u.At)
}
