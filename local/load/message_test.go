package load

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStampsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64Range(0, 9_999_999_999).Draw(t, "number")
		at := rapid.Int64Range(0, 999_999_999_999_999).Draw(t, "at")
		b := make([]byte, stampLen, stampLen+4)
		putStamp(b, number, at)
		n, a, rest, ok := cutStamp(append(b, "rest"...))
		if n != number || a != at || string(rest) != "rest" || !ok {
			t.Errorf("%d at %d became %d at %d, %q, %v", number, at, n, a, rest, ok)
		}
	})
	for _, bad := range []string{"", strings.Repeat("1", stampLen-1), strings.Repeat("1", stampLen-1) + "x", "-" + strings.Repeat("1", stampLen)} {
		if _, _, _, ok := cutStamp([]byte(bad)); ok {
			t.Errorf("%q is a stamp", bad)
		}
	}
}

func TestFramesAreWhatTheyShouldBe(t *testing.T) {
	for name, test := range map[string]struct {
		make   func(string, bool) message
		event  string
		member string
		others []string
		length int // of the member, in bytes
	}{
		"offer":     {newOffer, "offer", "offerSDP", []string{"offerType", "audioOnly"}, sdpBytes},
		"answer":    {newAnswer, "answer", "answerSDP", []string{"answerType"}, sdpBytes},
		"candidate": {newCandidate, "iceCandidate", "candidate", []string{"sdpMid", "sdpMLineIndex", "usernameFragment"}, 0},
	} {
		for _, acked := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				m := test.make("bob", acked)
				var frame struct {
					Event string
					ID    *string
					Data  map[string]any
				}
				raw := m.write(42, 4711)
				if err := json.Unmarshal(raw, &frame); err != nil {
					t.Fatalf("%v: %s", err, raw)
				}
				if frame.Event != test.event || frame.Data["to"] != "bob" {
					t.Errorf("event %s to %v", frame.Event, frame.Data["to"])
				}
				if acked != (frame.ID != nil) || acked && *frame.ID != "0000000042" {
					t.Errorf("id %v", frame.ID)
				}
				text, _ := frame.Data[test.member].(string)
				if !strings.Contains(text, "0000000042000000000004711") {
					t.Errorf("no stamp in %q", text)
				}
				if test.length > 0 && (len(text) != test.length || strings.Count(text, "\r\n") < 20) {
					t.Errorf("%d bytes: %q", len(text), text)
				}
				for _, other := range test.others {
					if _, has := frame.Data[other]; !has {
						t.Errorf("no %s", other)
					}
				}
				if len(raw) > bufferSize {
					t.Errorf("%d bytes are more than are written at once", len(raw))
				}
			})
		}
	}
}

// arrived is a frame as the gateway delivers it.
func arrived(m *message, from string, number, at int64) []byte {
	var sent struct {
		Data map[string]json.RawMessage
	}
	if err := json.Unmarshal(m.write(number, at), &sent); err != nil {
		panic(err)
	}
	delete(sent.Data, "to")
	frame := []byte(`{"event":"` + m.event + `","data":{"from":"` + from + `","fromSession":"S1"`)
	for name, value := range sent.Data {
		frame = append(frame, `,"`+name+`":`...)
		frame = append(frame, value...)
	}
	return append(frame, `}}`...)
}

func TestReadFindsTheStampAndAnyDamage(t *testing.T) {
	for _, m := range []message{newOffer("bob", true), newAnswer("bob", false), newCandidate("bob", true)} {
		good := arrived(&m, "alice", 7, 1234567)
		if number, at, ok := m.read(good); number != 7 || at != 1234567 || !ok {
			t.Errorf("%s: message %d at %d, %v", m.event, number, at, ok)
		}
		begin := bytes.Index(good, m.before)
		end := begin + len(m.before) + stampLen + len(m.after)
		for i := begin; i < end; i++ {
			bad := bytes.Clone(good)
			bad[i] ^= 0x80
			if number, at, ok := m.read(bad); ok {
				t.Fatalf("%s: message %d at %d was read although byte %d is damaged", m.event, number, at, i-begin)
			}
		}
		if _, _, ok := m.read(good[:end-1]); ok {
			t.Errorf("%s: read although it is cut off", m.event)
		}
	}
}
