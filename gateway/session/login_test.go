package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/wire"
)

func TestLogin(t *testing.T) {
	f := newFixture(t, 10)
	announced, err := f.observer.SubscribeSync(wire.AnnounceSubject(gatewayName))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.observer.Flush(); err != nil {
		t.Fatal(err)
	}
	c := f.login("alice")
	told := c.await(t, "list", func(told []string) bool { return len(told) >= 2 })
	if want := []string{"welcome alice lobby", `list of lobby: full true, ["alice"], +[] -[]`}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if f.Sessions() != 1 || f.Users() != 1 {
		t.Errorf("%d sessions, %d users", f.Sessions(), f.Users())
	}

	var said, after wire.Announcement
	decode(t, announced, &said)
	if len(said.Joined) != 1 || said.Joined[0] != c.session.login() {
		t.Errorf("announced %+v, want %+v", said.Joined, c.session.login())
	}
	f.Leave(c.session)
	decode(t, announced, &after)
	if !slices.Equal(after.Left, []string{c.session.ID}) {
		t.Errorf("announced that %q left, want %s", after.Left, c.session.ID)
	}
}

func decode(t *testing.T, sub *nats.Subscription, message wire.Encodable) {
	t.Helper()
	m, err := sub.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.Decode(m.Data, message); err != nil {
		t.Fatal(err)
	}
}

func TestRooms(t *testing.T) {
	f := newFixture(t, 10)
	alice, bob := f.begin("alice", "one"), f.begin("bob", "two")
	alice.awaits(t, `list of one: full true, ["alice"], +[] -[]`)
	bob.awaits(t, `list of two: full true, ["bob"], +[] -[]`)
}

func TestFull(t *testing.T) {
	f := newFixture(t, 2)
	first := f.login("alice")
	if f.Full() {
		t.Error("full with one of two")
	}
	f.login("alice")
	if !f.Full() {
		t.Error("not full with two of two")
	}
	if _, err := f.Login(&client{}, "bob", "lobby", false); !errors.Is(err, ErrFull) {
		t.Errorf("error %v, want %v", err, ErrFull)
	}
	f.Leave(first.session)
	f.login("bob")
}

func TestLeave(t *testing.T) {
	f := newFixture(t, 10)
	one, two := f.login("Ünï *"), f.login("Ünï *")
	if f.Sessions() != 2 || f.Users() != 1 {
		t.Errorf("%d sessions, %d users", f.Sessions(), f.Users())
	}
	two.await(t, "list", func(told []string) bool { return len(told) >= 2 })
	f.Leave(one.session)
	f.Leave(one.session)
	if !f.listened("Ünï *") || !f.roster.Shows("Ünï *") || f.Users() != 1 {
		t.Error("the user is gone with one of two sessions")
	}
	f.Leave(two.session)
	if f.roster.Shows("Ünï *") || f.Users() != 0 || f.Sessions() != 0 {
		t.Error("the user is still here")
	}
	f.awaitUnlistened("Ünï *")
}

// However logins and ends of the same users follow each other, there is a subscription in the end exactly for those who
// are here.
func TestLoginsAndLeaves(t *testing.T) {
	f := newFixture(t, 1000)
	const users = 4
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var mine []*client
			for range 100 {
				if len(mine) > 0 && rand.IntN(2) == 0 {
					i := rand.IntN(len(mine))
					f.Leave(mine[i].session)
					mine = slices.Delete(mine, i, i+1)
					continue
				}
				c := f.begin(fmt.Sprint("user", rand.IntN(users)), "lobby")
				if rand.IntN(2) == 0 {
					c.awaitReady(t)
				}
				mine = append(mine, c)
			}
			for _, c := range mine {
				if c.session.User != "user0" {
					f.Leave(c.session)
				}
			}
		})
	}
	all.Wait()
	stays := f.login("user0")
	stays.await(t, "list", func(told []string) bool { return len(told) >= 2 })
	for i := range users {
		user := fmt.Sprint("user", i)
		if i > 0 {
			f.awaitUnlistened(user)
		}
		if got, want := f.roster.Shows(user), i == 0; got != want {
			t.Errorf("%s is shown: %v", user, got)
		}
	}
	if f.Users() != 1 {
		t.Errorf("%d users are left", f.Users())
	}
	is(t, f.login("sender").send(t, message("user0", stays.session.ID, 1)), wire.Delivered)
	if !f.listened("user0") {
		t.Error("nobody listens for who is here")
	}
}

func TestLeaveBeforeTheWelcome(t *testing.T) {
	f := newFixture(t, 10)
	f.link.cut(t, false)
	c := f.begin("alice", "lobby")
	select {
	case <-c.session.Ready():
		t.Fatal("ready without NATS")
	default:
	}
	f.Leave(c.session)
	c.awaitReady(t)
	f.link.mend()
	f.login("bob") // goes through the same door, behind
	if f.roster.Shows("alice") || f.Sessions() != 1 || len(c.told) != 0 {
		t.Errorf("a login that ended was completed: told %q", c.told)
	}
}

// A short absence of NATS is a login's to wait out.
func TestLoginWaitsForNATS(t *testing.T) {
	f := newFixture(t, 10)
	f.link.cut(t, false)
	c := f.begin("alice", "lobby")
	if o := f.deliver("alice", &wire.Signal{Kind: wire.Refuse}); o != wire.Offline {
		t.Errorf("a signal before the welcome was %v", o)
	}
	f.link.mend()
	c.awaitReady(t)
	c.awaits(t, "welcome alice lobby")
	if !f.listened("alice") {
		t.Error("welcomed, and nobody listens")
	}
}

func TestLoginGivesUp(t *testing.T) {
	f := newFixture(t, 10)
	f.link.cut(t, false)
	c := f.begin("alice", "lobby")
	for told := false; !told; {
		f.door.mu.Lock()
		for i := range f.door.asked {
			f.door.asked[i].deadline = time.Now() // five seconds later
		}
		f.door.mu.Unlock()
		c.mu.Lock()
		told = slices.Contains(c.told, "close: not_ready")
		c.mu.Unlock()
	}
	if f.roster.Shows("alice") {
		t.Error("shown without having been welcomed")
	}
	f.Leave(c.session)
	c.awaitReady(t)
}

// nats.go's lock is taken while it dials, for as long as that takes.
func TestNobodyWaitsForNATS(t *testing.T) {
	f := newFixture(t, 1000)
	var here []*client
	for i := range 100 {
		here = append(here, f.begin(fmt.Sprint("user", i%50), "lobby"))
	}
	for _, c := range here {
		c.awaitReady(t)
	}
	f.link.cut(t, true)
	returns(t, "Login", func() { here = append(here, f.begin("alice", "lobby")) })
	returns(t, "Send", func() { is(t, here[0].send(t, message("user1", "", 1)), wire.Unavailable) })
	for _, c := range here {
		c.leaves = true
	}
	returns(t, "Drain", func() {
		if err := f.Drain(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	if f.Sessions() != 0 || f.Users() != 0 {
		t.Errorf("%d sessions, %d users are left", f.Sessions(), f.Users())
	}
	f.link.mend()
	f.awaitUnlistened("user1")
}
