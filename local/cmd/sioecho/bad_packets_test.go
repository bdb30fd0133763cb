package main

import (
	"net/http"
	"strings"
	"testing"
)

// badPackets are texts that no client may send as a packet of a session.
var badPackets = map[string]string{
	"nothing":                        "",
	"unknown type":                   "7",
	"unknown type with data":         "9hello",
	"negative type":                  "-1",
	"type in full width":             "\uff14hello",
	"a letter":                       "a",
	"white space":                    " 4hello",
	"a NUL":                          "\x004hello",
	"invalid UTF-8":                  "4\xff\xfe",
	"half a character":               "4\xe2\x82",
	"a surrogate":                    "4\xed\xa0\x80",
	"too many bytes for a character": "4\xc0\x80",
	"invalid UTF-8 for a type":       "\xff",
	"a ping":                         "2",
	"a probe outside of an upgrade":  "2probe",
}

func TestBadPacketsClose(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, bad := range badPackets {
			t.Run(name, func(t *testing.T) {
				t.Run("WebSocket", func(t *testing.T) {
					s := openWebSocket(t, e)
					s.ready()
					s.try(text(bad))
					s.ends()
				})
				t.Run("polling", func(t *testing.T) {
					s := openPolling(t, e)
					s.ready()
					post(t, s.transport.(*polling).url, bad).badRequest(t)
					s.ends()
				})
			})
		}
		e.serves(t)
	})
}

// What is bad about a payload of polling as a whole, or in base64.
func TestBadPayloadsClose(t *testing.T) {
	for name, bad := range map[string]string{
		"separator alone":                 "\x1e",
		"separators alone":                strings.Repeat("\x1e", 1000),
		"invalid base64":                  "b!!!!",
		"base64 of other characters":      "bAQIDBA=\u00e9",
		"base64 with padding inside":      "bAQ==AQ==",
		"base64 that is cut":              "bA",
		"binary with a type":              "b4AQIDB",
		"a message, then nonsense":        "4hello\x1eabc",
		"a message, then invalid base64":  "4hello\x1eb!!!!",
		"a message, then a separator":     "4hello\x1e",
		"a separator, then a message":     "\x1e4hello",
		"two separators between messages": "4hello\x1e\x1e4hello",
	} {
		t.Run(name, func(t *testing.T) {
			url := openPolling(t, engine).transport.(*polling).url
			post(t, url, bad).badRequest(t)
			// What came before may be answered, then the session is over.
			if a := get(t, url); a.status == http.StatusOK {
				if !strings.HasSuffix(a.body, "1") {
					t.Fatal(a)
				}
				a = get(t, url)
				a.refusal(t, 1, "Session ID unknown")
			}
			get(t, url).refusal(t, 1, "Session ID unknown")
		})
	}
	engine.serves(t)
}

// Packets that mean nothing where they are sent. What the server makes of them is its own matter, as long as it is in order.
func TestIdlePacketsHarmNobody(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for _, idle := range []string{"0", `0{"sid":"abc"}`, "3", "3probe", "3hello", "5", "5hello", "6", "6hello", "6:4hello", "1hello"} {
			t.Run(idle, func(t *testing.T) {
				onEach(t, e, func(t testing.TB, open func() *session) {
					s := open()
					s.ready()
					s.try(text(idle))
					s.goesOnOrEnds()
				})
			})
		}
		e.serves(t)
	})
}

func TestNothingIsHeardAfterAClosePacket(t *testing.T) {
	url := openPolling(t, engine).transport.(*polling).url
	if a := post(t, url, "1\x1e4hello"); a.status != http.StatusBadRequest {
		a.is(t, http.StatusOK, "ok")
	}
	get(t, url).refusal(t, 1, "Session ID unknown")
	engine.serves(t)
}

func TestCountlessPacketsInOnePayload(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, one := range map[string]string{"empty messages": "4", "empty binary messages": "b", "pongs": "3", "noops": "6", "events": `42["message"]`, "nothing": ""} {
			t.Run(name, func(t *testing.T) {
				n := min(100_000, maxPayload/(len(one)+1))
				s := openPolling(t, e)
				s.ready()
				url := s.transport.(*polling).url
				if a := post(t, url, strings.TrimSuffix(strings.Repeat(one+separator, n), separator)); a.status != http.StatusBadRequest {
					a.is(t, http.StatusOK, "ok")
				}
				for polls := 0; ; polls++ {
					a := get(t, url)
					if a.status == http.StatusBadRequest {
						break
					}
					if a.status != http.StatusOK || len(a.body) > 4*maxPayload || polls == 10 {
						t.Fatalf("%d, %d bytes, poll %d: the session goes on", a.status, len(a.body), polls)
					}
				}
			})
			e.serves(t)
		}
	})
}

