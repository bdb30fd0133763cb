package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"beckon/shared/wire"
)

// event pads an event for bob to so many bytes.
func event(name string, size int) string {
	head, tail := `["`+name+`",{"to":"bob","x":"`, `"}]`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// Events that are not accepted, and how their senders hear so. After each the connection serves the next.
func TestRefusedEvents(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		deep := strings.Repeat("[", wire.MaxDepth) + strings.Repeat("]", wire.MaxDepth)
		counted := make(map[string]float64)
		for _, test := range []struct{ event, code, message string }{
			{`["offer",{"to":"bob"}]`, codeBadField, "offerSDP must be a string of at most 32768 bytes"},
			{`["offer",{"to":"bob","offerSDP":null,"offerType":"offer"}]`, codeBadField, "offerSDP must be a string of at most 32768 bytes"},
			{`["offer",{"to":"bob","offerSDP":"v","offerType":5}]`, codeBadField, "offerType must be a string of at most 256 bytes"},
			{`["offer",{"to":"bob","offerSDP":"v","offerType":"offer","audioOnly":1}]`, codeBadField, "audioOnly must be true or false"},
			{
				`["offer",{"to":"bob","offerType":"offer","offerSDP":"` + strings.Repeat("x", wire.MaxSDP+1) + `"}]`,
				codeBadField, "offerSDP must be a string of at most 32768 bytes",
			},
			{`["answer",{"to":"bob","answerSDP":"v"}]`, codeBadField, "answerType must be a string of at most 256 bytes"},
			{`["iceCandidate",{"to":"bob"}]`, codeBadField, "candidate must be a string of at most 2048 bytes or null"},
			{
				`["iceCandidate",{"to":"bob","candidate":"","sdpMLineIndex":-1}]`,
				codeBadField, "sdpMLineIndex must be a whole number from 0 to 65535 or null",
			},
			{`["message",{"to":"bob"}]`, codeBadField, "data must be JSON of at most 16384 bytes"},
			{`["refuse",{"to":"bob","toSession":"no name"}]`, codeBadField, "toSession must be a session id: "},
			{`["refuse",{"to":"bob","to":"bob"}]`, codeBadFrame, "malformed JSON: duplicate name"},
			{`["refuse",{"to":"bob","x":{"y":1,"y":2}}]`, codeBadFrame, "malformed JSON: duplicate name"},
			{`["refuse",{"to":"bob"},{"y":1,"y":2}]`, codeBadFrame, "malformed JSON: duplicate name"},
			{`["refuse",{"to":"bob","x":` + deep + `}]`, codeBadFrame, "malformed JSON: nested deeper than 16"},
			{`["refuse",{"to":"bob"},` + deep + `]`, codeBadFrame, "malformed JSON: nested deeper than 16"},
			{`["message",{"to":"bob","data":"\ud800"}]`, codeBadFrame, "malformed JSON"},
			{event("refuse", wire.MaxFrame+1), codeBadFrame, "an event of more than 65536 bytes"},
			{event("offer", wire.MaxFrame+1), codeBadFrame, "an event of more than 65536 bytes"},
			{`["shout",{"to":"bob"}]`, codeUnknown, "unknown event"},
			{`["Offer",{"to":"bob"}]`, codeUnknown, "unknown event"},
			{`["remoteIceCandidate",{"to":"bob"}]`, codeUnknown, "unknown event"},
			{`["updateUserlist",{"userList":[]}]`, codeUnknown, "unknown event"},
			{`["error"]`, codeUnknown, "unknown event"},
			{`["",{"to":"bob"}]`, codeUnknown, "unknown event"},
			{`[5,{"to":"bob"}]`, codeUnknown, "unknown event"},
		} {
			counted[test.code] += 2
			got := alice.ask(test.event)
			var r struct{ Status, Code, Message string }
			if err := json.Unmarshal([]byte(got), &r); err != nil || r.Status != "error" || r.Code != test.code {
				t.Errorf("%.100s was answered by %s, want code %s", test.event, got, test.code)
			}
			if !strings.HasPrefix(r.Message, test.message) {
				t.Errorf("%.100s: the message is %q, want %q", test.event, r.Message, test.message)
			}
			alice.emit(test.event)
			if strings.HasPrefix(test.event, `["offer",`) {
				alice.hears(`42["refuse"]`, `42["refuse"]`)
			}
			alice.serves()
		}
		bob.serves()
		alice.is(event("refuse", wire.MaxFrame), "delivered")
		bob.hears(`42["refuse"]`)
		for code, want := range counted {
			if got := f.refused(code); got != want {
				t.Errorf("%s was counted %v times, want %v", code, got, want)
			}
		}
		f.ended("", 0)
	})
}

// The ack of a refused event is exactly this.
func TestRefusal(t *testing.T) {
	f := startDoor(t, setup{})
	c := f.login(webSocket, "alice")
	for event, want := range map[string]string{
		`["shout"]`:              `{"status":"error","code":"unknown_event","message":"unknown event"}`,
		`["offer",{"to":"bob"}]`: `{"status":"error","code":"bad_field","message":"offerSDP must be a string of at most 32768 bytes"}`,
	} {
		if got := c.ask(event); got != want {
			t.Errorf("%s was answered by %s, want %s", event, got, want)
		}
	}
}

// Attachments have no place in any event here.
func TestBinaryEvents(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		alice.say(`451-7["offer",{"to":"bob","offerSDP":{"_placeholder":true,"num":0},"offerType":"offer"}]`, "bAQID")
		if got, want := alice.answer("7"), `{"status":"error","code":"binary","message":"events have no binary attachments here"}`; got != want {
			t.Errorf("answered by %s, want %s", got, want)
		}
		alice.hears(`42["refuse"]`)
		alice.say(`452-["refuse",{"to":"bob"},{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "bAQID", "b")
		alice.say(`451-8["shout",{"_placeholder":true,"num":0}]`, "b")
		alice.answer("8")
		if got := f.refused(codeBinary); got != 3 {
			t.Errorf("%v were counted", got)
		}
		alice.serves()
		bob.serves()
	})
}

// What is no JSON is no packet: it ends the connection, and nothing of it is done.
func TestMalformedEvents(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		bob := f.login(over, "bob")
		for i, event := range []string{
			`["refuse",{"to":"bob"}`, `["refuse",{"to":"bob"}]]`, `["refuse",{"to":"bob"}] x`, `["refuse",{"to":"bob",}]`,
			`["refuse" {"to":"bob"}]`, `["refuse",{"to":bob}]`, `["refuse",{"to":"bob"},]`, `["refuse",{'to':"bob"}]`,
			`["refuse",{"to":"b` + "\n" + `ob"}]`, `["shout",x]`, `["offer",`, `["message",{"to":"bob","data":01}]`,
			event("refuse", wire.MaxFrame) + "]", `["connect",{"to":"bob"}]`, `["disconnect"]`, `{"to":"bob"}`, `[]`, `"refuse"`, `5`,
		} {
			c := f.connect(over, "")
			_ = c.try("421" + event)
			heard, err := c.ends()
			var status *answer
			if over == webSocket && !isProtocolError(err) || over == polling && !errors.Is(err, errClosed) && !errors.As(err, &status) {
				t.Errorf("%.100s: ended by %v", event, err)
			}
			for _, p := range heard {
				if !isList(p) {
					t.Errorf("%.100s: heard %s", event, p)
				}
			}
			f.ended("bad_data", float64(i+1))
		}
		f.AwaitSessions(1)
		bob.serves()
	})
}
