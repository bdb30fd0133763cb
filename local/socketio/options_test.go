package socketio

import (
	"testing"

	"beckon/local"
)

// A page from elsewhere may not connect. (Node.js sends the origin that it is told to; a browser sends the true one.)
func TestOrigin(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		address := stack.Gateways[0].Listen
		from := func(origin string) object {
			return object{"extraHeaders": object{"Origin": origin}, "reconnection": false}
		}
		stranger := d.dial("stranger", address, from("https://stranger.example"))
		refusal, _ := stranger.refused(1).(object)
		if want := d.mode.uses[0]; want == "polling" && refusal["message"] != "xhr poll error" ||
			want == "websocket" && refusal["message"] != "websocket error" {
			t.Errorf("refused with %s", text(refusal))
		}
		page := d.connect("page", address, from("http://localhost:3000"))
		page.shows(page.id())
	})
}

// A client that is told to send again what was not acknowledged has no reason to.
func TestRetries(t *testing.T) {
	t.Parallel()
	address := start(t, local.Options{}).Gateways[0].Listen
	d := drive(t, modes[0])
	alice := d.connect("alice", address, object{"retries": 3, "ackTimeout": 20_000})
	bob := d.connect("bob", address, nil)
	for i := range 20 {
		alice.emit("message", object{"to": bob.id(), "data": i})
	}
	for i := range 20 {
		bob.gets("message", object{"from": alice.id(), "data": i})
	}
}
