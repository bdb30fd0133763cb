package chaos

import (
	"fmt"
	"net"
	"testing"
	"time"

	"beckon/local/client"
)

// apart is for how long sites are cut off from each other.
func apart() time.Duration { return sized(20*time.Second, 10*time.Second) }

// Two sites, each with a NATS server of one cluster, a replica and a gateway, are cut off from each other: each goes on
// for its own users, and soon after all is as before.
func TestClusterPartitioned(t *testing.T) {
	clusterPartitioned.try(t)
	l := newLab(t)
	east, west := l.machine("east"), l.machine("west")
	cluster := func(m *machine) string {
		return fmt.Sprintf("server_name: %s\ncluster { name: beckon, listen: %q, routes: [\"nats-route://%s\", \"nats-route://%s\"] }",
			m.host, net.JoinHostPort(m.host, "6222"), net.JoinHostPort(east.host, "6222"), net.JoinHostPort(west.host, "6222"))
	}
	var gateways []*gateway
	for i, m := range []*machine{east, west} {
		m.startNATS(cluster(m))
		m.presence()
		gateways = append(gateways, m.gateway([]string{"east", "west"}[i]))
	}
	c := crowded(t, sized(200, 60), gateways...)
	pass(t, linked)
	split(t, c, clusterPartitioned, west, gateways[0], gateways[1], true)
}

// An edge site with a leaf of the hub, a replica and a gateway loses its uplink: the same.
func TestLeafSiteCut(t *testing.T) {
	leafSiteCut.try(t)
	l := newLab(t)
	hub, edge := l.machine("hub"), l.machine("edge")
	leaves := hub.address()
	hub.startNATS("leafnodes { listen: " + leaves + " }")
	hub.presence()
	center := hub.gateway("center")
	edge.startNATS(`leafnodes { reconnect: "250ms", remotes: [{ url: "nats-leaf://` + leaves + `" }] }`)
	edge.presence()
	far := edge.gateway("far")
	c := crowded(t, sized(200, 60), center, far)
	pass(t, linked)
	split(t, c, leafSiteCut, edge, center, far, true)
}

// A gateway with a leaf inside, and nothing else at its place, loses its uplink: its own users come and go and call each
// other, and of the others it keeps what it knew.
func TestLeafGatewayCut(t *testing.T) {
	leafGatewayCut.try(t)
	l := newLab(t)
	hub, edge := l.machine("hub"), l.machine("edge")
	leaves := hub.address()
	hub.startNATS("leafnodes { listen: " + leaves + " }")
	hub.presence()
	center := hub.gateway("center")
	far := &gateway{site: edge.site, name: "far", address: edge.address()}
	far.Process = edge.run(edge.programs.Edge("far", leaves, far.address, edge.address()))
	c := crowded(t, sized(200, 60), center, far)
	pass(t, linked)
	split(t, c, leafGatewayCut, edge, center, far, false)
	c.nobodyLeft(c.at(far))
}

// split pulls the cable of the far site for some time. If it has presence of its own, it finds out who cannot be reached.
func split(t *testing.T, c *crowd, f *fault, site *machine, center, far *gateway, presence bool) {
	t.Helper()
	c.mark()
	everybody := c.users.Clone()
	if err := site.unplug(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()

	inside := map[*gateway]*client.Set{center: client.NewSet(), far: client.NewSet()}
	for _, m := range c.members {
		inside[m.at].Add(m.user)
	}
	if !presence {
		inside[far] = everybody
	}
	for g, users := range inside {
		c.calls(c.at(g))
		for _, m := range c.login(g, "late-"+g.name) {
			users.Add(m.user)
		}
	}
	for g, users := range inside {
		c.show(c.at(g), users)
	}
	if !presence {
		c.told(c.at(far), "degraded")
	}
	f.measured("%d users: both sides right %s after the cut", c.users.Len(), seconds(time.Since(began)))
	for g := range inside {
		c.calls(c.at(g))
	}
	pass(t, apart()-time.Since(began))
	for g, users := range inside {
		c.show(c.at(g), users)
		c.calls(c.at(g))
	}

	if err := site.plug(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	c.right(c.members)
	f.within(5*time.Second, time.Since(began), "right after the healing:")
	if !presence {
		c.told(c.at(far), "ok")
	}
	c.nothingTold(c.members)
	c.atMost(c.members, 1)
	c.connected()
	c.calls(c.members)
	c.ordered()
}
