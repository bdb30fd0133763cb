package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// attachments are placeholders of binary attachments as they stand in a packet.
func attachments(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i)
	}
	return strings.Join(all, ",")
}

func TestMessagesAreAnswered(t *testing.T) {
	bytes := []packet{binary("\x01\x02\x03"), binary("\x04\x05\x06")}
	var ten []packet
	for i := range 10 {
		ten = append(ten, binary(strings.Repeat("x", i)))
	}
	for name, test := range map[string]struct{ say, hear []packet }{
		"text": {
			texts(`42["message",1,"2",{"3":[true]}]`),
			texts(`42["message-back",1,"2",{"3":[true]}]`),
		},
		"text without an argument": {
			texts(`42["message"]`),
			texts(`42["message-back"]`),
		},
		"text with arguments that are next to nothing": {
			texts(`42["message",false,0,null,"",[],{}]`),
			texts(`42["message-back",false,0,null,"",[],{}]`),
		},
		"text with characters of HTML": {
			texts(`42["message","<a href='x'>&</a>"]`),
			texts(`42["message-back","<a href='x'>&</a>"]`),
		},
		"text outside of ASCII": {
			texts("42[\"message\",\"h\u00e9llo \u20ac \U0001f642 \u2028\"]"),
			texts("42[\"message-back\",\"h\u00e9llo \u20ac \U0001f642 \u2028\"]"),
		},
		"text that looks like an attachment": {
			texts(`42["message",{"_placeholder":false,"num":0},{"num":0}]`),
			texts(`42["message-back",{"_placeholder":false,"num":0},{"num":0}]`),
		},
		"text in the main namespace by its name": {
			texts(`42/,["message",1]`),
			texts(`42["message-back",1]`),
		},
		"text in a custom namespace": {
			texts(`42/custom,["message",1]`),
			texts(`42/custom,["message-back",1]`),
		},
		"binary attachments": {
			append(texts(`452-["message",`+attachments(2)+`]`), bytes...),
			append(texts(`452-["message-back",`+attachments(2)+`]`), bytes...),
		},
		"binary attachments among text": {
			append(texts(`452-["message",{"a":[0,{"b":{"_placeholder":true,"num":0}}]},"c",[{"_placeholder":true,"num":1}]]`), bytes...),
			append(texts(`452-["message-back",{"a":[0,{"b":{"_placeholder":true,"num":0}}]},"c",[{"_placeholder":true,"num":1}]]`), bytes...),
		},
		"binary attachments in a custom namespace": {
			append(texts(`452-/custom,["message",`+attachments(2)+`]`), bytes...),
			append(texts(`452-/custom,["message-back",`+attachments(2)+`]`), bytes...),
		},
		"ten binary attachments": {
			append(texts(`4510-["message",`+attachments(10)+`]`), ten...),
			append(texts(`4510-["message-back",`+attachments(10)+`]`), ten...),
		},
		"text with an ack": {
			texts(`42456["message-with-ack",1,"2",{"3":[false]}]`),
			texts(`43456[1,"2",{"3":[false]}]`),
		},
		"an ack without an argument": {
			texts(`420["message-with-ack"]`),
			texts(`430[]`),
		},
		"an ack in a custom namespace": {
			texts(`42/custom,7["message-with-ack","x"]`),
			texts(`43/custom,7["x"]`),
		},
		"binary attachments with an ack": {
			append(texts(`452-789["message-with-ack",`+attachments(2)+`]`), bytes...),
			append(texts(`462-789[`+attachments(2)+`]`), bytes...),
		},
		"binary attachments with an ack in a custom namespace": {
			append(texts(`452-/custom,789["message-with-ack",`+attachments(2)+`]`), bytes...),
			append(texts(`462-/custom,789[`+attachments(2)+`]`), bytes...),
		},
		"an ack that nobody asked for": {
			texts(`42["message-with-ack",1]`, `42["message","next"]`),
			texts(`42["message-back","next"]`),
		},
		"an event that nobody handles": {
			texts(`42["nothing",1]`, `421["nothing"]`, `42["message","next"]`),
			texts(`42["message-back","next"]`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				s.connect("")
				s.connect("/custom,")
				s.say(test.say...)
				s.hears(test.hear...)
				s.goesOn()
			})
		})
	}
}

// On polling all that belongs together travels in one payload.
func TestMessagesOfPollingShareAPayload(t *testing.T) {
	s := openPolling(t, socketio)
	s.connect("")
	url := s.transport.(*polling).url
	post(t, url, `452-["message",`+attachments(2)+`]`+"\x1ebAQID\x1ebBAUG\x1e"+`421["message-with-ack"]`).is(t, 200, "ok")
	get(t, url).is(t, 200, `452-["message-back",`+attachments(2)+`]`+"\x1ebAQID\x1ebBAUG\x1e431[]")
}

// The attachments of a packet follow it, whatever else is on its way.
func TestMessagesKeepTheirOrderAndTheirAttachments(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		s.connect("")
		s.connect("/custom,")
		var hear []packet
		for i := range 50 {
			data := binary(fmt.Sprint("attachment ", i))
			s.say(text(`451-["message",`+attachments(1)+`]`), data, text(fmt.Sprintf(`42/custom,["message",%d]`, i)))
			s.say(text(fmt.Sprintf(`451-/custom,%d["message-with-ack",%s]`, i, attachments(1))), data)
			hear = append(hear, text(`451-["message-back",`+attachments(1)+`]`), data, text(fmt.Sprintf(`42/custom,["message-back",%d]`, i)))
			hear = append(hear, text(fmt.Sprintf(`461-/custom,%d[%s]`, i, attachments(1))), data)
			if i%10 == 9 {
				s.hears(hear...)
				hear = nil
			}
		}
	})
}

// What separates the packets of a payload must not travel raw in one of them.
func TestMessageWithTheSeparatorInside(t *testing.T) {
	s := openPolling(t, socketio)
	s.connect("")
	s.say(text(`42["message","a\u001eb"]`))
	var got []string
	p := s.next()
	if err := json.Unmarshal([]byte(strings.TrimPrefix(p.data, "42")), &got); err != nil || len(got) != 2 || got[1] != "a\x1eb" {
		t.Fatalf("heard %v: %v", p, err)
	}
	s.goesOn()
}

func TestLongMessages(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		s.connect("")
		long := `"` + strings.Repeat("x", maxPayload/2) + `"`
		s.say(text(`42["message",` + long + `]`))
		s.hears(text(`42["message-back",` + long + `]`))
		s.goesOn()
	})
}

func TestMessageOfAnInvalidFormatCloses(t *testing.T) {
	for name, bad := range map[string]string{
		"unknown packet type":      `4abc`,
		"invalid payload format":   `42{}`,
		"invalid number of an ack": `42abc["message-with-ack",1,"2",{"3":[false]}]`,
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				s.connect("")
				s.try(text(bad))
				s.ends()
			})
		})
	}
}
