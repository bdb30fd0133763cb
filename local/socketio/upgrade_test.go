package socketio

import (
	"fmt"
	"testing"

	"beckon/local"
)

// What is sent before, during and after an upgrade arrives in order and in full, in both directions.
func TestUpgradeKeepsOrder(t *testing.T) {
	t.Parallel()
	address := start(t, local.Options{}).Gateways[0].Listen
	d := drive(t, modes[0])
	bob := d.connect("bob", address, as("bob"))
	began := map[string]int{} // rounds, by the transport over which alice was connected
	for round := range 5 {
		name, all := fmt.Sprintf("alice %d", round), 0
		for _, part := range []struct {
			moment string
			count  int
		}{{"connect", 60}, {"upgrading", 80}, {"upgrade", 60}} {
			for range part.count {
				d.tellWhen(name, part.moment, emitting("bob", "message", object{"to": name, "data": all}))
				d.tellWhen(name, part.moment, emitting(name, "message", object{"to": "bob", "data": all}))
				all++
			}
		}
		alice := d.connect(name, address, as(name))
		for i := range all {
			alice.gets("message", object{"from": "bob", "data": i})
			bob.gets("message", object{"from": name, "data": i})
		}
		alice.shows("bob", name)
		alice.leave()
		bob.shows("bob")
		began[alice.began]++
	}
	if began["polling"] == 0 {
		t.Errorf("nobody was connected before the upgrade: %v", began)
	}
}

// Who leaves in the middle of an upgrade has left.
func TestLeaveWhileUpgrading(t *testing.T) {
	t.Parallel()
	address := start(t, local.Options{}).Gateways[0].Listen
	d := drive(t, modes[0])
	alice := d.connect("alice", address, nil)
	var hasty []*peer
	for i, moment := range []string{"connect", "upgrading", "upgrade", "connect", "upgrading", "upgrade"} {
		name := fmt.Sprintf("hasty %d", i)
		d.tellWhen(name, moment, object{"do": "close", "client": name})
		hasty = append(hasty, d.dial(name, address, nil))
	}
	for _, p := range hasty {
		p.disconnected(1)
	}
	bob := d.connect("bob", address, nil)
	for _, p := range []*peer{alice, bob} {
		p.shows(alice.id(), bob.id())
	}
}
