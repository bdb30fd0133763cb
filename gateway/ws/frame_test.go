package ws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"beckon/shared/wire"
)

func TestReadFrame(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct {
		name, frame string
		code        string // of the refusal, or:
		want        string // what was read, as show has it
		id          string
	}{
		{
			name: "offer", frame: `{"event":"offer","id":"1","data":{"to":"bob","offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false}}`,
			id: `"1"`, want: `offer bob {"offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false}`,
		},
		{
			name: "answer", frame: `{"event":"answer","data":{"answerType":"answer","answerSDP":"","to":"alice","toSession":"S1","callId":"c1"}}`,
			want: `answer alice/S1 "c1" {"answerSDP":"","answerType":"answer"}`,
		},
		{
			name: "candidate", frame: `{"event":"iceCandidate","data":{"to":"bob","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}}`,
			want: `iceCandidate bob {"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}`,
		},
		{
			name: "nulls stay nulls", frame: `{"event":"iceCandidate","data":{"to":"bob","toSession":null,"callId":null,"candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}}`,
			want: `iceCandidate bob {"candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}`,
		},
		{name: "refuse", frame: `{"event":"refuse","data":{"to":"alice"}}`, want: `refuse alice {}`},
		{name: "disconnectPeer", frame: `{"event":"disconnectPeer","data":{"to":"alice","callId":""}}`, want: `disconnectPeer alice "" {}`},
		{
			name: "message", frame: `{"event":"message","data":{"to":"bob","data":{"n":1.50e+3, "f":false,"z":0,"e":"","u":"\u00e9"}}}`,
			want: `message bob {"data":{"n":1.50e+3, "f":false,"z":0,"e":"","u":"\u00e9"}}`,
		},
		{name: "a message that is null", frame: `{"event":"message","data":{"to":"bob","data":null}}`, want: `message bob {"data":null}`},
		{name: "sync", frame: `{"event":"sync"}`, want: `sync`},
		{name: "sync with data", frame: `{"event":"sync","id":"","data":{}}`, id: `""`, want: `sync`},
		{name: "ping", frame: `{"event":"ping"}`, want: `ping`},
		{name: "ping with data", frame: `{"data":{},"id":"7","event":"ping"}`, id: `"7"`, want: `ping`},
		{name: "ping with data that is no object", frame: `{"event":"ping","data":[1]}`, want: `ping`},
		{name: "list", frame: `{"event":"list"}`, want: `list "" "" 100`},
		{name: "list with all", frame: `{"event":"list","id":"7","data":{"prefix":"\u0061l","after":"al\"","limit":500,"x":[]}}`, id: `"7"`, want: `list "al" "al\"" 500`},
		{name: "list with data first", frame: `{"data":{"limit":1},"event":"list"}`, want: `list "" "" 1`},
		{name: "list of no number", frame: `{"event":"list","id":"7","data":{"limit":"5"}}`, id: `"7"`, code: codeBadField},
		{name: "list of none", frame: `{"event":"list","data":{"limit":0}}`, code: codeBadField},
		{name: "list of too many", frame: `{"event":"list","data":{"limit":501}}`, code: codeBadField},
		{name: "list of half a user", frame: `{"event":"list","data":{"limit":1.5}}`, code: codeBadField},
		{name: "list of no text", frame: `{"event":"list","data":{"prefix":5}}`, code: codeBadField},
		{name: "list of nulls", frame: `{"event":"list","data":{"prefix":null,"after":null,"limit":null}}`, want: `list "" "" 100`},
		{name: "list of a long text", frame: `{"event":"list","data":{"after":"` + strings.Repeat("x", 129) + `"}}`, code: codeBadField},
		{name: "list of no object", frame: `{"event":"list","data":[]}`, code: codeBadField},
		{name: "data first", frame: `{"data":{"to":"bob"},"id":"1","event":"refuse"}`, id: `"1"`, want: `refuse bob {}`},
		{name: "space", frame: " \n{ \"event\" :\t\"refuse\" , \"data\" : { \"to\" : \"bob\" } } \r\n", want: `refuse bob {}`},
		{name: "a user with escapes", frame: `{"event":"refuse","data":{"to":"\u0062ob \ud83d\ude00"}}`, want: `refuse bob 😀 {}`},
		{name: "strange users", frame: `{"event":"refuse","data":{"to":">.x *"}}`, want: `refuse >.x * {}`},
		{name: "an unknown member of the frame", frame: `{"event":"refuse","x":{"y":[1]},"data":{"to":"bob"}}`, want: `refuse bob {}`},
		{name: "an unknown member of the data", frame: `{"event":"refuse","data":{"from":"eve","to":"bob","body":{}}}`, want: `refuse bob {}`},
		{name: "another kind's member", frame: `{"event":"refuse","data":{"to":"bob","offerSDP":5}}`, want: `refuse bob {}`},
		{name: "another spelling beside", frame: `{"event":"refuse","EVENT":"offer","data":{"TO":"eve","to":"bob","To":5}}`, want: `refuse bob {}`},
		{name: "as deep as it may be", frame: `{"event":"message","data":{"to":"bob","data":` + deep(14) + `}}`, want: `message bob {"data":` + deep(14) + `}`},
		{name: "as deep as it may be, first", frame: `{"data":{"to":"bob","data":` + deep(14) + `},"event":"message"}`, want: `message bob {"data":` + deep(14) + `}`},
		{name: "the longest id", frame: `{"event":"sync","id":"` + strings.Repeat("é", 32) + `"}`, id: `"` + strings.Repeat("é", 32) + `"`, want: `sync`},
		{name: "the longest id with escapes", frame: `{"event":"sync","id":"` + strings.Repeat(`\u0041`, 64) + `"}`, id: `"` + strings.Repeat(`\u0041`, 64) + `"`, want: `sync`},

		{name: "empty", frame: ``, code: codeBadFrame},
		{name: "space alone", frame: ` `, code: codeBadFrame},
		{name: "no JSON", frame: `hello`, code: codeBadFrame},
		{name: "no object", frame: `["offer"]`, code: codeBadFrame},
		{name: "a string", frame: `"offer"`, code: codeBadFrame},
		{name: "null", frame: `null`, code: codeBadFrame},
		{name: "cut off", frame: `{"event":"sync"`, code: codeBadFrame},
		{name: "cut off in the data", frame: `{"event":"refuse","data":{"to":"bob"`, code: codeBadFrame},
		{name: "text behind", frame: `{"event":"sync"}x`, code: codeBadFrame},
		{name: "another object behind", frame: `{"event":"sync"}{}`, code: codeBadFrame},
		{name: "text behind with an id", frame: `{"id":"1","event":"sync"} x`, id: `"1"`, code: codeBadFrame},
		{name: "not UTF-8", frame: "{\"event\":\"message\",\"data\":{\"to\":\"bob\",\"data\":\"\xff\"}}", code: codeBadFrame},
		{name: "half a surrogate pair", frame: `{"event":"message","data":{"to":"bob","data":"\ud83d"}}`, code: codeBadFrame},
		{name: "a comment", frame: `{"event":"sync"/**/}`, code: codeBadFrame},
		{name: "a comma too many", frame: `{"event":"sync",}`, code: codeBadFrame},
		{name: "event twice", frame: `{"event":"sync","event":"sync"}`, code: codeBadFrame},
		{name: "event twice, spelled differently", frame: `{"event":"sync","\u0065vent":"sync"}`, code: codeBadFrame},
		{name: "a name twice in the data", frame: `{"event":"refuse","id":"1","data":{"to":"bob","to":"bob"}}`, id: `"1"`, code: codeBadFrame},
		{name: "a name twice deep down", frame: `{"event":"message","data":{"to":"bob","data":[{"a":1,"a":2}]}}`, code: codeBadFrame},
		{name: "too deep", frame: `{"event":"message","data":{"to":"bob","data":` + deep(15) + `}}`, code: codeBadFrame},
		{name: "too deep, first", frame: `{"data":{"to":"bob","data":` + deep(15) + `},"event":"message"}`, code: codeBadFrame},
		{name: "too deep where nobody looks", frame: `{"event":"sync","x":` + deep(16) + `}`, code: codeBadFrame},
		{name: "ten thousand deep", frame: `{"event":"sync","x":` + deep(10_000) + `}`, code: codeBadFrame},
		{name: "ten thousand deep and cut off", frame: strings.Repeat(`{"event":`, 10_000), code: codeBadFrame},
		{name: "no event", frame: `{"id":"1","data":{}}`, id: `"1"`, code: codeBadFrame},
		{name: "event a number", frame: `{"event":1,"id":"1"}`, id: `"1"`, code: codeBadFrame},
		{name: "event null", frame: `{"event":null}`, code: codeBadFrame},
		{name: "id a number", frame: `{"event":"sync","id":1}`, code: codeBadFrame},
		{name: "id null", frame: `{"event":"sync","id":null}`, code: codeBadFrame},
		{name: "id too long", frame: `{"event":"sync","id":"` + strings.Repeat("a", 65) + `"}`, code: codeBadFrame},

		{name: "an unknown event", frame: `{"event":"shout","id":"1","data":{"to":"bob"}}`, id: `"1"`, code: codeUnknown},
		{name: "an empty event", frame: `{"event":""}`, code: codeUnknown},
		{name: "the event's other name", frame: `{"event":"remoteIceCandidate","data":{"to":"bob","candidate":""}}`, code: codeUnknown},
		{name: "another case", frame: `{"event":"Offer","data":{}}`, code: codeUnknown},
		{name: "a ping in another case", frame: `{"event":"PING","id":"1"}`, id: `"1"`, code: codeUnknown},
		{name: "a pong", frame: `{"event":"pong"}`, code: codeUnknown},
		{name: "a ping with a number for an id", frame: `{"event":"ping","id":7}`, code: codeBadFrame},

		{name: "no data", frame: `{"event":"refuse","id":"1"}`, id: `"1"`, code: codeBadField},
		{name: "no to", frame: `{"event":"refuse","data":{},"id":"1"}`, id: `"1"`, code: codeBadField},
		{name: "to in another case", frame: `{"event":"refuse","data":{"TO":"bob"}}`, code: codeBadField},
		{name: "to null", frame: `{"event":"refuse","data":{"to":null}}`, code: codeBadField},
		{name: "to an array", frame: `{"event":"refuse","data":{"to":["bob"]}}`, code: codeBadField},
		{name: "to an object", frame: `{"event":"refuse","data":{"to":{"bob":1}}}`, code: codeBadField},
		{name: "to a number", frame: `{"event":"refuse","data":{"to":5}}`, code: codeBadField},
		{name: "to empty", frame: `{"event":"refuse","data":{"to":""}}`, code: codeBadField},
		{name: "to too long", frame: `{"event":"refuse","data":{"to":"` + strings.Repeat("x", 129) + `"}}`, code: codeBadField},
		{name: "to with a control character", frame: `{"event":"refuse","data":{"to":"\u0000"}}`, code: codeBadField},
		{name: "toSession a number", frame: `{"event":"refuse","data":{"to":"bob","toSession":5}}`, code: codeBadField},
		{name: "toSession no name", frame: `{"event":"refuse","data":{"to":"bob","toSession":"a.b"}}`, code: codeBadField},
		{name: "callId a number", frame: `{"event":"refuse","data":{"to":"bob","callId":5}}`, code: codeBadField},
		{name: "callId too long", frame: `{"event":"refuse","data":{"to":"bob","callId":"` + strings.Repeat("x", 65) + `"}}`, code: codeBadField},
		{name: "no SDP", frame: `{"event":"offer","data":{"to":"bob","offerType":"offer"}}`, code: codeBadField},
		{name: "SDP null", frame: `{"event":"offer","data":{"to":"bob","offerSDP":null,"offerType":"offer"}}`, code: codeBadField},
		{name: "SDP too long", frame: `{"event":"offer","data":{"to":"bob","offerSDP":"` + strings.Repeat("x", wire.MaxSDP+1) + `","offerType":"offer"}}`, code: codeBadField},
		{name: "audioOnly a string", frame: `{"event":"offer","data":{"to":"bob","offerSDP":"","offerType":"","audioOnly":"false"}}`, code: codeBadField},
		{name: "audioOnly null", frame: `{"event":"offer","data":{"to":"bob","offerSDP":"","offerType":"","audioOnly":null}}`, want: `offer bob {"offerSDP":"","offerType":""}`},
		{name: "no candidate", frame: `{"event":"iceCandidate","data":{"to":"bob"}}`, code: codeBadField},
		{name: "candidate too long", frame: `{"event":"iceCandidate","data":{"to":"bob","candidate":"` + strings.Repeat("x", wire.MaxCandidate+1) + `"}}`, code: codeBadField},
		{name: "index a string", frame: `{"event":"iceCandidate","data":{"to":"bob","candidate":"","sdpMLineIndex":"0"}}`, code: codeBadField},
		{name: "index negative", frame: `{"event":"iceCandidate","data":{"to":"bob","candidate":"","sdpMLineIndex":-1}}`, code: codeBadField},
		{name: "index too large", frame: `{"event":"iceCandidate","data":{"to":"bob","candidate":"","sdpMLineIndex":65536}}`, code: codeBadField},
		{name: "index a fraction", frame: `{"event":"iceCandidate","data":{"to":"bob","candidate":"","sdpMLineIndex":0.5}}`, code: codeBadField},
		{name: "no message", frame: `{"event":"message","data":{"to":"bob"}}`, code: codeBadField},
		{name: "message too long", frame: `{"event":"message","data":{"to":"bob","data":"` + strings.Repeat("x", wire.MaxAppMessage-1) + `"}}`, code: codeBadField},
		{name: "a bad field before the id", frame: `{"event":"refuse","data":{"to":5},"id":"1"}`, id: `"1"`, code: codeBadField},
		{name: "a bad field before the event", frame: `{"data":{"to":5},"event":"refuse","id":"1"}`, id: `"1"`, code: codeBadField},
		{name: "bad JSON behind a bad field", frame: `{"event":"refuse","data":{"to":5},"id":"1"`, id: `"1"`, code: codeBadFrame},
		{name: "a bad id and a bad field", frame: `{"event":"refuse","data":{"to":5},"id":1}`, code: codeBadFrame},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, bad := readFrame([]byte(test.frame))
			if string(f.id) != test.id {
				t.Errorf("id %s, want %s", f.id, test.id)
			}
			switch {
			case test.code == "" && bad != nil:
				t.Errorf("refused: %s: %s", bad.code, bad.message)
			case test.code == "":
				if got := show(f); got != test.want {
					t.Errorf("read %s\nwant %s", got, test.want)
				}
			case bad == nil:
				t.Errorf("accepted as %s", show(f))
			case bad.code != test.code:
				t.Errorf("refused with %s: %s; want %s", bad.code, bad.message, test.code)
			}
		})
	}
}

