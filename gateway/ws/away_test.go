package ws

import (
	"testing"

	"github.com/gorilla/websocket"
)

// NATS is away for longer than a login waits.
func TestNATSAway(t *testing.T) {
	t.Parallel()
	f := start(t, setup{})
	alice, bob := f.login("alice"), f.login("bob")
	f.SetLink(false)
	if h := alice.ask(`{"event":"refuse","id":"1","data":{"to":"bob"}}`); h.text("status") != `"unavailable"` {
		t.Errorf("heard %s", h)
	}
	alice.send(`{"event":"refuse","data":{"to":"bob"}}`)
	alice.hears(`{"event":"undeliverable","id":null,"data":{"to":"bob","kind":"refuse","reason":"unavailable"}}`)

	f.Await("closed", func() bool { reason, _ := f.Hub.Closed(); return reason == "nats_away" })
	f.isClosed("away", "nats_away")
	alice.serves()
	bob.serves()

	f.SetLink(true)
	f.login("carol")
	if h := alice.ask(`{"event":"refuse","id":"2","data":{"to":"carol"}}`); h.text("status") != `"delivered"` {
		t.Errorf("heard %s", h)
	}
}

// A login waits out a short absence of NATS, and so does what the client says meanwhile.
func TestEarlyFrames(t *testing.T) {
	f := start(t, setup{})
	alice := f.login("alice")
	f.SetLink(false)
	bob := f.open("user=bob")
	bob.send(
		`{"event":"refuse","id":"1","data":{"to":"alice"}}`, `no JSON`, `{"event":"sync","id":"2"}`,
		`{"event":"refuse","id":"3","data":{"to":"nobody"}}`, `{"event":"refuse","id":"4","data":{"to":"bob"}}`,
	)
	if got := f.Hub.Sessions(); got > 2 {
		t.Errorf("%d sessions", got)
	}
	f.SetLink(true)
	if h := bob.next(); h.Event != "welcome" {
		t.Errorf("the first frame is %s", h)
	}
	answers := make(map[string]string)
	for len(answers) < 4 {
		h := bob.event()
		switch h.Event {
		case "ack":
			answers[*h.ID] = h.text("status")
		case "error":
			if h.text("code") != `"bad_frame"` {
				t.Errorf("heard %s", h)
			}
		default:
			t.Fatalf("heard %s", h)
		}
	}
	for id, want := range map[string]string{"1": `"delivered"`, "2": `"delivered"`, "3": `"offline"`, "4": `"offline"`} {
		if answers[id] != want {
			t.Errorf("%s was answered by %s, want %s", id, answers[id], want)
		}
	}
	if h := alice.event(); h.Event != "refuse" || h.text("from") != `"bob"` {
		t.Errorf("heard %s", h)
	}
}

// The client of a login that cannot be completed hears why, and nothing of it is left, whatever it said before.
func TestLoginGivesUp(t *testing.T) {
	t.Parallel()
	f := start(t, setup{})
	f.SetLink(false)
	quiet, early := f.open("user=quiet"), f.open("user=early")
	early.send(`{"event":"sync","id":"1"}`, `{"event":"sync","id":"2"}`)
	for _, c := range []*client{quiet, early} {
		heard := c.endsWith(websocket.CloseTryAgainLater)
		if len(heard) != 1 || heard[0].text("code") != `"unavailable"` {
			t.Errorf("heard %v", heard)
		}
	}
	f.AwaitSessions(0)
	f.door.Wait()
	f.SetLink(true)
	f.login("quiet").serves()
}

// Draining does not wait for logins that wait for NATS.
func TestDrainDuringALogin(t *testing.T) {
	f := start(t, setup{})
	f.SetLink(false)
	c := f.open("user=alice")
	c.send(`{"event":"sync","id":"1"}`)
	f.AwaitSessions(1)
	if err := f.Hub.Drain(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	c.endsWith(websocket.CloseServiceRestart)
	f.SetLink(true)
}
