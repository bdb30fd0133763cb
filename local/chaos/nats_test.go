package chaos

import (
	"fmt"
	"testing"
	"time"
)

// NATS is restarted: no socket is dropped, nobody leaves any list, and whoever came or went is right soon after.
func TestNATSRestarted(t *testing.T) {
	natsRestarted.try(t)
	s := here(t)
	s.presence()
	gateways := s.gateways(2, "--room-list-limit=6000") // one may come before it is known that another has left
	c := crowded(t, sized(5000, 1000), gateways...)
	c.mark()

	if err := s.nats.Stop(limited(t)); err != nil {
		t.Fatal(err)
	}
	gone := c.at(gateways[1])[0]
	c.leave(gone)
	s.again(s.nats)
	began := time.Now()
	c.login(gateways[0], "late")
	c.right(c.members)
	natsRestarted.within(5*time.Second, time.Since(began), fmt.Sprintf("%d users: right after", c.users.Len()))
	c.nobodyLeft(c.members, gone.user)
	c.atMost(c.members, 1)
	c.connected()
	c.ordered()
}

// NATS is gone for five seconds: no socket is dropped, signals are told unavailable at once, nobody leaves any list, and
// soon after its return everything is as before. Nothing that was said meanwhile arrives late.
func TestNATSAway(t *testing.T) {
	s := here(t)
	s.presence()
	gateways := s.gateways(2)
	c := crowded(t, 200, gateways...)
	c.mark()
	s.nats.Kill()
	gone := time.Now()

	var slowest time.Duration
	asked := 0
	for time.Since(gone) < 5*time.Second {
		caller, callee := c.members[asked%200], c.members[(asked+1)%200]
		outcome, took := signal(t, caller, callee.user)
		slowest = max(slowest, took)
		// The first may have been on their way when the link broke; nobody knows what became of those.
		if outcome != "unavailable" && (outcome != "unknown" || time.Since(gone) > 2*time.Second) {
			t.Fatalf("a signal %v after NATS went away: %s", time.Since(gone), outcome)
		}
		if outcome == "unavailable" && took > bound(500*time.Millisecond) {
			t.Errorf("unavailable was told after %v", took)
		}
		asked++
	}
	t.Logf("%d signals while NATS was away, the slowest answer after %v", asked, slowest.Round(time.Microsecond))

	s.again(s.nats)
	back := time.Now()
	for {
		outcome, _ := signal(t, c.members[0], c.members[len(c.members)-1].user)
		if outcome == "delivered" {
			break
		}
		if time.Since(back) > 3*time.Second {
			t.Fatalf("%v after NATS is back a signal is %s", time.Since(back), outcome)
		}
	}
	t.Logf("signals flowed %v after NATS was back", time.Since(back).Round(time.Millisecond))

	c.login(gateways[1], "late")
	c.right(c.members)
	took := time.Since(back)
	t.Logf("lists were right, a new user on each, %v after NATS was back", took.Round(time.Millisecond))
	if took > bound(3*time.Second) {
		t.Errorf("want %v at most", bound(3*time.Second))
	}
	c.nobodyLeft(c.members)
	c.connected()
}

// NATS stands still for longer than a gateway's lease, and shorter than it takes to find its links dead: nobody leaves any
// list.
func TestNATSStalls(t *testing.T) {
	s := here(t)
	s.presence()
	gateways := s.gateways(2)
	c := crowded(t, 100, gateways...)
	c.mark()
	if err := s.nats.Pause(); err != nil {
		t.Fatal(err)
	}
	pass(t, 4500*time.Millisecond)
	if err := s.nats.Resume(); err != nil {
		t.Fatal(err)
	}
	c.login(gateways[1], "late")
	c.right(c.members)
	c.nobodyLeft(c.members)
	c.connected()
}