func show(f frame) string {
	switch f.ask {
	case askSync:
		return "sync"
	case askPing:
		return "ping"
	case askList:
		return fmt.Sprintf("list %q %q %d", f.query.Prefix, f.query.After, f.query.Limit)
	}
	s := f.req.Kind.String() + " " + f.req.To
	if f.req.ToSession != "" {
		s += "/" + f.req.ToSession
	}
	if f.req.CallID != nil {
		s += " " + string(f.req.CallID)
	}
	return s + " " + string(f.req.Body)
}

// Bounds are those of what a string says, not of how it is spelled, and the longest of everything passes.
func TestLongestFields(t *testing.T) {
	for name, frame := range map[string]string{
		"SDP":              `{"event":"offer","data":{"to":"bob","offerType":"","offerSDP":"` + strings.Repeat("x", wire.MaxSDP) + `"}}`,
		"SDP with escapes": `{"event":"offer","data":{"to":"bob","offerType":"","offerSDP":"` + strings.Repeat(`\n`, wire.MaxSDP-1) + `x"}}`,
		"candidate":        `{"event":"iceCandidate","data":{"to":"bob","candidate":"` + strings.Repeat(`\u0041`, wire.MaxCandidate) + `"}}`,
		"message":          `{"event":"message","data":{"to":"bob","data":"` + strings.Repeat("x", wire.MaxAppMessage-2) + `"}}`,
		"to":               `{"event":"refuse","data":{"to":"` + strings.Repeat("x", 128) + `","callId":"` + strings.Repeat("x", 64) + `"}}`,
	} {
		if _, bad := readFrame([]byte(frame)); bad != nil {
			t.Errorf("%s: %s: %s", name, bad.code, bad.message)
		}
	}
}

