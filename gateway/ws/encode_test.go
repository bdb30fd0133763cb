package ws

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"beckon/gateway/ice"
	"beckon/gateway/roster"
	"beckon/shared/wire"
)

func TestEncode(t *testing.T) {
	const user = "a\"\\\u2028<é😀" // in JSON: a\"\\…
	signal := func(kind wire.Kind, fromSession, callID, body string) []byte {
		s := &wire.Signal{Kind: kind, From: wire.Quote("al\"ice"), FromSession: fromSession, Body: []byte(body)}
		if callID != "" {
			s.CallID = []byte(callID)
		}
		return encodeSignal(s)
	}
	for _, test := range []struct {
		name string
		got  []byte
		want string
	}{
		{"offer", signal(wire.Offer, "S1", `"c\n"`, `{"offerSDP":"v=0"}`), `{"event":"offer","data":{"from":"al\"ice","fromSession":"S1","callId":"c\n","offerSDP":"v=0"}}`},
		{"answer", signal(wire.Answer, "S1", "", `{"answerSDP":"v=0"}`), `{"event":"answer","data":{"from":"al\"ice","fromSession":"S1","answerSDP":"v=0"}}`},
		{"candidate", signal(wire.ICECandidate, "S1", "", `{"candidate":null}`), `{"event":"remoteIceCandidate","data":{"from":"al\"ice","fromSession":"S1","candidate":null}}`},
		{"refuse", signal(wire.Refuse, "S1", `""`, `{}`), `{"event":"refuse","data":{"from":"al\"ice","fromSession":"S1","callId":""}}`},
		{"disconnectPeer", signal(wire.DisconnectPeer, "", "", `{}`), `{"event":"disconnectPeer","data":{"from":"al\"ice"}}`},
		{"message", signal(wire.Message, "", "", `{"data": 1.50}`), `{"event":"message","data":{"from":"al\"ice","data": 1.50}}`},

		{"ack", encodeAck([]byte(`"a\n"`), wire.Unavailable), `{"event":"ack","id":"a\n","data":{"status":"unavailable"}}`},
		{"undeliverable", encodeUndeliverable(user, wire.ICECandidate, wire.Slow), `{"event":"undeliverable","data":{"to":"a\"\\` + "\u2028" + `<é😀","kind":"iceCandidate","reason":"slow"}}`},
		{"error", encodeError(nil, &refusal{codeBadField, user}), `{"event":"error","data":{"code":"bad_field","message":"a\"\\` + "\u2028" + `<é😀"}}`},
		{"error with an id", encodeError([]byte(`""`), &refusal{codeBinary, "no"}), `{"event":"error","id":"","data":{"code":"binary","message":"no"}}`},

		{"an empty list", encodeList(&roster.Update{Kind: roster.Whole}), `{"event":"updateUserlist","data":{"version":0,"userList":[]}}`},
		{"a list", encodeList(&roster.Update{Kind: roster.Whole, Version: 1 << 63, Users: []string{"a", `"`}}), `{"event":"updateUserlist","data":{"version":9223372036854775808,"userList":["a","\""]}}`},
		{"a delta", encodeList(&roster.Update{Kind: roster.Delta, From: 7, Version: 8, Joined: []string{"a"}, Left: []string{"b", "c"}}), `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["a"],"left":["b","c"]}}`},
		{"a count", encodeList(&roster.Update{Kind: roster.Count, Version: 9, Count: 12345}), `{"event":"userCount","data":{"version":9,"count":12345}}`},
		{"degraded", encodeList(&roster.Update{Kind: roster.Standing, Degraded: true}), `{"event":"presence","data":{"state":"degraded"}}`},
		{"ok again", encodeList(&roster.Update{Kind: roster.Standing}), `{"event":"presence","data":{"state":"ok"}}`},
		{"an empty page", encodePage(nil, roster.Page{Version: 1}), `{"event":"userlistPage","data":{"version":1,"count":0,"users":[],"more":false}}`},
		{"a page", encodePage([]byte(`"7"`), roster.Page{Version: 9, Count: 3, Users: []string{"a", `"`}, More: true}), `{"event":"userlistPage","id":"7","data":{"version":9,"count":3,"users":["a","\""],"more":true}}`},
		{"a delta with places", encodeList(&roster.Update{Kind: roster.Delta, Version: 1, Joined: []string{"a", "b"}, At: []int{0, 12}}), `{"event":"userlistDelta","data":{"from":0,"version":1,"joined":["a","b"],"left":[],"at":[0,12]}}`},
	} {
		if string(test.got) != test.want {
			t.Errorf("%s: got\n%s, want\n%s", test.name, test.got, test.want)
		}
		if !json.Valid(test.got) {
			t.Errorf("%s: no JSON: %s", test.name, test.got)
		}
	}
}

