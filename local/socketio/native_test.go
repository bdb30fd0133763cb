package socketio

import (
	"slices"
	"testing"

	"beckon/local"
	"beckon/local/client"
)

// Clients of both doors see each other, and call each other in both directions, through one gateway or two.
func TestNativeClient(t *testing.T) {
	each(t, local.Options{Gateways: 2}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		for _, g := range stack.Gateways {
			bob, err := client.Dial(limited(t), client.Options{Address: g.Listen})
			if err != nil {
				t.Fatal(err)
			}
			defer bob.Close()
			n := native{t, bob}
			alice.shows(alice.id(), n.id())
			n.shows(alice.id(), n.id())
			n.rings(alice)
			n.isRungBy(alice)
			bob.Close()
			alice.shows(alice.id())
		}
	})
}

// native is a client of the native door.
type native struct {
	t *testing.T
	*client.Client
}

func (n native) id() string { return n.Welcome.UserID }

func (n native) shows(users ...string) {
	n.t.Helper()
	err := n.AwaitList(limited(n.t), func(l client.List) bool { return slices.Equal(l.Users, users) })
	if err != nil {
		n.t.Fatalf("want %q: %v", users, err)
	}
}

// sends sends a signal, which is to be delivered.
func (n native) sends(event string, data object) {
	n.t.Helper()
	if got, err := n.Outcome(limited(n.t), event, data); err != nil || got != "delivered" {
		n.t.Fatalf("%s %s: outcome %q, error %v", event, text(data), got, err)
	}
}

// hears waits for an event, which is to have exactly this data and the sender's session besides.
func (n native) hears(event string, want object) (session string) {
	n.t.Helper()
	f, err := n.Event(limited(n.t), event)
	if err != nil {
		n.t.Fatal(err)
	}
	var got object
	if err := f.Into(&got); err != nil {
		n.t.Fatal(err)
	}
	session, _ = got["fromSession"].(string)
	delete(got, "fromSession")
	if session == "" || !equal(got, want) {
		n.t.Fatalf("%s arrived as %s, want %s and a session", event, f.Data, text(want))
	}
	return session
}

// rings calls p, which answers and hangs up, and calls once more, which p refuses.
func (n native) rings(p *peer) {
	n.t.Helper()
	offer := object{"to": p.id(), "callId": "c1", "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": true}
	n.sends("offer", offer)
	p.gets("offer", object{"from": n.id(), "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": true})
	p.emit("answer", object{"to": n.id(), "answerSDP": "v=0", "answerType": "answer"})
	session := n.hears("answer", object{"from": p.id(), "answerSDP": "v=0", "answerType": "answer"})
	n.sends("iceCandidate", object{"to": p.id(), "toSession": session, "callId": "c1", "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
	p.gets("remoteIceCandidate", object{"to": p.id(), "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
	p.emit("disconnectPeer", object{"to": n.id()})
	n.hears("disconnectPeer", object{"from": p.id()})

	n.sends("offer", offer)
	p.gets("offer", object{"from": n.id(), "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": true})
	p.emit("refuse", object{"to": n.id()})
	n.hears("refuse", object{"from": p.id()})
	n.sends("message", object{"to": p.id(), "data": "sorry"})
	p.gets("message", object{"from": n.id(), "data": "sorry"})
}

// isRungBy is rings the other way round. That nothing but what is named here arrives the driver sees to.
func (n native) isRungBy(p *peer) {
	n.t.Helper()
	offer := object{"to": n.id(), "from": "somebody", "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": false}
	arrives := object{"from": p.id(), "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": false}
	p.emit("offer", offer)
	session := n.hears("offer", arrives)
	n.sends("answer", object{"to": p.id(), "toSession": session, "callId": "c2", "answerSDP": "v=0", "answerType": "answer"})
	p.gets("answer", object{"answerSDP": "v=0", "answerType": "answer"})
	p.emit("iceCandidate", object{"to": n.id(), "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
	n.hears("remoteIceCandidate", object{"from": p.id(), "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
	n.sends("disconnectPeer", object{"to": p.id(), "callId": "c2"})
	p.gets("disconnectPeer")

	p.outcome("delivered", "offer", offer)
	n.hears("offer", arrives)
	n.sends("refuse", object{"to": p.id()})
	p.gets("refuse")
	p.outcome("delivered", "message", object{"to": n.id(), "data": []any{nil}})
	n.hears("message", object{"from": p.id(), "data": []any{nil}})
}