// What is read is what encoding/json reads, in whatever order it stands, and whatever is said about it is JSON.
func FuzzReadFrame(f *testing.F) {
	for _, seed := range []string{
		`{"event":"offer","id":"1","data":{"to":"bob","toSession":"S","callId":"c","offerSDP":"v=0","offerType":"offer","audioOnly":false}}`,
		`{"data":{"answerSDP":"\u0000","answerType":"answer","to":"\ud83d\ude00"},"event":"answer","id":"\n"}`,
		`{"event":"iceCandidate","data":{"to":"b","candidate":null,"sdpMid":null,"sdpMLineIndex":65535,"usernameFragment":""}}`,
		`{"event":"message","data":{"to":"b","TO":"c","data":[[[{"a":1e400}]]]}}`,
		`{"event":"refuse","data":{"to":"b","toSession":null,"callId":null,"x":{}}}`,
		`{"event":"sync","id":"x"}`, `{"event":"ping","id":"7"}`, `{"event":"sync","event":"sync"}`, `{"id":5}`, `{"event":5}`, `[]`, ``, `{"event":"offer","data":5}`,
		`{"event":"disconnectPeer","data":{"to":5,"to":6}}`, `{"event":"\u006fffer"}`, strings.Repeat(`{"event":`, 20),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		before := bytes.Clone(msg)
		got, bad := readFrame(msg)
		if !bytes.Equal(msg, before) {
			t.Fatal("the message was changed")
		}
		if got.id != nil && !json.Valid(got.id) {
			t.Fatalf("id %q", got.id)
		}
		if bad != nil {
			checkRefusal(t, got.id, bad)
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(msg, &members); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		checkRead(t, got, members)
		checkOrders(t, got, members)
	})
}