// badEvents close a session that is connected to the main namespace.
var badEvents = map[string][]packet{
	"nothing":                    texts("4"),
	"unknown type":               texts("47"),
	"unknown type with data":     texts(`49["message"]`),
	"negative type":              texts(`4-1["message"]`),
	"white space":                texts(`4 2["message"]`),
	"a letter":                   texts("4a"),
	"a NUL":                      texts("4\x00"),
	"binary that nobody awaits":  {binary("\x01\x02\x03")},
	"empty binary nobody awaits": {binary("")},

	"a second CONNECT":              texts("40"),
	"a second CONNECT with auth":    texts(`40{"token":"123"}`),
	"a second CONNECT by name":      texts(`40/,`),
	"CONNECT with an array":         texts(`40/custom,[]`),
	"CONNECT with a string":         texts(`40/custom,"token"`),
	"CONNECT with null":             texts(`40/custom,null`),
	"CONNECT with half an object":   texts(`40/custom,{"token":`),
	"CONNECT with more":             texts(`40/custom,{}{}`),
	"DISCONNECT with an object":     texts(`41{}`),
	"DISCONNECT with a string":      texts(`41"bye"`),
	"DISCONNECT with nonsense":      texts(`41bye`),
	"DISCONNECT from elsewhere":     texts(`41/custom`),
	"DISCONNECT from nowhere":       texts(`41/random,`),
	"CONNECT_ERROR":                 texts(`44{"message":"no"}`),
	"CONNECT_ERROR without payload": texts(`44`),

	"EVENT of an object":             texts(`42{}`),
	"EVENT of a string":              texts(`42"message"`),
	"EVENT of null":                  texts(`42null`),
	"EVENT of true":                  texts(`42true`),
	"EVENT without a name":           texts(`42[]`),
	"EVENT whose name is null":       texts(`42[null]`),
	"EVENT whose name is true":       texts(`42[true]`),
	"EVENT whose name is an object":  texts(`42[{}]`),
	"EVENT whose name is an array":   texts(`42[["message"]]`),
	"EVENT that is half an array":    texts(`42["message"`),
	"EVENT that is half a string":    texts(`42["mess`),
	"EVENT with a trailing comma":    texts(`42["message",]`),
	"EVENT with a missing comma":     texts(`42["message" 1]`),
	"EVENT with two commas":          texts(`42["message",,1]`),
	"EVENT with more":                texts(`42["message"]x`),
	"EVENT with another":             texts(`42["message"]["message"]`),
	"EVENT in single quotes":         texts(`42['message']`),
	"EVENT with NaN":                 texts(`42["message",NaN]`),
	"EVENT with a number from 0":     texts(`42["message",01]`),
	"EVENT with a number in hex":     texts(`42["message",0x1]`),
	"EVENT with a raw control":       texts("42[\"message\",\"a\x01b\"]"),
	"EVENT with a bad escape":        texts(`42["message","\x41"]`),
	"EVENT with half an escape":      texts(`42["message","\u00"]`),
	"EVENT with a comment":           texts(`42["message"/*1*/]`),
	"EVENT with a byte order mark":   texts("42\ufeff[\"message\"]"),
	"EVENT with a negative ack":      texts(`42-1["message-with-ack"]`),
	"EVENT with half an ack":         texts(`421.5["message-with-ack"]`),
	"EVENT with an ack in hex":       texts(`420x1["message-with-ack"]`),
	"EVENT with an ack in letters":   texts(`42abc["message-with-ack"]`),
	"EVENT with foreign digits":      texts("42\u0661[\"message-with-ack\"]"),
	"EVENT to another namespace":     texts(`42/custom,["message"]`),
	"EVENT to an unknown namespace":  texts(`42/random,["message"]`),
	"EVENT without a comma":          texts(`42/custom["message"]`),
	"EVENT to a property of objects": texts(`42/__proto__,["message"]`),
	"ACK of an object":               texts(`430{}`),
	"ACK of a string":                texts(`430"x"`),
	"ACK of half an array":           texts(`430[`),
	"ACK in another namespace":       texts(`43/custom,0[]`),

	"binary EVENT without a number":       {text(`45-["message",` + attachments(1) + `]`), binary("")},
	"binary EVENT without a dash":         {text(`451["message",` + attachments(1) + `]`), binary("")},
	"binary EVENT without anything":       texts(`45`),
	"binary EVENT that is a number":       texts(`451`),
	"binary EVENT of no attachment":       texts(`450-["message"]`),
	"binary EVENT of 11 attachments":      texts(`4511-["message",` + attachments(11) + `]`),
	"binary EVENT of countless ones":      texts(`4599999999999999999999-["message"]`),
	"binary EVENT of -1 attachments":      texts(`45-1-["message",` + attachments(1) + `]`),
	"binary EVENT of 1.5 attachments":     texts(`451.5-["message",` + attachments(2) + `]`),
	"binary EVENT of a letter":            texts(`45a-["message",` + attachments(1) + `]`),
	"binary EVENT of an object":           {text(`451-{}`), binary("")},
	"binary EVENT of half an array":       {text(`451-["message",`), binary("")},
	"binary EVENT to another namespace":   {text(`451-/custom,["message",` + attachments(1) + `]`), binary("")},
	"binary EVENT with a bad ack":         {text(`451-a["message-with-ack",` + attachments(1) + `]`), binary("")},
	"binary EVENT of a reserved name":     {text(`451-["disconnect",` + attachments(1) + `]`), binary("")},
	"binary ACK of no attachment":         texts(`460-0[]`),
	"binary ACK of 11 attachments":        texts(`4611-0[` + attachments(11) + `]`),
	"binary ACK of an object":             {text(`461-0{}`), binary("")},
	"text where an attachment is awaited": texts(`451-["message",`+attachments(1)+`]`, `42["message"]`),
	"another where one is awaited":        texts(`451-["message",`+attachments(1)+`]`, `451-["message",`+attachments(1)+`]`),
	"CONNECT where one is awaited":        texts(`451-["message",`+attachments(1)+`]`, `40/custom,`),
	"DISCONNECT where one is awaited":     texts(`451-["message",`+attachments(1)+`]`, `41`),
	"text where a second one is awaited":  {text(`452-["message",` + attachments(2) + `]`), binary("\x01"), text(`42["message"]`)},

	"placeholder of a negative number": {text(`451-["message",{"_placeholder":true,"num":-1}]`), binary("")},
	"placeholder beyond the last":      {text(`451-["message",{"_placeholder":true,"num":1}]`), binary("")},
	"placeholder far beyond the last":  {text(`451-["message",{"_placeholder":true,"num":9007199254740993}]`), binary("")},
	"placeholder beyond all integers":  {text(`451-["message",{"_placeholder":true,"num":1e999}]`), binary("")},
	"placeholder of a float":           {text(`451-["message",{"_placeholder":true,"num":0.5}]`), binary("")},
	"placeholder of a string":          {text(`451-["message",{"_placeholder":true,"num":"0"}]`), binary("")},
	"placeholder of null":              {text(`451-["message",{"_placeholder":true,"num":null}]`), binary("")},
	"placeholder of a method":          {text(`451-["message",{"_placeholder":true,"num":"__proto__"}]`), binary("")},
	"placeholder without a number":     {text(`451-["message",{"_placeholder":true}]`), binary("")},
	"placeholder of an array":          {text(`451-["message",{"_placeholder":true,"num":[0]}]`), binary("")},
	"placeholder deep inside":          {text(`451-["message",[[{"a":{"_placeholder":true,"num":7}}]]]`), binary("")},
}

