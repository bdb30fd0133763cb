package e2e

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"beckon/local"
	"beckon/local/client"
)

// Every bad thing that a client may say has a clear answer, after which the client is served on, or sent away with the
// code that the protocol gives, while nobody else notices.
func TestBadInput(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	bystander := dial(t, stack, 1, client.Options{User: "bystander"})
	witness := dial(t, stack, 0, client.Options{User: "witness"})
	shows(t, bystander, "bystander", "witness")

	// unharmed is what must hold after each case: others still reach each other, by way of both gateways.
	unharmed := func(t *testing.T) {
		t.Helper()
		outcome(t, witness, "message", object{"to": "bystander", "data": t.Name()}, "delivered")
		got(t, bystander, t.Name())
		select {
		case <-stack.Ended():
			t.Fatal("a service has ended")
		default:
		}
	}

	t.Run("login", func(t *testing.T) {
		cases := []struct{ name, query, code string }{
			{"star", "user=*", ""},
			{"greater", "user=%3E", ""},
			{"dot", "user=.", ""},
			{"wildcard path", "user=%3E.x", ""},
			{"space", "user=a%20b", ""},
			{"emoji", "user=" + url.QueryEscape("🦊"), ""},
			{"letters with dots", "user=" + url.QueryEscape("Ünï"), ""},
			{"looks like a token", "user=%3DYQ", ""},
			{"line separator", "user=" + url.QueryEscape("a\u2028b"), ""},
			{"quotes", "user=" + url.QueryEscape(`"\`), ""},
			{"room with a star", "room=*", ""},
			{"empty", "user=", "bad_user"},
			{"5 KB", "user=" + strings.Repeat("x", 5<<10), "bad_user"},
			{"NUL", "user=%00", "bad_user"},
			{"line feed", "user=a%0Ab", "bad_user"},
			{"C1 control", "user=" + url.QueryEscape("a\u0085b"), "bad_user"},
			{"not UTF-8", "user=%FF%FE", "bad_user"},
			{"empty room", "room=", "bad_room"},
			{"long room", "room=" + strings.Repeat("x", 129), "bad_room"},
		}
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				c, err := client.Open(limited(t), "ws://"+stack.Gateways[0].Listen+"/ws?"+tc.query, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if tc.code == "" {
					goodUser(t, c)
				} else {
					if f := event(t, c, "error"); f.Text("code") != tc.code {
						t.Errorf("error %s, want %s", f.Data, tc.code)
					}
					wantClose(t, c, 4400)
				}
				unharmed(t)
			})
		}
	})

	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	long := func(n int) string { return strings.Repeat("x", n) }
	cases := []struct {
		name, frame string
		code        string // of the error; "" if the frame has an outcome
		status      string
		closes      int
	}{
		{name: "not JSON", frame: `hello`, code: "bad_frame"},
		{name: "half of it", frame: `{"event":"offer"`, code: "bad_frame"},
		{name: "empty", frame: ``, code: "bad_frame"},
		{name: "an array", frame: `["offer"]`, code: "bad_frame"},
		{name: "a string", frame: `"offer"`, code: "bad_frame"},
		{name: "null", frame: `null`, code: "bad_frame"},
		{name: "empty object", frame: `{}`, code: "bad_frame"},
		{name: "event is a number", frame: `{"event":1}`, code: "bad_frame"},
		{name: "id is a number", frame: `{"event":"sync","id":1}`, code: "bad_frame"},
		{name: "id too long", frame: `{"event":"sync","id":"` + long(65) + `"}`, code: "bad_frame"},
		{name: "trailing text", frame: `{"event":"sync","id":"x"} x`, code: "bad_frame"},
		{name: "two values", frame: `{"event":"sync"}{"event":"sync"}`, code: "bad_frame"},
		{name: "10,000 levels", frame: `{"event":"message","id":"x","data":{"to":"witness","data":` + deep + `}}`, code: "bad_frame"},
		{name: "17 levels", frame: `{"event":"message","id":"x","data":{"to":"witness","data":` + deep[:15] + deep[len(deep)-15:] + `}}`, code: "bad_frame"},
		{name: "16 levels", frame: `{"event":"message","id":"x","data":{"to":"nobody","data":` + deep[:14] + deep[len(deep)-14:] + `}}`, status: "offline"},
		{name: "key twice", frame: `{"event":"refuse","id":"x","data":{"to":"nobody","to":"witness"}}`, code: "bad_frame"},
		{name: "key twice, spelled otherwise", frame: `{"event":"refuse","id":"x","data":{"to":"nobody","\u0074o":"witness"}}`, code: "bad_frame"},
		{name: "event twice", frame: `{"event":"refuse","event":"offer","data":{"to":"nobody"}}`, code: "bad_frame"},
		{name: "unknown key twice", frame: `{"event":"refuse","id":"x","data":{"to":"nobody","x":1,"x":2}}`, code: "bad_frame"},
		{name: "lone surrogate", frame: `{"event":"message","id":"x","data":{"to":"nobody","data":"\ud800"}}`, code: "bad_frame"},
		{name: "TO beside to", frame: `{"event":"refuse","id":"x","data":{"TO":"witness","to":"nobody"}}`, status: "offline"},
		{name: "unknown event", frame: `{"event":"ring","id":"x","data":{}}`, code: "unknown_event"},
		{name: "event in capitals", frame: `{"event":"OFFER","id":"x","data":{}}`, code: "unknown_event"},
		{name: "no data", frame: `{"event":"offer","id":"x"}`, code: "bad_field"},
		{name: "data is null", frame: `{"event":"offer","id":"x","data":null}`, code: "bad_frame"},
		{name: "data is an array", frame: `{"event":"offer","id":"x","data":[]}`, code: "bad_frame"},
		{name: "no to", frame: `{"event":"refuse","id":"x","data":{}}`, code: "bad_field"},
		{name: "to is null", frame: `{"event":"refuse","id":"x","data":{"to":null}}`, code: "bad_field"},
		{name: "to is an array", frame: `{"event":"refuse","id":"x","data":{"to":["witness"]}}`, code: "bad_field"},
		{name: "to is an object", frame: `{"event":"refuse","id":"x","data":{"to":{}}}`, code: "bad_field"},
		{name: "to is a number", frame: `{"event":"refuse","id":"x","data":{"to":7}}`, code: "bad_field"},
		{name: "to is empty", frame: `{"event":"refuse","id":"x","data":{"to":""}}`, code: "bad_field"},
		{name: "to has a NUL", frame: `{"event":"refuse","id":"x","data":{"to":"\u0000"}}`, code: "bad_field"},
		{name: "to is 5 KB", frame: `{"event":"refuse","id":"x","data":{"to":"` + long(5<<10) + `"}}`, code: "bad_field"},
		{name: "to is a wildcard", frame: `{"event":"refuse","id":"x","data":{"to":"*"}}`, status: "offline"},
		{name: "to is everybody", frame: `{"event":"refuse","id":"x","data":{"to":">"}}`, status: "offline"},
		{name: "to has a dot", frame: `{"event":"refuse","id":"x","data":{"to":">.x"}}`, status: "offline"},
		{name: "to looks like a token", frame: `{"event":"refuse","id":"x","data":{"to":"=YQ"}}`, status: "offline"},
		{name: "to oneself", frame: `{"event":"refuse","id":"x","data":{"to":"mallory: to oneself"}}`, status: "offline"},
		{name: "to nobody", frame: `{"event":"refuse","id":"x","data":{"to":"nobody"}}`, status: "offline"},
		{name: "toSession is no session", frame: `{"event":"refuse","id":"x","data":{"to":"witness","toSession":"nope"}}`, status: "offline"},
		{name: "toSession has a dot", frame: `{"event":"refuse","id":"x","data":{"to":"witness","toSession":"a.b"}}`, code: "bad_field"},
		{name: "callId is a number", frame: `{"event":"refuse","id":"x","data":{"to":"nobody","callId":1}}`, code: "bad_field"},
		{name: "callId too long", frame: `{"event":"refuse","id":"x","data":{"to":"nobody","callId":"` + long(65) + `"}}`, code: "bad_field"},
		{name: "SDP is a number", frame: `{"event":"offer","id":"x","data":{"to":"nobody","offerSDP":1,"offerType":"offer"}}`, code: "bad_field"},
		{name: "SDP is missing", frame: `{"event":"offer","id":"x","data":{"to":"nobody","offerType":"offer"}}`, code: "bad_field"},
		{name: "SDP too long", frame: `{"event":"offer","id":"x","data":{"to":"nobody","offerSDP":"` + long(32<<10+1) + `","offerType":"offer"}}`, code: "bad_field"},
		{name: "SDP as long as it may be", frame: `{"event":"offer","id":"x","data":{"to":"nobody","offerSDP":"` + long(32<<10) + `","offerType":"offer"}}`, status: "offline"},
		{name: "sdpMLineIndex is negative", frame: `{"event":"iceCandidate","id":"x","data":{"to":"nobody","candidate":"","sdpMLineIndex":-1}}`, code: "bad_field"},
		{name: "sdpMLineIndex is a string", frame: `{"event":"iceCandidate","id":"x","data":{"to":"nobody","candidate":"","sdpMLineIndex":"0"}}`, code: "bad_field"},
		{name: "candidate too long", frame: `{"event":"iceCandidate","id":"x","data":{"to":"nobody","candidate":"` + long(2<<10+1) + `"}}`, code: "bad_field"},
		{name: "message too long", frame: `{"event":"message","id":"x","data":{"to":"nobody","data":"` + long(16<<10) + `"}}`, code: "bad_field"},
		{name: "message without data", frame: `{"event":"message","id":"x","data":{"to":"nobody"}}`, code: "bad_field"},
		{name: "not UTF-8", frame: "{\"event\":\"sync\",\"id\":\"\xff\"}", code: "bad_utf8", closes: 1007},
		{name: "65 KiB", frame: `{"event":"message","id":"x","data":{"to":"nobody","data":"` + long(65<<10) + `"}}`, closes: 1009},
	}
	t.Run("frame", func(t *testing.T) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, stack, 0, client.Options{User: "mallory: " + tc.name})
				if err := c.SendText([]byte(tc.frame)); err != nil {
					t.Fatal(err)
				}
				switch {
				case tc.code != "":
					if f := event(t, c, "error"); f.Text("code") != tc.code || f.Text("message") == "" {
						t.Errorf("error %s, want %s", f.Data, tc.code)
					}
				case tc.status != "":
					if f := event(t, c, "ack"); f.Text("status") != tc.status || *f.ID != "x" {
						t.Errorf("ack %s, want %s", f.Data, tc.status)
					}
				}
				if tc.closes != 0 {
					wantClose(t, c, tc.closes)
				} else {
					outcome(t, c, "message", object{"to": "witness", "data": t.Name()}, "delivered")
					got(t, witness, t.Name())
				}
				unharmed(t)
			})
		}
		t.Run("binary", func(t *testing.T) {
			t.Parallel()
			c := dial(t, stack, 0, client.Options{User: "mallory: binary"})
			if err := c.Conn().WriteMessage(websocket.BinaryMessage, []byte(`{"event":"sync"}`)); err != nil {
				t.Fatal(err)
			}
			if f := event(t, c, "error"); f.Text("code") != "binary" {
				t.Errorf("error %s", f.Data)
			}
			outcome(t, c, "refuse", object{"to": "nobody"}, "offline")
			unharmed(t)
		})
	})

	// Beside that nothing has reached them.
	outcome(t, witness, "message", object{"to": "bystander", "data": "the end"}, "delivered")
	outcome(t, bystander, "message", object{"to": "witness", "data": "the end"}, "delivered")
	for _, c := range []*client.Client{bystander, witness} {
		f, err := c.Next(limited(t), func(client.Frame) bool { return true })
		if err != nil || f.Event != "message" || f.Text("data") != "the end" {
			t.Errorf("%s got %s %s (%v)", c.Welcome.UserID, f.Event, f.Data, err)
		}
	}
}

// got waits for the message of a case among those of others.
func got(t *testing.T, c *client.Client, want string) {
	t.Helper()
	_, err := c.Next(limited(t), func(f client.Frame) bool { return f.Event == "message" && f.Text("data") == want })
	if err != nil {
		t.Fatalf("%s did not get %q: %v", c.Welcome.UserID, want, err)
	}
}

// goodUser checks that a session whose user id is unusual can be reached under it.
func goodUser(t *testing.T, c *client.Client) {
	t.Helper()
	w := event(t, c, "welcome")
	outcome(t, c, "refuse", object{"to": w.Text("userId")}, "offline") // nobody but itself has that name
	if f, err := c.Ask(limited(t), "sync", nil); err != nil || f.Event != "ack" {
		t.Fatalf("sync: %v %v", f, err)
	}
	err := c.AwaitList(limited(t), func(l client.List) bool {
		for _, user := range l.Users {
			if user == w.Text("userId") {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wantClose(t *testing.T, c *client.Client, code int) {
	t.Helper()
	var closed *websocket.CloseError
	if err := c.Ended(limited(t)); !errors.As(err, &closed) || closed.Code != code {
		t.Errorf("the connection ended with %v, want close code %d", err, code)
	}
}