func checkRefusal(t *testing.T, id []byte, bad *refusal) {
	var said struct {
		Event string
		ID    json.RawMessage
		Data  struct{ Code, Message string }
	}
	if err := json.Unmarshal(encodeError(id, bad), &said); err != nil {
		t.Fatal(err)
	}
	if said.Event != "error" || said.Data.Code != bad.code || said.Data.Message != bad.message || !bytes.Equal(said.ID, id) {
		t.Fatalf("said %+v about %+v", said, bad)
	}
	if bad.code == "" || bad.message == "" || len(bad.message) > 200 || !utf8.ValidString(bad.message) {
		t.Fatalf("refused with %q %q", bad.code, bad.message)
	}
}

// checkRead holds what was read against what encoding/json makes of the same members.
func checkRead(t *testing.T, got frame, members map[string]json.RawMessage) {
	if id, has := members["id"]; has != (got.id != nil) || !bytes.Equal(got.id, id) {
		t.Fatalf("id %q, want %q", got.id, id)
	}
	var event string
	if err := json.Unmarshal(members["event"], &event); err != nil {
		t.Fatal(err)
	}
	if got.ask != 0 {
		if show(got) != event {
			t.Fatalf("read %s, want %q", show(got), event)
		}
		return
	}
	if got.req.Kind.String() != event {
		t.Fatalf("read %q, want %q", got.req.Kind, event)
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(members["data"], &data); err != nil {
		t.Fatal(err)
	}
	var to, toSession, callID string
	for name, into := range map[string]*string{"to": &to, "toSession": &toSession} {
		if raw, has := data[name]; has {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got.req.To != to || got.req.ToSession != toSession {
		t.Fatalf("to %q, session %q, want %q, %q", got.req.To, got.req.ToSession, to, toSession)
	}
	if raw := data["callId"]; got.req.Kind != wire.Message && raw != nil && string(raw) != "null" {
		if err := json.Unmarshal(got.req.CallID, &callID); err != nil || !bytes.Equal(raw, got.req.CallID) {
			t.Fatalf("call id %q, want %q", got.req.CallID, raw)
		}
	} else if got.req.CallID != nil {
		t.Fatalf("call id %q out of nothing", got.req.CallID)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(got.req.Body, &body); err != nil {
		t.Fatalf("body %q: %v", got.req.Body, err)
	}
	for name, raw := range body {
		if !bytes.Equal(raw, data[name]) {
			t.Fatalf("%s is %q, want %q", name, raw, data[name])
		}
	}

	// And the whole way to the other end.
	signal := wire.Signal{
		Kind: got.req.Kind, From: wire.Quote("me"), FromSession: "S", ToSession: got.req.ToSession, CallID: got.req.CallID,
		Body: got.req.Body,
	}
	arrived, err := wire.ReadSignal(wire.AppendSignal(nil, &signal))
	if err != nil || !reflect.DeepEqual(arrived, signal) {
		t.Fatalf("arrived as %+v: %v", arrived, err)
	}
	if out := encodeSignal(&arrived); !json.Valid(out) {
		t.Fatalf("encoded as %q", out)
	}
}

// checkOrders holds the frame against the same members in every order.
func checkOrders(t *testing.T, want frame, members map[string]json.RawMessage) {
	names := []string{"event", "id", "data"}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var parts []string
		for _, i := range order {
			if raw, has := members[names[i]]; has {
				parts = append(parts, fmt.Sprintf("%q:%s", names[i], raw))
			}
		}
		reordered := "{" + strings.Join(parts, ",") + "}"
		got, bad := readFrame([]byte(reordered))
		if bad != nil {
			t.Fatalf("%s was refused: %s: %s", reordered, bad.code, bad.message)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s was read as %s, want %s", reordered, show(got), show(want))
		}
	}
}

var (
	sdp            = strings.Repeat(`a=candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host\r\n`, 44) // 2.5 KB
	offerFrame     = []byte(`{"event":"offer","id":"17","data":{"to":"bob","callId":"c1","offerSDP":"` + sdp + `","offerType":"offer","audioOnly":false}}`)
	candidateFrame = []byte(`{"event":"iceCandidate","data":{"to":"bob","candidate":"candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"a1b2"}}`)
)

func BenchmarkReadFrame(b *testing.B) {
	for name, msg := range map[string][]byte{"offer": offerFrame, "candidate": candidateFrame} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			for b.Loop() {
				if _, bad := readFrame(msg); bad != nil {
					b.Fatal(bad.message)
				}
			}
		})
	}
}
