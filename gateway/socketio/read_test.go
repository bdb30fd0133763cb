package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"beckon/shared/wire"
)

// whitelist has each kind's own members.
var whitelist = map[wire.Kind][]string{
	wire.Offer:          {"offerSDP", "offerType", "audioOnly"},
	wire.Answer:         {"answerSDP", "answerType"},
	wire.Refuse:         {},
	wire.ICECandidate:   {"candidate", "sdpMid", "sdpMLineIndex", "usernameFragment"},
	wire.DisconnectPeer: {},
	wire.Message:        {"data"},
}

// body is what of an event's payload is to be passed on, by encoding/json's reading. A flag that is null is none.
func body(kind wire.Kind, payload map[string]json.RawMessage) map[string]string {
	passed := make(map[string]string)
	for _, name := range whitelist[kind] {
		if value := string(payload[name]); value != "" && (name != "audioOnly" || value != "null") {
			passed[name] = value
		}
	}
	return passed
}

// What is accepted is strict JSON, and nothing is passed on that encoding/json does not find there. What is no JSON is never
// taken for an event that addresses nobody, or has a bad member.
func FuzzReadEvent(f *testing.F) {
	for _, test := range relayed {
		for kind := range wire.Kinds {
			f.Add(byte(kind), []byte(test.sent))
		}
	}
	for _, payload := range addressless {
		f.Add(byte(2), []byte(strings.Replace(payload, "%s", "refuse", 1)))
	}
	for _, text := range []string{
		`["refuse",{"to":"bob","to":"bob"}]`, `["refuse",{"to":"bob"},{"a":1,"a":1}]`, `["refuse",{"to":"bob"}`, `["refuse",{"to":"bob"}]]`,
		`["refuse",{"to":"bob"},]`, `["refuse",{"to":"\ud800"}]`, "[\"refuse\",{\"to\":\"\xff\"}]", `["offer",{"to":null,"offerSDP":null}]`,
		`["refuse",{"to":"bob","x":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}]`, ``, `{}`, `[{"to":"bob"}]`, `[{"to":"bob"},{"to":"carol"}]`,
	} {
		f.Add(byte(2), []byte(text))
	}
	f.Fuzz(func(t *testing.T, n byte, text []byte) {
		kind := wire.Kinds[int(n)%len(wire.Kinds)]
		before := string(text)
		req, err := readRequest(text, kind)
		if string(text) != before {
			t.Fatal("the text was changed")
		}
		var field *wire.FieldError
		if err != nil {
			if !errors.As(err, &field) && !errors.Is(err, wire.ErrSyntax) {
				t.Errorf("error %v", err)
			}
			if field != nil && !json.Valid(text) {
				t.Errorf("%q is no JSON, and said to be wrong in %s", text, field.Field)
			}
			return
		}
		var array []json.RawMessage
		var payload map[string]json.RawMessage
		if err := json.Unmarshal(text, &array); err != nil || !utf8.Valid(text) || len(array) < 2 {
			t.Fatalf("%q was accepted: %v", text, err)
		}
		if err := json.Unmarshal(array[1], &payload); err != nil || payload == nil {
			t.Fatalf("%q was accepted: %v", text, err)
		}
		var to string
		if err := json.Unmarshal(payload["to"], &to); err != nil || req.To != to || wire.CheckUserID(to) != nil {
			t.Errorf("%q is for %q, read as %q: %v", text, req.To, to, err)
		}
		var passed map[string]json.RawMessage
		if err := json.Unmarshal(req.Body, &passed); err != nil || req.Kind != kind {
			t.Fatalf("%q is passed on as %s %s: %v", text, req.Kind, req.Body, err)
		}
		want := body(kind, payload)
		for name, value := range want {
			if string(passed[name]) != value {
				t.Errorf("%q: %s is passed on as %s", text, name, passed[name])
			}
		}
		if len(passed) != len(want) {
			t.Errorf("%q is passed on as %s", text, req.Body)
		}
	})
}

// A login that is accepted is for whom encoding/json finds there.
func FuzzReadLogin(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"user":"alice","room":"attic"}`, `{"user":null,"room":null}`, `{"user":""}`, `{"USER":"alice"}`, `{"us\u0065r":"al\u0069ce"}`,
		`{"user":5}`, `{"room":[]}`, `{"user":"a","user":"b"}`, `{"user":"\ud800"}`, "{\"user\":\"\xff\"}", `{"user":"a\u0000"}`,
		`{"x":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}`, `[]`, ``, `{"user":"alice"} `, `{"user":"😀"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, auth []byte) {
		l, bad := readLogin(auth)
		if bad != nil {
			if bad.code != codeBadUser && bad.code != codeBadRoom || bad.message == "" || !utf8.ValidString(bad.message) {
				t.Errorf("%q is refused with %+v", auth, bad)
			}
			return
		}
		if !json.Valid(auth) { // which it is, when a client says it: see sio
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(auth, &members); err != nil {
			t.Fatalf("%q was accepted: %v", auth, err)
		}
		user, room := l.user, wire.DefaultRoom
		for name, into := range map[string]*string{"user": &user, "room": &room} {
			if v := members[name]; v != nil && string(v) != "null" {
				if err := json.Unmarshal(v, into); err != nil {
					t.Errorf("%q was accepted: %v", auth, err)
				}
			}
		}
		if l.user != user || l.room != room {
			t.Errorf("%q logs in %+v, want %q in %q", auth, l, user, room)
		}
		if wire.CheckUserID(l.user) != nil || wire.CheckRoom(l.room) != nil {
			t.Errorf("%q logs in %+v", auth, l)
		}
	})
}
