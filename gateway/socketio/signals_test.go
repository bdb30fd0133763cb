package socketio

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"beckon/shared/wire"
)

// relayed are events as a client sends them to bob, and as bob hears them from alice, byte for byte.
var relayed = []struct{ name, sent, heard string }{
	{
		"offer", `["offer",{"to":"bob","from":"mallory","offerSDP":"v=0\r\n…","offerType":"offer","audioOnly":false}]`,
		`["offer",{"from":"alice","offerSDP":"v=0\r\n…","offerType":"offer","audioOnly":false}]`,
	},
	{
		"offer with audio", `["offer",{"audioOnly":true,"offerType":"offer","offerSDP":"","to":"bob"}]`,
		`["offer",{"from":"alice","offerSDP":"","offerType":"offer","audioOnly":true}]`,
	},
	{
		"offer without audioOnly", `["offer",{"to":"bob","offerSDP":"v","offerType":"offer"}]`,
		`["offer",{"from":"alice","offerSDP":"v","offerType":"offer","audioOnly":false}]`,
	},
	{
		"offer of Dart", `["offer",{"to":"bob","from":null,"offerSDP":"v","offerType":"offer","audioOnly":null,"more":[null]}]`,
		`["offer",{"from":"alice","offerSDP":"v","offerType":"offer","audioOnly":false}]`,
	},
	{
		"answer", `["answer",{"to":"bob","answerSDP":"v=0\u2028","answerType":"answer"}]`,
		`["answer",{"answerSDP":"v=0\u2028","answerType":"answer"}]`,
	},
	{
		"answer of Dart", `["answer",{"to":"bob","from":null,"candidate":null,"answerSDP":"v","answerType":"answer","audioOnly":null}]`,
		`["answer",{"answerSDP":"v","answerType":"answer"}]`,
	},
	{
		"candidate", `["iceCandidate",{"to":"bob","candidate":"candidate:1 1 udp","sdpMid":"0","sdpMLineIndex":0}]`,
		`["remoteIceCandidate",{"candidate":"candidate:1 1 udp","sdpMid":"0","sdpMLineIndex":0,"to":"bob"}]`,
	},
	{
		"candidate with a fragment", `["iceCandidate",{"usernameFragment":"a1b2","to":"bob","candidate":"c","sdpMid":"","sdpMLineIndex":65535}]`,
		`["remoteIceCandidate",{"candidate":"c","sdpMid":"","sdpMLineIndex":65535,"usernameFragment":"a1b2","to":"bob"}]`,
	},
	{
		"candidate of nulls", `["iceCandidate",{"to":"bob","candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}]`,
		`["remoteIceCandidate",{"candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null,"to":"bob"}]`,
	},
	{
		"end of candidates", `["iceCandidate",{"to":"bob","candidate":""}]`,
		`["remoteIceCandidate",{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"to":"bob"}]`,
	},
	{"refuse", `["refuse",{"to":"bob","from":"mallory","reason":1}]`, `["refuse"]`},
	{"disconnectPeer", `["disconnectPeer",{"to":"bob"}]`, `["disconnectPeer"]`},
	{
		"message", `["message",{"to":"bob","data":{"a":[0,false,null,"",1.50,-0]}}]`,
		`["message",{"from":"alice","data":{"a":[0,false,null,"",1.50,-0]}}]`,
	},
	{"message of null", `["message",{"to":"bob","data":null}]`, `["message",{"from":"alice","data":null}]`},
	{
		"message that looks like an attachment", `["message",{"to":"bob","data":{"_placeholder":true,"num":0}}]`,
		`["message",{"from":"alice","data":{"_placeholder":true,"num":0}}]`,
	},
	{"spaces", " [ \"refuse\" ,\t{ \"to\" :\n\"bob\" } ] ", `["refuse"]`},
	{"escapes", `["ref\u0075se",{"t\u006f":"b\u006fb"}]`, `["refuse"]`},
	{"more arguments", `["refuse",{"to":"bob"},{"to":"mallory"},"bob",null,[[]]]`, `["refuse"]`},
}

func TestSignals(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		for _, test := range relayed {
			t.Run(test.name, func(t *testing.T) {
				alice.t, bob.t = t, t
				alice.is(test.sent, "delivered")
				bob.hears("42" + test.heard)
				alice.emit(test.sent)
				bob.hears("42" + test.heard)
			})
		}
		alice.t, bob.t = t, t
		alice.serves()
		bob.serves()
	})
}

// A user's sessions all hear what is said to the user, whatever they came by, and nobody hears what it says itself.
func TestSeveralSessions(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.login(over, "alice")
		bobs := []*client{f.login(polling, "bob"), f.login(webSocket, "bob"), f.connect(webSocket, `{"user":"bob","room":"attic"}`)}
		for _, test := range relayed {
			alice.is(test.sent, "delivered")
			for _, bob := range bobs {
				bob.hears("42" + test.heard)
			}
		}
		bobs[0].is(`["message",{"to":"bob","data":1}]`, "delivered")
		bobs[1].hears(`42["message",{"from":"bob","data":1}]`)
		bobs[2].hears(`42["message",{"from":"bob","data":1}]`)
		bobs[0].serves()
		alice.is(`["refuse",{"to":"alice"}]`, "offline")
	})
}

