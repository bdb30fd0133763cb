package chaos

import (
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/local/client"
)

// Presence dies and comes back: nobody leaves anybody's list, and whoever comes or goes meanwhile is right afterwards.
func TestPresenceKilled(t *testing.T) {
	s := start(t)
	clients := s.crowd(t, 200)
	s.presence.Kill()

	// Signals do not depend on presence, and each gateway's own sessions still come into its list.
	if outcome, _ := signal(t, clients[0], clients[1].Welcome.UserID); outcome != "delivered" {
		t.Errorf("a signal without presence: %s", outcome)
	}
	late, err := client.Dial(limited(t), client.Options{Address: s.addresses[0], User: "late"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(late.Close)
	has := func(l client.List) bool { return slices.Contains(l.Users, "late") }
	if err := clients[0].AwaitList(limited(t), has); err != nil {
		t.Errorf("on the same gateway: %v", err)
	}

	if err := s.presence.Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	everybody(t, append(clients, late), 201)
	t.Logf("lists were right %v after presence was back", time.Since(began).Round(time.Millisecond))
	nobodyLeft(t, clients)
	connected(t, clients)
}

// A gateway dies without a word: its users leave every list within five seconds, and whoever calls one of them is told
// so within one.
func TestGatewayKilled(t *testing.T) {
	s := start(t)
	clients := s.crowd(t, 200)
	var here, there []*client.Client
	for i, c := range clients {
		if i%2 == 0 {
			here = append(here, c)
		} else {
			there = append(there, c)
		}
	}
	s.gateways[1].Kill()
	began := time.Now()
	outcome, took := signal(t, here[0], there[0].Welcome.UserID)
	t.Logf("a signal to one of its users: %s after %v", outcome, took.Round(time.Millisecond))
	if outcome != "offline" || took > time.Second {
		t.Errorf("want offline within 1 s")
	}
	everybody(t, here, len(here))
	took = time.Since(began)
	t.Logf("its users were gone from every list after %v", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("want 5 s at most")
	}
	connected(t, here)
	for _, c := range here {
		if l := c.List(); len(l.Left) != len(there) {
			t.Errorf("%s saw %d users leave, want %d", c.Welcome.UserID, len(l.Left), len(there))
		}
	}

	if err := s.gateways[1].Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	back, err := client.Dial(limited(t), client.Options{Address: s.addresses[1], User: there[0].Welcome.UserID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(back.Close)
	everybody(t, append(here, back), len(here)+1)
	if outcome, _ := signal(t, here[0], there[0].Welcome.UserID); outcome != "delivered" {
		t.Errorf("a signal to a user of the gateway that is back: %s", outcome)
	}
}

// NATS is gone for five seconds: no socket is dropped, signals are told unavailable at once, nobody leaves any list, and
// soon after its return everything is as before. Nothing that was said meanwhile arrives late.
func TestNATSAway(t *testing.T) {
	s := start(t)
	clients := s.crowd(t, 200)
	s.nats.Kill()
	gone := time.Now()

	var slowest time.Duration
	asked := 0
	for time.Since(gone) < 5*time.Second {
		caller, callee := clients[asked%200], clients[(asked+1)%200]
		outcome, took := signal(t, caller, callee.Welcome.UserID)
		slowest = max(slowest, took)
		// The first may have been on their way when the link broke; nobody knows what became of those.
		if outcome != "unavailable" && (outcome != "unknown" || time.Since(gone) > 2*time.Second) {
			t.Fatalf("a signal %v after NATS went away: %s", time.Since(gone), outcome)
		}
		if outcome == "unavailable" && took > 500*time.Millisecond {
			t.Errorf("unavailable was told after %v", took)
		}
		asked++
	}
	t.Logf("%d signals while NATS was away, the slowest answer after %v", asked, slowest.Round(time.Microsecond))

	if err := s.nats.Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	for {
		outcome, _ := signal(t, clients[0], clients[1].Welcome.UserID)
		if outcome == "delivered" {
			break
		}
		if time.Since(back) > 3*time.Second {
			t.Fatalf("%v after NATS is back a signal is %s", time.Since(back), outcome)
		}
	}
	t.Logf("signals flowed %v after NATS was back", time.Since(back).Round(time.Millisecond))

	late, err := client.Dial(limited(t), client.Options{Address: s.addresses[1], User: "late"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(late.Close)
	everybody(t, append(clients, late), 201)
	took := time.Since(back)
	t.Logf("lists were right, a new user on each, %v after NATS was back", took.Round(time.Millisecond))
	if took > 3*time.Second {
		t.Errorf("want 3 s at most")
	}
	nobodyLeft(t, clients)
	connected(t, clients)
}

// NATS stands still for longer than a gateway's lease, and shorter than it takes to find its links dead: nobody leaves any
// list.
func TestNATSStalls(t *testing.T) {
	s := start(t)
	clients := s.crowd(t, 100)
	if err := s.nats.Pause(); err != nil {
		t.Fatal(err)
	}
	// The time is the fault; nothing can be heard meanwhile that would say when it is over.
	stalled := time.NewTimer(4500 * time.Millisecond)
	defer stalled.Stop()
	<-stalled.C
	if err := s.nats.Resume(); err != nil {
		t.Fatal(err)
	}
	late, err := client.Dial(limited(t), client.Options{Address: s.addresses[1], User: "late"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(late.Close)
	everybody(t, append(clients, late), 101)
	nobodyLeft(t, clients)
	connected(t, clients)
}

// A gateway that is told to stop sends its clients away in good order, tells presence, and ends within ten seconds.
func TestGatewayTerminated(t *testing.T) {
	s := start(t)
	clients := s.crowd(t, 50)
	began := time.Now()
	if err := s.gateways[1].Stop(limited(t)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("it ended with status 0 after %v", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("want 10 s at most")
	}
	var here []*client.Client
	for i, c := range clients {
		if i%2 == 0 {
			here = append(here, c)
			continue
		}
		if err := c.Ended(limited(t)); err == nil || !strings.Contains(err.Error(), "1012") {
			t.Errorf("%s: the connection ended with %v, want close code 1012", c.Welcome.UserID, err)
		}
	}
	everybody(t, here, len(here))
	connected(t, here)
}
