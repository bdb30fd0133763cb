package socketio

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// names draws user ids, with a liking for what JSON and payloads make something of.
var names = rapid.StringOfN(
	rapid.OneOf(rapid.SampledFrom([]rune("\"\\/<>&'[]{},:\u2028\u2029\ufeff\ufffd😀b42-=*. ")), rapid.Rune()), 1, 40, wire.MaxUserID,
).Filter(func(s string) bool { return wire.CheckUserID(s) == nil })

// argument is the only one of a message that is an event of this name; nil if there is none.
func argument(t rapid.TB, msg []byte, event string) json.RawMessage {
	t.Helper()
	var array []json.RawMessage
	var name string
	text, ok := strings.CutPrefix(string(msg), "42")
	if !ok || json.Unmarshal([]byte(text), &array) != nil || len(array) == 0 || json.Unmarshal(array[0], &name) != nil {
		t.Fatalf("%q is no event", msg)
	}
	if strings.ContainsRune(text, '\x1e') {
		t.Errorf("%q would be two in a payload", msg)
	}
	if name != event || len(array) > 2 {
		t.Fatalf("%q is not %s with one argument at most", msg, event)
	}
	if len(array) == 1 {
		return nil
	}
	return array[1]
}

// Whatever a user is called, events are JSON and say so much and no more.
func TestEncodeSignal(t *testing.T) {
	bodies := []struct {
		kind wire.Kind
		body string
		want string // of the argument, but for the names
	}{
		{wire.Offer, `{"offerSDP":"v=0","offerType":"offer","audioOnly":true}`, ""},
		{wire.Offer, `{"offerSDP":"v=0","offerType":"offer"}`, `{"offerSDP":"v=0","offerType":"offer","audioOnly":false}`},
		{wire.Answer, `{"answerSDP":"v=0","answerType":"answer"}`, ""},
		{wire.Refuse, `{}`, ""},
		{wire.ICECandidate, `{"candidate":"c","sdpMid":null,"sdpMLineIndex":0,"usernameFragment":null}`, ""},
		{wire.ICECandidate, `{"candidate":null}`, `{"candidate":null,"sdpMid":null,"sdpMLineIndex":null}`},
		{wire.ICECandidate, `{"candidate":"c","usernameFragment":"f"}`, `{"candidate":"c","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":"f"}`},
		{wire.DisconnectPeer, `{}`, ""},
		{wire.Message, `{"data":[1,{"audioOnly":null}]}`, ""},
	}
	rapid.Check(t, func(t *rapid.T) {
		from, to := names.Draw(t, "from"), names.Draw(t, "to")
		for _, b := range bodies {
			event := strings.Replace(b.kind.String(), "iceCandidate", "remoteIceCandidate", 1)
			msg := encodeSignal(&wire.Signal{Kind: b.kind, From: wire.Quote(from), FromSession: "s1", Body: []byte(b.body)}, to)
			got := argument(t, msg, event)
			want := make(map[string]any)
			if err := json.Unmarshal([]byte(cmp.Or(b.want, b.body)), &want); err != nil {
				t.Fatal(err)
			}
			switch b.kind {
			case wire.Refuse, wire.DisconnectPeer:
				if got != nil {
					t.Errorf("%s has an argument", msg)
				}
				continue
			case wire.Offer, wire.Message:
				want["from"] = from
			case wire.ICECandidate:
				want["to"] = to
			}
			members := make(map[string]any)
			if err := json.Unmarshal(got, &members); err != nil || !reflect.DeepEqual(members, want) {
				t.Errorf("%s: %v, %v, want %v", msg, err, members, want)
			}
		}
	})
}

func TestEncodeUpdate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(names, 0, 20).Draw(t, "users")
		var got struct{ UserList *[]string }
		arg := argument(t, encodeUpdate(&roster.Update{Kind: roster.Whole, Users: list, Version: 7}), "updateUserlist")
		if err := json.Unmarshal(arg, &got); err != nil || got.UserList == nil || !slices.Equal(*got.UserList, list) {
			t.Errorf("%q is told as %s: %v", list, arg, err)
		}
		n := rapid.IntRange(0, 1<<40).Draw(t, "count")
		arg = argument(t, encodeUpdate(&roster.Update{Kind: roster.Count, Count: n, Version: 7}), "userCount")
		if want := fmt.Sprintf(`{"count":%d}`, n); string(arg) != want {
			t.Errorf("told as %s, want %s", arg, want)
		}
	})
	for _, nobody := range [][]string{nil, {}} {
		if got := string(encodeUpdate(&roster.Update{Users: nobody})); got != `42["updateUserlist",{"userList":[]}]` {
			t.Errorf("nobody is %s", got)
		}
	}
}

func TestEncodeError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := rapid.String().Draw(t, "message")
		args := encodeError(&refusal{codeBadField, message})
		var got struct{ Status, Code, Message string }
		if err := json.Unmarshal(args.Values[0], &got); err != nil || got.Status != "error" || got.Code != codeBadField ||
			got.Message != strings.ToValidUTF8(message, "\ufffd") || len(args.Values) != 1 || args.Attachments != nil {
			t.Errorf("%q is told as %s: %v", message, args.Values, err)
		}
	})
}

func TestOutcomes(t *testing.T) {
	for _, o := range wire.AllOutcomes {
		if got, want := string(outcomes[o].Values[0]), `{"status":"`+o.String()+`"}`; got != want {
			t.Errorf("%s is %s", o, got)
		}
	}
}
