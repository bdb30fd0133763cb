package socketio

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"beckon/local"
)

// hold stands before a gateway and holds each WebSocket back until release has something for it: until then its client
// polls.
func hold(t *testing.T, address string) (held string, release chan<- struct{}) {
	t.Helper()
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
	}}
	next := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("transport") == "websocket" {
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.Listener.Addr().String(), next
}

// What is sent before, during and after an upgrade arrives in order and in full, in both directions: where the upgrade
// begins when the client is connected, and where it may be the first of the two.
func TestUpgradeKeepsOrder(t *testing.T) {
	t.Parallel()
	address := start(t, local.Options{}).Gateways[0].Listen
	held, release := hold(t, address)
	d := drive(t, modes[0])
	bob := d.connect("bob", address, as("bob"))
	for round := range 6 {
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
		var alice *peer
		if round%2 == 0 {
			alice = d.dial(name, held, as(name))
			alice.connectedOver(1, "polling")
			release <- struct{}{}
			alice.connected(1)
		} else {
			alice = d.connect(name, address, as(name))
		}
		for i := range all {
			alice.gets("message", object{"from": "bob", "data": i})
			bob.gets("message", object{"from": name, "data": i})
		}
		alice.shows("bob", name)
		alice.leave()
		bob.shows("bob")
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
