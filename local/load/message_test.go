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

// alices are alice's words to bob.
func alices(d *door, acked bool) *writer {
	return &writer{door: d, from: "alice", to: "bob", ufrag: "0042", acked: acked}
}

func TestFramesAreWhatTheyShouldBe(t *testing.T) {
	for name, test := range map[string]struct {
		make   func(*writer) message
		event  string
		member string
		others []string
		length int // of the member, in bytes
	}{
		"offer":     {(*writer).offer, "offer", "offerSDP", []string{"offerType", "audioOnly"}, sdpBytes},
		"answer":    {(*writer).answer, "answer", "answerSDP", []string{"answerType"}, sdpBytes},
		"candidate": {(*writer).candidate, "iceCandidate", "candidate", []string{"sdpMid", "sdpMLineIndex", "usernameFragment"}, 0},
	} {
		check := func(t *testing.T, d *door, acked bool, parse func(t *testing.T, raw []byte) (event string, id *string, data map[string]any)) {
			m := test.make(alices(d, acked))
			raw := m.write(42, 4711)
			event, id, data := parse(t, raw)
			if event != test.event || data["to"] != "bob" {
				t.Errorf("event %s to %v", event, data["to"])
			}
			if acked != (id != nil) || acked && *id != "0000000042" {
				t.Errorf("id %v", id)
			}
			text, _ := data[test.member].(string)
			if !strings.Contains(text, "0000000042000000000004711") || !strings.Contains(text, "frag") || !strings.Contains(text, "0042") {
				t.Errorf("no stamp or no ufrag in %q", text)
			}
			if test.length > 0 && (len(text) != test.length || strings.Count(text, "\r\n") < 20) {
				t.Errorf("%d bytes: %q", len(text), text)
			}
			for _, other := range test.others {
				if _, has := data[other]; !has {
					t.Errorf("no %s", other)
				}
			}
			if from, has := data["from"]; has && from != "alice" || has != (d != native && name == "offer") {
				t.Errorf("from %v", from)
			}
			if len(raw) > bufferSize {
				t.Errorf("%d bytes are more than are written at once", len(raw))
			}
		}
		for _, acked := range []bool{false, true} {
			t.Run("native "+name, func(t *testing.T) {
				check(t, native, acked, func(t *testing.T, raw []byte) (string, *string, map[string]any) {
					var frame struct {
						Event string
						ID    *string
						Data  map[string]any
					}
					if err := json.Unmarshal(raw, &frame); err != nil {
						t.Fatalf("%v: %s", err, raw)
					}
					return frame.Event, frame.ID, frame.Data
				})
			})
		}
		t.Run("Socket.IO "+name, func(t *testing.T) {
			check(t, overPolling, false, func(t *testing.T, raw []byte) (string, *string, map[string]any) {
				var event string
				var data map[string]any
				args := []any{&event, &data}
				if err := readPacket(raw, "42", &args); err != nil || len(args) != 2 {
					t.Fatalf("%v: %s", err, raw)
				}
				return event, nil, data
			})
		})
	}
}

// arrived is a frame as the native door delivers it.
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
	acked, unacked := alices(native, true), alices(native, false)
	for _, m := range []message{acked.offer(), unacked.answer(), acked.candidate()} {
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
