package socketio

import (
	"slices"
	"testing"

	"beckon/local/proc"
)

// A gateway is told to end, and is back: its clients know at once that the connection is gone, and come back by themselves.
func TestGatewayTerminated(t *testing.T) {
	restart(t, []string{"transport close"}, func(t *testing.T, p *proc.Process) {
		if err := p.Stop(limited(t)); err != nil {
			t.Fatal(err)
		}
	})
}

// A gateway dies without a word, and is back. What a client calls that depends on how it was connected.
func TestGatewayKilled(t *testing.T) {
	restart(t, []string{"transport close", "transport error"}, func(_ *testing.T, p *proc.Process) { p.Kill() })
}

// restart ends one gateway of two and starts it again. The reasons are those for which its clients may find themselves
// disconnected.
func restart(t *testing.T, reasons []string, end func(*testing.T, *proc.Process)) {
	t.Helper()
	t.Parallel()
	processes, addresses := system(t, 2, "--drain", "500ms")
	var all, there []*peer // everybody, and those on the gateway that ends
	for _, m := range modes {
		d := drive(t, m)
		there = append(there, d.connect("alice", addresses[0], nil), d.connect("bob", addresses[0], as("bob, "+m.name)))
		all = append(all, d.connect("witness", addresses[1], nil))
	}
	witnesses := slices.Clone(all)
	all = append(all, there...)
	show(all, all)

	end(t, processes[0])
	for _, p := range there {
		if reason := p.disconnected(1); !slices.Contains(reasons, reason) {
			t.Errorf("%s, over %s: disconnected for %q, want one of %q", p.name, p.mode.name, reason, reasons)
		}
	}
	show(witnesses, witnesses)
	if err := processes[0].Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	for _, p := range there {
		p.connected(2)
	}
	show(all, all)
	for _, p := range there {
		witnesses[0].outcome("delivered", "message", object{"to": p.id(), "data": "welcome back"})
		p.gets("message", object{"from": witnesses[0].id(), "data": "welcome back"})
		p.outcome("delivered", "message", object{"to": witnesses[0].id(), "data": "thanks"})
		witnesses[0].gets("message", object{"from": p.id(), "data": "thanks"})
	}
}

// show waits until all of these clients show exactly those users, and in the same order.
func show(clients, users []*peer) {
	var want []string
	for _, p := range users {
		want = append(want, p.id())
	}
	clients[0].showsAll(want...)
	order := clients[0].shown()
	for _, p := range clients {
		p.shows(order...)
	}
}
