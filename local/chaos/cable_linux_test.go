package chaos

import (
	"fmt"
	"testing"
	"time"
)

// A gateway's cable is pulled: its users leave every list, and are back with the cable. Their sockets, which do not run
// over it, stay.
func TestGatewayUnplugged(t *testing.T) {
	gatewayUnplugged.try(t)
	l := newLab(t)
	center, edge := l.machine("center"), l.machine("edge")
	center.startNATS()
	center.presence()
	near := center.gateway("near")
	edge.natsAt = center.natsAt
	far := edge.gateway("far")
	c := crowded(t, sized(200, 60), near, far)
	pass(t, linked)
	vanish(t, c, gatewayUnplugged, far, near, edge.unplug, edge.plug)
}

// The only presence is cut off for so long that it gives up everybody: nobody leaves any list, and what happened meanwhile
// is right afterwards.
func TestPresenceUnplugged(t *testing.T) {
	presenceUnplugged.try(t)
	l := newLab(t)
	center, aside := l.machine("center"), l.machine("aside")
	center.startNATS()
	aside.natsAt = center.natsAt
	aside.presence()
	gateways := center.gateways(3)
	c := crowded(t, sized(300, 60), gateways...)
	pass(t, linked)
	c.mark()
	if err := aside.unplug(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.told(c.members, "degraded")
	c.calls(c.members[:4])
	c.told(c.login(gateways[0], "late"), "degraded")
	pass(t, 12*time.Second-time.Since(began))
	if err := aside.plug(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	c.right(c.members)
	presenceUnplugged.within(10*time.Second, time.Since(began), fmt.Sprintf("%d users: right after the cable's return:", c.users.Len()))
	c.told(c.members, "ok")
	c.nobodyLeft(c.members)
	c.atMost(c.members, 1)
	c.connected()
	c.ordered()
}