// Signals of one client to one user keep their order, and one POST may bring many.
func TestOrder(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		const n = 200 // fit into a queue
		events, want := make([]string, n), make([]string, n)
		for i := range n {
			events[i] = fmt.Sprintf(`["message",{"to":"bob","data":%d}]`, i)
			want[i] = fmt.Sprintf(`42["message",{"from":"alice","data":%d}]`, i)
		}
		alice.emit(events...)
		bob.hears(want...)
	})
}

// addressless are payloads that address nobody, which is no error.
var addressless = []string{
	`["%s"]`, `["%s",null]`, `["%s","bob"]`, `["%s",5]`, `["%s",false]`, `["%s",["bob"]]`, `["%s",[{"to":"bob"}]]`,
	`["%s",null,{"to":"bob"}]`, `["%s",{}]`, `["%s",{"to":null}]`, `["%s",{"to":{}}]`, `["%s",{"to":["bob"]}]`, `["%s",{"to":5}]`,
	`["%s",{"to":true}]`, `["%s",{"to":""}]`, `["%s",{"to":"` + strings.Repeat("b", wire.MaxUserID+1) + `"}]`,
	`["%s",{"to":"b\u0000b"}]`, `["%s",{"TO":"bob","To":"bob","t o":"bob"}]`,
}

// What addresses nobody reaches nobody; the caller of an offer is refused. However often, the connection lives.
func TestAddressless(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		for _, kind := range wire.Kinds {
			for _, payload := range addressless {
				event := fmt.Sprintf(payload, kind)
				alice.is(event, "offline")
				alice.emit(event)
				if kind == wire.Offer {
					alice.hears(`42["refuse"]`, `42["refuse"]`)
				}
			}
		}
		alice.serves()
		bob.serves()
		if got := f.refused(""); got != 0 {
			t.Errorf("%v events counted as refused", got)
		}
	})
}

// What cannot be delivered is told to who asked; a caller is refused in any case.
func TestOffline(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.login(over, "alice")
		before := f.Conn.NATS().NumSubscriptions()
		bob := f.login(over, "bob")
		alice.is(offerToBob, "delivered")
		bob.leave()
		f.Await("no subscription for bob", func() bool { return f.Conn.NATS().NumSubscriptions() == before })
		for _, test := range relayed {
			alice.is(test.sent, "offline")
			alice.emit(test.sent)
			if strings.HasPrefix(test.name, "offer") {
				alice.hears(`42["refuse"]`, `42["refuse"]`)
			}
		}
		alice.serves()
	})
}

const offerToBob = `["offer",{"to":"bob","offerSDP":"v","offerType":"offer"}]`

// Without NATS nothing can be sent, and senders hear so at once; on its return everything goes on.
func TestUnavailable(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		f.SetLink(false)
		for _, test := range relayed {
			alice.is(test.sent, "unavailable")
			if strings.HasPrefix(test.name, "offer") {
				alice.hears(`42["refuse"]`)
			}
		}
		alice.emit(offerToBob)
		alice.hears(`42["refuse"]`)
		f.SetLink(true)
		alice.is(offerToBob, "delivered")
		bob.hears(`42["offer",{"from":"alice","offerSDP":"v","offerType":"offer","audioOnly":false}]`)
		alice.serves()
		bob.serves()
	})
}

// Somebody who takes the signal and says nothing leaves its sender with unknown after a second: it may have arrived, and
// so the caller rings on.
func TestUnknown(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.login(over, "alice")
		if _, err := f.Conn.NATS().SubscribeSync(wire.SignalSubject("bob")); err != nil {
			t.Fatal(err)
		}
		alice.is(offerToBob, "unknown")
		alice.serves()
	})
}

// What another gateway says of its user is what the sender hears.
func TestOutcomesOfOthers(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.login(over, "alice")
		answers := make(chan wire.Outcome, 1)
		_, err := f.Conn.NATS().Subscribe(wire.SignalSubject("bob"), func(msg *nats.Msg) {
			receipt := wire.NewReceipt("gw-other", <-answers)
			data, err := wire.Encode(&receipt)
			if err == nil {
				err = msg.Respond(data)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []wire.Outcome{wire.Delivered, wire.Held, wire.Offline, wire.Slow, wire.Refused} {
			answers <- o
			alice.is(offerToBob, o.String())
			if !o.Positive() {
				alice.hears(`42["refuse"]`)
			}
			answers <- o
			alice.is(`["refuse",{"to":"bob"}]`, o.String())
			alice.serves()
		}
	})
}

// A backend's signals are heard like anybody's, and it is told what became of them.
func TestBackend(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		bob := f.login(over, "bob")
		for kind, heard := range map[string]string{
			`"offer","body":{"offerSDP":"v","offerType":"offer"}`:    `["offer",{"from":"billing","offerSDP":"v","offerType":"offer","audioOnly":false}]`,
			`"iceCandidate","body":{"candidate":""}`:                 `["remoteIceCandidate",{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"to":"bob"}]`,
			`"refuse","body":{}`:                                     `["refuse"]`,
			`"message","body":{"data":{"paid":true},"more":"stays"}`: `["message",{"from":"billing","data":{"paid":true}}]`,
		} {
			msg := []byte(`{"v":1,"from":"billing","kind":` + kind + `}`)
			reply, err := f.Conn.NATS().Request(wire.SignalSubject("bob"), msg, patience)
			if err != nil || !strings.Contains(string(reply.Data), `"status":"delivered"`) {
				t.Errorf("%s: %v, %v", kind, reply, err)
			}
			bob.hears("42" + heard)
		}
	})
}
