package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestDrain(t *testing.T) {
	f := newFixture(t, 1000)
	const n, over = 100, time.Second
	var clients []*client
	for i := range n {
		c := f.begin(fmt.Sprint("user", i), "lobby")
		c.leaves = true
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.awaitReady(t)
	}
	if f.Draining() {
		t.Error("draining before Drain")
	}
	if err := f.Drain(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	var closed []time.Time
	for _, c := range clients {
		c.awaits(t, "close: draining")
		closed = append(closed, c.closed)
	}
	slices.SortFunc(closed, time.Time.Compare)
	if spread := closed[n-1].Sub(closed[0]); spread < over/2 {
		t.Errorf("all were closed within %v, although there was %v for it", spread, over)
	}
	if f.Sessions() != 0 || !f.Draining() {
		t.Errorf("%d sessions are left", f.Sessions())
	}
	if _, err := f.Login(&client{}, "late", "lobby", false); !errors.Is(err, ErrDraining) {
		t.Errorf("error %v, want %v", err, ErrDraining)
	}
}

// Who is sent away by the end of his gateway stays in the lists until it has ended: he comes back on another.
func TestDrainTakesNobodyOutOfTheLists(t *testing.T) {
	f := newFixture(t, 10)
	for _, user := range []string{"alice", "bob"} {
		f.login(user).leaves = true
	}
	if err := f.Drain(t.Context(), 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if f.Sessions() != 0 || f.Users() != 0 {
		t.Errorf("%d sessions are left", f.Sessions())
	}
	for _, user := range []string{"alice", "bob"} {
		if !f.roster.Shows(user) {
			t.Errorf("%s has left the list", user)
		}
	}
}

func TestDrainAtOnce(t *testing.T) {
	f := newFixture(t, 10)
	if err := f.Drain(t.Context(), time.Hour); err != nil {
		t.Errorf("with nobody there: %v", err)
	}
}

// A connection that does not end is left behind when the time is over.
func TestDrainIsBounded(t *testing.T) {
	f := newFixture(t, 10)
	good, stuck := f.login("alice"), f.login("bob")
	good.leaves = true
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := f.Drain(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	good.awaits(t, "close: draining")
	stuck.awaits(t, "close: draining")
}

func TestReasons(t *testing.T) {
	seen := make(map[string]bool)
	for r := Draining; r <= Flood; r++ {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if int(Flood) != len(reasonNames)-1 {
		t.Error("a reason is not tested")
	}
}
