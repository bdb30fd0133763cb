package chaos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// linked is how long a replica's link must have been up until it believes that a gateway is gone.
const linked = 3500 * time.Millisecond

// beat is the time between two beats of a gateway.
const beat = 250 * time.Millisecond

// A gateway dies without a word, again and again: its users leave every list soon, whoever calls one of them is told so
// within a second, and when it is back they are.
func TestGatewayKilled(t *testing.T) {
	gatewayKilled.try(t)
	rounds := sized(20, 4)
	s := here(t)
	s.presence()
	gateways := s.gateways(3)
	c := crowded(t, sized(300, 90), gateways...)
	pass(t, linked)

	var times []time.Duration
	for round := range rounds {
		victim := gateways[round%len(gateways)]
		c.mark()
		pass(t, rand.N(beat)) // or the rounds would all begin at the same point between two beats
		victim.Kill()
		began := time.Now()
		users := c.lose(victim)
		c.right(c.members)
		times = append(times, time.Since(began))
		t.Logf("%s gone everywhere after %s", victim.name, seconds(times[round]))
		for _, m := range c.members {
			if moves := m.Moves(); len(moves.Left) != len(users) || len(moves.Joined) > 0 {
				t.Errorf("%s saw %d users leave and %d join, want the %d of the gateway leave", m.user, len(moves.Left), len(moves.Joined), len(users))
			}
		}
		outcome, took := signal(t, c.members[0], users[0])
		if outcome != "offline" || took > time.Second {
			t.Errorf("a signal to a user of a gateway that is gone: %s after %v, want offline within 1 s", outcome, took)
		}
		c.connected()

		s.again(victim.Process)
		back := c.login(victim, users...)
		c.right(c.members)
		if outcome, _ := signal(t, c.members[0], back[0].user); outcome != "delivered" {
			t.Errorf("a signal to a user of a gateway that is back: %s", outcome)
		}
	}
	c.ordered()

	slices.Sort(times)
	median, p95, worst := percentile(times, 50), percentile(times, 95), times[len(times)-1]
	gatewayKilled.measured("%d rounds, %d users: median %s", rounds, c.users.Len(), seconds(median))
	if judging { // few rounds have no 95th percentile
		gatewayKilled.within(time.Second, p95, "p95")
	}
	gatewayKilled.within(2*time.Second, worst, "worst")
}

// percentile is the least of the times, which are sorted, that p percent do not exceed.
func percentile(times []time.Duration, p float64) time.Duration {
	return times[int(math.Ceil(p/100*float64(len(times))))-1]
}

// A gateway stands still for some time: its users leave every list, and are back when it goes on. Their sockets stay.
func TestGatewayStopped(t *testing.T) {
	gatewayStopped.try(t)
	s := here(t)
	s.presence()
	gateways := s.gateways(2)
	c := crowded(t, sized(200, 60), gateways...)
	pass(t, linked)
	vanish(t, c, gatewayStopped, gateways[1], gateways[0], gateways[1].Pause, gateways[1].Resume)
}

// outlasting is what a fault must last longer until NATS and the gateway have found their link dead.
const outlasting = 7 * time.Second

// vanish has a gateway cut off from the others, with its sockets, and back again: as soon as its users are gone, and once
// more so late that it needs another link.
func vanish(t *testing.T, c *crowd, f *fault, victim, other *gateway, cut, mend func() error) {
	t.Helper()
	for round, longer := range []time.Duration{0, outlasting} {
		c.mark()
		if err := cut(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, m := range c.at(victim) {
			c.users.Remove(m.user)
		}
		c.right(c.at(other))
		f.within(5*time.Second, time.Since(began), "gone after")
		c.login(other, fmt.Sprintf("late-%d", round))
		pass(t, longer)

		if err := mend(); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		for _, m := range c.at(victim) {
			c.users.Add(m.user)
		}
		c.right(c.members)
		f.within(3*time.Second, time.Since(began), "back after")
		c.atMost(c.members, 1)
		c.nobodyLeft(c.at(victim))
		c.connected()
		c.calls(c.members)
		c.ordered()
	}
}

// A gateway that is told to stop sends its clients away in good order, tells presence, and ends within ten seconds.
func TestGatewayTerminated(t *testing.T) {
	s := here(t)
	s.presence()
	gateways := s.gateways(2)
	c := crowded(t, 50, gateways...)
	began := time.Now()
	if err := gateways[1].Stop(limited(t)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("it ended with status 0 after %v", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("want 10 s at most")
	}
	for _, m := range c.at(gateways[1]) {
		if err := m.Ended(limited(t)); err == nil || !strings.Contains(err.Error(), "1012") {
			t.Errorf("%s: the connection ended with %v, want close code 1012", m.user, err)
		}
	}
	c.lose(gateways[1])
	c.right(c.members)
	c.connected()
}
