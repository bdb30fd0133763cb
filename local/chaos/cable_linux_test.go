package chaos

import "testing"

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
