package socketio

import (
	"strings"
	"testing"

	"beckon/local"
)

// A client that says who it is, is that user, and finds itself in the list by its id all the same; one that says where, is
// there.
func TestLogin(t *testing.T) {
	each(t, local.Options{Gateways: 2}, func(t *testing.T, d *driver, stack *local.Stack) {
		first, second := stack.Gateways[0].Listen, stack.Gateways[1].Listen
		alice := d.connect("alice", first, as("Älice 🦊"))
		alice.shows("Älice 🦊")
		bob := d.connect("bob", second, object{"auth": object{"user": "bob", "room": "lobby"}})
		carol := d.connect("carol", second, object{"auth": object{"user": "carol", "room": "attic"}})
		nameless := d.connect("nameless", first, object{"auth": object{"room": "attic"}})
		for _, p := range []*peer{alice, bob} {
			p.shows("Älice 🦊", "bob")
		}
		for _, p := range []*peer{carol, nameless} {
			p.shows("carol", nameless.id())
		}
		// Rooms are for lists. A signal reaches a user wherever he is, wherever else he is.
		phone := d.connect("phone", first, object{"auth": object{"user": "bob", "room": "attic"}})
		phone.shows("carol", nameless.id(), "bob")
		alice.outcome("delivered", "message", object{"to": "bob", "from": "carol", "data": 1})
		for _, p := range []*peer{bob, phone} {
			p.gets("message", object{"from": "Älice 🦊", "data": 1})
		}
		carol.outcome("delivered", "message", object{"to": "Älice 🦊", "data": 2})
		alice.gets("message", object{"from": "carol", "data": 2})
		carol.outcome("delivered", "message", object{"to": nameless.id(), "data": 3})
		nameless.gets("message", object{"from": "carol", "data": 3})

		bob.leave()
		phone.leave()
		alice.shows("Älice 🦊")
		alice.outcome("offline", "message", object{"to": "bob", "data": 4})
	})
}

// A login that will not do is told why, and may be tried again.
func TestBadLogin(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		address := stack.Gateways[0].Listen
		alice := d.connect("alice", address, nil)
		bob := d.dial("bob", address, object{"auth": object{"user": 7}})
		for i, tc := range []struct {
			next object // after this
			code string
		}{
			{object{"user": strings.Repeat("x", 129)}, "bad_user"},
			{object{"user": "a\nb"}, "bad_user"},
			{object{"user": "bob", "room": []any{}}, "bad_user"},
			{object{"user": "bob", "room": strings.Repeat("x", 129)}, "bad_room"},
			{object{"user": "bob"}, "bad_room"},
		} {
			refusal, _ := bob.refused(i + 1).(object)
			message, _ := refusal["message"].(string)
			if message == "" || !equal(refusal["data"], object{"code": tc.code}) {
				t.Errorf("refused with %s, want %s", text(refusal), tc.code)
			}
			bob.tell(object{"do": "auth", "client": "bob", "auth": tc.next})
			bob.tell(object{"do": "open", "client": "bob"})
		}
		bob.connected(1)
		for _, p := range []*peer{alice, bob} {
			p.shows(alice.id(), "bob")
		}
	})
}

// There are no namespaces. A client that asks for one is told, and what it has stays.
func TestNamespace(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		address := stack.Gateways[0].Listen
		alice := d.connect("alice", address, nil)
		admin := d.dial("admin", address+"/admin", nil) // over alice's connection
		if refusal := admin.refused(1); !equal(refusal, object{"message": "Invalid namespace"}) {
			t.Errorf("refused with %s", text(refusal))
		}
		alice.outcome("offline", "message", object{"to": "nobody", "data": 1})
		alice.shows(alice.id())
	})
}