func TestEncodeWelcome(t *testing.T) {
	got, err := encodeWelcome(&welcome{
		UserID: `a"`, SessionID: "S", Room: "é", Version: 1,
		ICEServers: ice.Servers{{URLs: []string{"turn:x"}, Username: "u", Credential: "c"}, {URLs: []string{"stun:x"}}},
		Limits:     limits{Frame: 1, SDP: 2, Candidate: 3, Message: 4, Frames: 5, Bytes: 6},
	})
	const want = `{"event":"welcome","data":{"userId":"a\"","sessionId":"S","room":"é","iceServers":[` +
		`{"urls":["turn:x"],"username":"u","credential":"c"},{"urls":["stun:x"]}],` +
		`"limits":{"frame":1,"sdp":2,"candidate":3,"message":4,"framesPerSecond":5,"bytesPerSecond":6},"version":1}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want\n%s", got, err, want)
	}
}

// Whoever is in a list, it is JSON and says so.
func TestEncodeAnyList(t *testing.T) {
	user := rapid.StringN(1, 40, wire.MaxUserID).Filter(func(s string) bool { return wire.CheckUserID(s) == nil })
	rapid.Check(t, func(t *rapid.T) {
		u := &roster.Update{
			Kind: rapid.SampledFrom([]roster.Kind{roster.Whole, roster.Delta}).Draw(t, "kind"), From: rapid.Uint64().Draw(t, "from"), Version: rapid.Uint64().Draw(t, "version"),
			Users: rapid.SliceOf(user).Draw(t, "users"), Joined: rapid.SliceOf(user).Draw(t, "joined"),
			Left: rapid.SliceOf(user).Draw(t, "left"), At: rapid.SliceOf(rapid.IntRange(0, 1<<30)).Draw(t, "at"),
		}
		b := encodeList(u)
		if !utf8.Valid(b) {
			t.Fatalf("not UTF-8: %q", b)
		}
		var said struct {
			Event string
			Data  struct {
				Version, From          uint64
				UserList, Joined, Left []string
				At                     []int
			}
		}
		if err := json.Unmarshal(b, &said); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		d := said.Data
		if d.Version != u.Version {
			t.Errorf("version %d, want %d", d.Version, u.Version)
		}
		if u.Kind == roster.Whole {
			equal(t, "userList", d.UserList, u.Users)
			return
		}
		if d.From != u.From {
			t.Errorf("from %d, want %d", d.From, u.From)
		}
		equal(t, "joined", d.Joined, u.Joined)
		equal(t, "left", d.Left, u.Left)
		equal(t, "at", d.At, u.At)
	})
}

func equal[E comparable](t *rapid.T, what string, got, want []E) {
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func BenchmarkEncodeSignal(b *testing.B) {
	for name, msg := range map[string][]byte{"offer": offerFrame, "candidate": candidateFrame} {
		f, bad := readFrame(msg)
		if bad != nil {
			b.Fatal(bad.message)
		}
		signal := &wire.Signal{Kind: f.req.Kind, From: wire.Quote("alice"), FromSession: wire.NewID(), CallID: f.req.CallID, Body: f.req.Body}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encodeSignal(signal)
			}
		})
	}
}