// closes is that these packets, on either transport, each in a session of its own that is connected to the main namespace,
// bring its end, and nothing else.
func closes(t *testing.T, packets []packet) {
	t.Helper()
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		s.connect("")
		for _, p := range packets {
			s.try(p)
		}
		s.ends()
	})
	t.Run("polling, in one payload", func(t *testing.T) {
		s := openPolling(t, socketio)
		s.connect("")
		s.try(packets...)
		s.ends()
	})
}

func TestBadSocketIOPacketsClose(t *testing.T) {
	for name, packets := range badEvents {
		t.Run(name, func(t *testing.T) { closes(t, packets) })
	}
	socketio.serves(t)
}

func TestReservedEventsClose(t *testing.T) {
	for _, name := range []string{
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", `\u0063onnect`, `dis\u0063onnect`,
	} {
		t.Run(name, func(t *testing.T) { closes(t, texts(`42["`+name+`",{}]`)) })
		t.Run(name+" with an ack", func(t *testing.T) { closes(t, texts(`421["`+name+`"]`)) })
	}
	socketio.serves(t)
}

func TestEventsWithUnusualNamesAreOrdinary(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		for _, name := range []string{
			"error", "Connect", "connected", "disconnected", "auth", "message-back", "", " ", "__proto__", "constructor", "toString", "ping", "pong", "close",
			"open", "data", "end", "\u00e9", `\"`, `\u0000`, "*", strings.Repeat("x", 100_000),
		} {
			s := open()
			s.connect("")
			s.say(texts(`42["`+name+`",{}]`, `421["`+name+`"]`)...)
			s.say(text(`451-["`+name+`",`+attachments(1)+`]`), binary("\x01"))
			s.goesOn()
		}
	})
	socketio.serves(t)
}

