package socketio

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"beckon/local"
)

const candidate = "candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host"

// A call as the tutorial's clients have it, with their fields: what arrives has exactly those that they read.
func TestCall(t *testing.T) {
	each(t, local.Options{Gateways: 2}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		bob := d.connect("bob", stack.Gateways[0].Listen, nil)
		carol := d.connect("carol", stack.Gateways[1].Listen, nil)
		ring := func(caller, callee *peer) {
			// Whoever it claims to be from, it is from who sent it.
			caller.emit("offer", object{
				"to": callee.id(), "from": carol.id(), "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": false,
			})
			callee.gets("offer", object{"from": caller.id(), "offerSDP": "v=0\r\n", "offerType": "offer", "audioOnly": false})
			callee.emit("answer", object{"to": caller.id(), "answerSDP": "v=0\r\na\r\n", "answerType": "answer"})
			caller.gets("answer", object{"answerSDP": "v=0\r\na\r\n", "answerType": "answer"})
			caller.emit("iceCandidate", object{"to": callee.id(), "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
			callee.gets("remoteIceCandidate", object{"to": callee.id(), "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
			callee.emit("iceCandidate", object{
				"to": caller.id(), "candidate": "", "sdpMid": nil, "sdpMLineIndex": nil, "usernameFragment": "a1b2",
			})
			caller.gets("remoteIceCandidate", object{
				"to": caller.id(), "candidate": "", "sdpMid": nil, "sdpMLineIndex": nil, "usernameFragment": "a1b2",
			})
			caller.emit("disconnectPeer", object{"to": callee.id()})
			callee.gets("disconnectPeer")
			callee.emit("disconnectPeer", object{"to": caller.id()}) // its echo
			caller.gets("disconnectPeer")
		}
		ring(alice, bob)
		ring(carol, alice) // across gateways

		bob.emit("offer", object{"to": carol.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": true})
		carol.gets("offer", object{"from": bob.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": true})
		carol.emit("refuse", object{"to": bob.id()})
		bob.gets("refuse")

		// The other client of the tutorial sends null for what it does not use.
		bob.emit("offer", object{
			"to": alice.id(), "from": bob.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": nil,
			"answerSDP": nil, "answerType": nil, "candidate": nil, "sdpMid": nil, "sdpMLineIndex": nil,
		})
		alice.gets("offer", object{"from": bob.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": false})
		alice.emit("offer", object{"to": bob.id(), "offerSDP": "v=0", "offerType": "offer"})
		bob.gets("offer", object{"from": alice.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": false})
		alice.emit("answer", object{
			"to": bob.id(), "from": nil, "answerSDP": "v=0", "answerType": "answer", "audioOnly": nil, "candidate": nil,
		})
		bob.gets("answer", object{"answerSDP": "v=0", "answerType": "answer"})

		alice.emit("message", object{"to": carol.id(), "from": bob.id(), "data": object{"typing": true, "since": 0, "by": nil}})
		carol.gets("message", object{"from": alice.id(), "data": object{"typing": true, "since": 0, "by": nil}})
	})
}

// Text is text: long, in any script, and with everything in it that means something in some layer below.
func TestTexts(t *testing.T) {
	each(t, local.Options{Gateways: 2}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		bob := d.connect("bob", stack.Gateways[1].Listen, nil)
		line := "a=candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host\r\n"
		for _, sdp := range []string{
			"", "v=0\r\n" + strings.Repeat(line, 30<<10/len(line)), strings.Repeat("ü", 16<<10),
			"grüß Gott, 你好, 🦊👩‍👩‍👧, \u2028\u2029\ufeff", "\x00\x01\x1e\x1f\x7f\u0085 \\ \" / </script> \x1e42[\"offer\"]",
		} {
			alice.emit("offer", object{"to": bob.id(), "offerSDP": sdp, "offerType": "offer", "audioOnly": false})
			bob.gets("offer", object{"from": alice.id(), "offerSDP": sdp, "offerType": "offer", "audioOnly": false})
			bob.outcome("delivered", "answer", object{"to": alice.id(), "answerSDP": sdp, "answerType": "answer"})
			alice.gets("answer", object{"answerSDP": sdp, "answerType": "answer"})
		}
		data := []any{object{"": "", "key with \x1e": []any{}}, false, 0, -1.5e-7, 9007199254740991, nil, "", object{}, strings.Repeat("🦊", 4000)}
		alice.emit("message", object{"to": bob.id(), "data": data})
		bob.gets("message", object{"from": alice.id(), "data": data})
	})
}

// More than fits into one request is sent in several, and more than fits into any ends the connection. The client comes back.
func TestMuch(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		bob := d.connect("bob", stack.Gateways[0].Listen, nil)
		carol := d.connect("carol", stack.Gateways[0].Listen, nil)
		callees := []*peer{bob, carol}
		const each = 20
		text := strings.Repeat("x", 30<<10)
		for i := range each {
			for _, p := range callees {
				alice.emit("answer", object{"to": p.id(), "answerSDP": text, "answerType": fmt.Sprint(i)})
			}
		}
		for i := range each {
			for _, p := range callees {
				p.gets("answer", object{"answerSDP": text, "answerType": fmt.Sprint(i)})
			}
		}

		alice.emit("message", object{"to": bob.id(), "data": strings.Repeat("x", 1_000_000)})
		alice.disconnected(1)
		alice.connected(2)
		bob.shows(bob.id(), carol.id(), alice.id())
		alice.outcome("delivered", "message", object{"to": bob.id(), "data": "sorry"})
		bob.gets("message", object{"from": alice.id(), "data": "sorry"})
	})
}

// Who calls a user who is not there is refused, as if that user had said so, and is told why if it asks.
func TestOffline(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		bob := d.connect("bob", stack.Gateways[0].Listen, nil)
		alice.shows(alice.id(), bob.id())
		bob.leave()
		alice.shows(alice.id())
		offer := object{"to": bob.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": false}
		alice.emit("offer", offer)
		alice.gets("refuse")
		alice.outcome("offline", "offer", offer)
		alice.gets("refuse")
		// Only a call can be refused.
		alice.outcome("offline", "answer", object{"to": bob.id(), "answerSDP": "v=0", "answerType": "answer"})
		alice.outcome("offline", "iceCandidate", object{"to": bob.id(), "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
		for _, event := range []string{"refuse", "disconnectPeer"} {
			alice.outcome("offline", event, object{"to": bob.id()})
		}
		alice.outcome("offline", "message", object{"to": bob.id(), "data": 1})
	})
}

// Every signal can be asked about, and one that is wrong says what is.
func TestAnswers(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		bob := d.connect("bob", stack.Gateways[0].Listen, nil)
		offer := object{"to": bob.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": false}
		alice.outcome("delivered", "offer", offer)
		bob.gets("offer", object{"from": alice.id(), "offerSDP": "v=0", "offerType": "offer", "audioOnly": false})
		bob.outcome("delivered", "answer", object{"to": alice.id(), "answerSDP": "v=0", "answerType": "answer"})
		alice.gets("answer", object{"answerSDP": "v=0", "answerType": "answer"})
		alice.outcome("delivered", "iceCandidate", object{"to": bob.id(), "candidate": "", "sdpMid": "0", "sdpMLineIndex": 0})
		bob.gets("remoteIceCandidate", object{"to": bob.id(), "candidate": "", "sdpMid": "0", "sdpMLineIndex": 0})
		for _, event := range []string{"refuse", "disconnectPeer"} {
			alice.outcome("delivered", event, object{"to": bob.id()})
			bob.gets(event)
		}
		alice.outcome("delivered", "message", object{"to": bob.id(), "data": nil})
		bob.gets("message", object{"from": alice.id(), "data": nil})

		for _, tc := range []struct {
			event string
			data  any
			code  string
			says  string
		}{
			{"offer", object{"to": bob.id(), "offerSDP": 7, "offerType": "offer"}, "bad_field", "offerSDP"},
			{"offer", object{"to": bob.id(), "offerType": "offer"}, "bad_field", "offerSDP"},
			{"offer", object{"to": bob.id(), "offerSDP": strings.Repeat("x", 32<<10+1), "offerType": "offer"}, "bad_field", "offerSDP"},
			{"offer", object{"to": bob.id(), "offerSDP": "", "offerType": "offer", "audioOnly": "yes"}, "bad_field", "audioOnly"},
			{"answer", object{"to": bob.id(), "answerSDP": "v=0"}, "bad_field", "answerType"},
			{"iceCandidate", object{"to": bob.id(), "candidate": 1}, "bad_field", "candidate"},
			{"iceCandidate", object{"to": bob.id(), "candidate": "", "sdpMLineIndex": -1}, "bad_field", "sdpMLineIndex"},
			{"message", object{"to": bob.id()}, "bad_field", "data"},
			{"message", object{"to": bob.id(), "data": strings.Repeat("x", 16<<10)}, "bad_field", "data"},
			{"message", object{"to": bob.id(), "data": binary("AAEC")}, "binary", "binary"},
			{"offer", object{"to": bob.id(), "offerSDP": strings.Repeat("x", 100_000), "offerType": "offer"}, "bad_frame", "65536 bytes"},
			{"ring", object{"to": bob.id()}, "unknown_event", "unknown event"},
			{"updateUserlist", object{"userList": []string{}}, "unknown_event", "unknown event"},
		} {
			answer, _ := alice.ask(tc.event, tc.data).(object)
			message, _ := answer["message"].(string)
			if answer["status"] != "error" || answer["code"] != tc.code || !strings.Contains(message, tc.says) || len(answer) != 3 {
				t.Errorf("%s %.100s is answered %s, want an error %s about %s", tc.event, text(tc.data), text(answer), tc.code, tc.says)
			}
			if tc.event == "offer" {
				alice.gets("refuse") // or it would ring on
			}
		}
		alice.outcome("delivered", "refuse", object{"to": bob.id()})
		bob.gets("refuse")
	})
}

// Only a string addresses anyone. What is addressed otherwise reaches nobody, not even all who are listed, and harms nothing.
func TestNobody(t *testing.T) {
	each(t, local.Options{}, func(t *testing.T, d *driver, stack *local.Stack) {
		alice := d.connect("alice", stack.Gateways[0].Listen, nil)
		bob := d.connect("bob", stack.Gateways[0].Listen, nil)
		for _, to := range []object{
			{}, {"to": nil}, {"to": object{}}, {"to": []string{bob.id()}}, {"to": 7}, {"to": true}, {"to": ""},
		} {
			data := func(more object) object {
				maps.Copy(more, to)
				return more
			}
			alice.outcome("offline", "answer", data(object{"answerSDP": "v=0", "answerType": "answer"}))
			alice.outcome("offline", "iceCandidate", data(object{"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}))
			alice.outcome("offline", "refuse", data(object{}))
			alice.outcome("offline", "disconnectPeer", data(object{}))
			alice.outcome("offline", "offer", data(object{"offerSDP": "v=0", "offerType": "offer", "audioOnly": false}))
			alice.gets("refuse")
		}
		// Nor does what has no such thing at all.
		for _, event := range []string{"offer", "answer", "iceCandidate", "refuse", "disconnectPeer", "message"} {
			for _, args := range [][]any{{}, {nil}, {object{}}, {"text"}, {[]any{}}, {1, 2, 3}} {
				alice.emit(event, args...)
				alice.outcome("offline", event, args...)
				if event == "offer" {
					alice.gets("refuse")
					alice.gets("refuse")
				}
			}
		}
		alice.outcome("delivered", "message", object{"to": bob.id(), "data": "still here"})
		bob.gets("message", object{"from": alice.id(), "data": "still here"})
	})
}
