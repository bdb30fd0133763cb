package roster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/wire"
)

func TestDeltasAreGathered(t *testing.T) {
	r, s := settled(t)
	r.check()
	before := len(r.seen)
	r.sleep(time.Second)
	for i := range 100 { // one login a millisecond
		s.Join(r.now, login(fmt.Sprint("s", i), fmt.Sprint("u", i)))
		s.announce()
		if i == 0 && len(r.seen) != before+1 {
			t.Error("a lone change does not go out at once")
		}
		r.sleep(time.Millisecond)
	}
	r.sleep(roster.DeltaEvery)
	if n := len(r.seen) - before; n != 5 {
		t.Errorf("100 logins in 100 ms went out in %d deltas, want 5", n)
	}
	r.check()
}

// A change that needs several deltas takes nobody away in between who is there before and after it.
func TestLargeChangeDoesNotFlap(t *testing.T) {
	const crowd = 3000
	r, s := settled(t)
	user := func(i int) string { return fmt.Sprintf("%s-%d", strings.Repeat("u", 100), i) }
	for i := range crowd {
		s.Join(r.now, login(fmt.Sprint("old-", i), user(i)))
	}
	s.announce()
	r.sleep(time.Second)
	s.beat()

	b := r.incarnation("B")
	for i := range crowd {
		b.Join(r.now, login(fmt.Sprint("new-", i), user(i)))
	}
	b.lose()
	b.beat()
	_, chunks := b.Snapshot(r.now, "id")
	number := r.asked()
	for _, chunk := range chunks {
		r.Snapshot(r.now, "gw", number, &chunk)
	}
	_, deltas := r.Advance(r.now)
	if len(deltas) < 4 {
		t.Fatalf("only %d deltas", len(deltas))
	}
	for i := range deltas {
		r.apply(deltas[i : i+1])
		there := map[string]bool{}
		for _, login := range r.follow {
			there[login.User] = true
		}
		if len(there) != crowd {
			t.Fatalf("%d of %d users are there after delta %d", len(there), crowd, i)
		}
	}
	r.check()
}

func TestListIsInJoinOrder(t *testing.T) {
	r, s := settled(t)
	join := func(session, user string, since int64) {
		s.Join(r.now, wire.Login{Session: session, User: user, Room: "lobby", Since: since})
	}
	join("1", "carol", 10)
	join("2", "alice", 20)
	join("3", "bob", 20)
	join("4", "alice", 5) // alice twice, here since 5
	s.announce()
	wantUsers(t, r, "alice", "carol", "bob")
	page, more := r.List("lobby", nil, 1)
	if len(page) != 1 || !more {
		t.Fatalf("%v, %v", page, more)
	}
	s.Leave(r.now, "4") // where the next page begins does not depend on who is still there
	s.announce()
	if page, more := r.List("lobby", &page[0], 2); len(page) != 2 || page[0].User != "carol" || page[1].User != "alice" || !more {
		t.Errorf("%v, %v", page, more)
	}
	wantUsers(t, r, "carol", "alice", "bob")
	if page, more := r.List("elsewhere", nil, 2); page != nil || more {
		t.Errorf("a room where nobody is: %v, %v", page, more)
	}
	if where := r.Where("nobody"); len(where) != 0 {
		t.Errorf("nobody is at %v", where)
	}
}