// Attachments may take their time. Heartbeats go on meanwhile.
func TestAttachmentsThatNeverCome(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		s.connect("")
		s.say(text(`452-["message",`+attachments(2)+`]`), binary("\x01"))
		for range 2 {
			if p, err := s.read(); err != nil || p != ping {
				t.Fatalf("heard %v (%v), want a ping", p, err)
			}
			s.say(pong)
		}
		s.say(binary("\x02")) // now they have
		s.hears(text(`452-["message-back",`+attachments(2)+`]`), binary("\x01"), binary("\x02"))
		s.say(text(`451-["message",` + attachments(1) + `]`))
		s.say(text("1"))
		s.ends()
	})
	socketio.serves(t)
}

// What is unusual but whole may be taken or not. It disturbs nothing.
func TestOddSocketIOPacketsHarmNobody(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for name, packets := range map[string][]packet{
		"EVENT without a payload":            texts(`42`),
		"EVENT whose name is a number":       texts(`42[1,2]`),
		"EVENT with white space":             texts("42 [ \"message\" ,\r\n\t1 ] "),
		"EVENT with a long ack":              texts(`42` + strings.Repeat("9", 1000) + `["message-with-ack"]`),
		"EVENT with an ack from 0":           texts(`42007["message-with-ack"]`),
		"EVENT with a key twice":             texts(`42["message",{"a":1,"a":2}]`),
		"EVENT with keys of every object":    texts(`42["message",{"__proto__":{"a":1},"constructor":{"prototype":{}}}]`),
		"EVENT with half a surrogate":        texts(`42["message","\ud800"]`),
		"EVENT with a huge number":           texts(`42["message",1e999,-1e999,123456789012345678901234567890]`),
		"EVENT of many arguments":            texts(`42["message"` + strings.Repeat(",0", 100_000) + `]`),
		"EVENT of many keys":                 texts(`42["message",{` + strings.TrimSuffix(strings.Repeat(`"a":0,`, 100_000), ",") + `}]`),
		"EVENT of deep arrays":               texts(`42["message",` + nested(100_000) + `]`),
		"EVENT of deep objects":              texts(`42["message",` + objects(100_000) + `]`),
		"EVENT of arrays without an end":     texts(`42["message",` + strings.Repeat("[", 400_000)),
		"EVENT that refers to an attachment": texts(`42["message",` + attachments(1) + `]`),
		"CONNECT of deep objects":            texts(`40/custom,` + objects(100_000)),
		"CONNECT to a long name":             texts(`40/` + strings.Repeat("x", 500_000)),
		"CONNECT with an ack":                texts(`40/custom,1{}`),
		"CONNECT with a query":               texts(`40/custom?token=123,`),
		"ACK that nobody asked for":          texts(`430[]`, `4399["x"]`, `43[]`, `43`),
		"ACK with a long number":             texts(`43` + strings.Repeat("9", 1000) + `[]`),
		"binary ACK that nobody asked for":   {text(`461-0[` + attachments(1) + `]`), binary("\x01")},
		"binary EVENT without a payload":     {text(`451-`), binary("\x01")},
		"binary EVENT without placeholders":  {text(`452-["message"]`), binary("\x01"), binary("\x02")},
		"binary EVENT with a number from 0":  {text(`4501-["message",` + attachments(1) + `]`), binary("\x01")},
		"binary EVENT with an exponent":      {text(`451e0-["message",` + attachments(1) + `]`), binary("\x01")},
		"placeholder with more":              {text(`451-["message",{"_placeholder":true,"num":0,"x":1}]`), binary("\x01")},
		"placeholder with a number twice":    {text(`451-["message",{"_placeholder":true,"num":0,"num":7}]`), binary("\x01")},
		"placeholder that is a string":       {text(`451-["message",{"_placeholder":"true","num":0}]`), binary("\x01")},
		"placeholder for a name":             {text(`451-[` + attachments(1) + `]`), binary("message")},
		"two placeholders of one attachment": {text(`451-["message",` + attachments(1) + `,` + attachments(1) + `]`), binary("\x01")},
		"placeholders out of order":          {text(`452-["message",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`), binary("\x01"), binary("\x02")},
		"placeholders without end of one attachment": {
			text(`451-["message",` + strings.TrimSuffix(strings.Repeat(attachments(1)+",", 1000), ",") + `]`), binary(strings.Repeat("x", 100_000)),
		},
		"placeholder of deep objects": {text(`451-["message",` + strings.Repeat("[", 100_000) + attachments(1) + strings.Repeat("]", 100_000) + `]`), binary("\x01")},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				s.connect("")
				for _, p := range packets {
					s.try(p)
				}
				s.goesOnOrEnds()
			})
		})
	}
	socketio.serves(t)
}

// Nesting as data has it is no attack.
func TestSomeNestingIsOrdinary(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		deep := strings.Repeat(`[{"a":`, 8) + "1" + strings.Repeat(`}]`, 8)
		s := open()
		s.connect("")
		s.say(text(`42["message",` + deep + `]`))
		s.hears(text(`42["message-back",` + deep + `]`))
	})
}
