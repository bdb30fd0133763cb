package socketio

import (
	"fmt"
	"testing"

	"beckon/local"
)

// A client without a name is the user whose id is its socket's, and finds itself in the list. Who comes later stands later.
func TestList(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		address := stack.Gateways[0].Listen
		alice := d.connect("alice", address, nil)
		alice.shows(alice.id())
		bob := d.connect("bob", address, nil)
		bob.shows(alice.id(), bob.id())
		carol := d.connect("carol", address, nil)
		for _, p := range []*peer{alice, bob, carol} {
			p.shows(alice.id(), bob.id(), carol.id())
		}

		bob.leave()
		alice.shows(alice.id(), carol.id())
		carol.shows(alice.id(), carol.id())

		// Who comes back is somebody else, and the last.
		bob.tell(object{"do": "open", "client": bob.name})
		bob.connected(2)
		for _, p := range []*peer{alice, bob, carol} {
			p.shows(alice.id(), carol.id(), bob.id())
		}
	})
}

// A crowd that comes at once ends with one list, whoever looks at it.
func TestCrowd(t *testing.T) {
	each(t, local.Options{Gateways: 2}, func(t *testing.T, d *driver, stack *local.Stack) {
		crowd := make([]*peer, 20)
		for i := range crowd {
			crowd[i] = d.dial(fmt.Sprintf("guest %d", i), stack.Gateways[i%2].Listen, nil)
		}
		for _, p := range crowd {
			p.connected(1)
		}
		show(crowd, crowd)
	})
}

// Who vanishes without a word has left, and nobody waits for pings that are not answered: those would take longer than this
// test waits.
func TestVanish(t *testing.T) {
	t.Parallel()
	address := start(t, local.Options{}).Gateways[0].Listen
	d := drive(t, modes[1])
	alice := d.connect("alice", address, nil)
	for _, m := range modes {
		away := drive(t, m)
		bob := away.connect("bob", address, nil)
		alice.shows(alice.id(), bob.id())
		bob.shows(alice.id(), bob.id())
		// What arrives now was sent when the next poll, if any, had begun, whose end is noticed.
		bob.emit("message", object{"to": alice.id(), "data": "bye"})
		alice.gets("message", object{"from": bob.id(), "data": "bye"})
		away.kill()
		alice.shows(alice.id())
		alice.outcome("offline", "message", object{"to": bob.id(), "data": 1})
	}
}
