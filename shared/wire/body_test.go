package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readRequest reads text as the data of a frame in which more follows, and fails unless that can be read.
func readRequest(t rapid.TB, kind Kind, text string) (Request, error) {
	t.Helper()
	r := NewReader([]byte(`{"event":"x","data":` + text + `,"id":"7"}`))
	defer r.Free()
	var req Request
	var failed error
	var after string
	err := r.Object(func(name []byte) error {
		if string(name) == "data" {
			req, failed = ReadRequest(r, kind)
			return nil
		}
		v, err := r.Value()
		after = string(v)
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil || after != `"7"` {
		t.Errorf("after %s %.200s: id %s, error %v", kind, text, after, err)
	}
	return req, failed
}

func TestRequests(t *testing.T) {
	const session = "K2TQ7A0SPMZVWX34"
	for _, c := range []struct {
		kind Kind
		text string
		want Request
	}{
		{
			Offer, `{"to":"bob","offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false}`,
			Request{To: "bob", Body: []byte(`{"offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false}`)},
		},
		{
			Offer, `{"audioOnly":true,"callId":"c1","offerType":"","offerSDP":"","toSession":"` + session + `","to":"bob"}`,
			Request{
				To: "bob", ToSession: session, CallID: []byte(`"c1"`),
				Body: []byte(`{"offerSDP":"","offerType":"","audioOnly":true}`),
			},
		},
		{
			Offer, `{"to":"\u0062ob","callId":"\u0063","offerSDP":"\u0041","offerType":"x","toSession":null}`,
			Request{To: "bob", CallID: []byte(`"\u0063"`), Body: []byte(`{"offerSDP":"\u0041","offerType":"x"}`)},
		},
		{
			Offer, `{"to":"bob","offerSDP":"v","offerType":"offer","audioOnly":null}`,
			Request{To: "bob", Body: []byte(`{"offerSDP":"v","offerType":"offer"}`)},
		},
		{
			Answer, ` { "to" : "a b" , "answerSDP" : "v" , "answerType" : "answer" , "callId" : null } `,
			Request{To: "a b", Body: []byte(`{"answerSDP":"v","answerType":"answer"}`)},
		},
		{Refuse, `{"to":"bob"}`, Request{To: "bob", Body: []byte(`{}`)}},
		{
			DisconnectPeer, `{"to":"Ünï😀","callId":""}`,
			Request{To: "Ünï😀", CallID: []byte(`""`), Body: []byte(`{}`)},
		},
		{
			ICECandidate, `{"to":"bob","candidate":"","sdpMid":"","sdpMLineIndex":0,"usernameFragment":""}`,
			Request{To: "bob", Body: []byte(`{"candidate":"","sdpMid":"","sdpMLineIndex":0,"usernameFragment":""}`)},
		},
		{
			ICECandidate, `{"to":"bob","candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}`,
			Request{To: "bob", Body: []byte(`{"candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}`)},
		},
		{
			ICECandidate, `{"to":"bob","sdpMLineIndex":65535,"candidate":"candidate:1"}`,
			Request{To: "bob", Body: []byte(`{"candidate":"candidate:1","sdpMLineIndex":65535}`)},
		},
		{Message, `{"to":"bob","data":null}`, Request{To: "bob", Body: []byte(`{"data":null}`)}},
		{Message, `{"to":"bob","data":false}`, Request{To: "bob", Body: []byte(`{"data":false}`)}},
		{Message, `{"to":"bob","data":0}`, Request{To: "bob", Body: []byte(`{"data":0}`)}},
		{
			Message, `{"to":"bob","data":{ "to" : ["x", 1.0e2] },"callId":"belongs to calls"}`,
			Request{To: "bob", Body: []byte(`{"data":{ "to" : ["x", 1.0e2] }}`)},
		},

		// What is not on the list stays behind: unknown members, other kinds', and those spelled otherwise.
		{
			Refuse, `{"TO":"eve","to":"bob","To":5,"from":"eve","fromSession":"x","data":1,"offerSDP":"v","__proto__":{},"":0}`,
			Request{To: "bob", Body: []byte(`{}`)},
		},
		{
			Answer, `{"to":"bob","answerSDP":"v","answersdp":5,"answerType":"answer","offerSDP":5,"audioOnly":true}`,
			Request{To: "bob", Body: []byte(`{"answerSDP":"v","answerType":"answer"}`)},
		},
	} {
		c.want.Kind = c.kind
		got, err := readRequest(t, c.kind, c.text)
		if err != nil || !equalRequests(got, c.want) {
			t.Errorf("%s %s:\n got %s, error %v\nwant %s", c.kind, c.text, show(got), err, show(c.want))
		}
	}
}

func equalRequests(a, b Request) bool {
	return a.Kind == b.Kind && a.To == b.To && a.ToSession == b.ToSession &&
		bytes.Equal(a.CallID, b.CallID) && (a.CallID == nil) == (b.CallID == nil) && bytes.Equal(a.Body, b.Body)
}

func show(r Request) string {
	return fmt.Sprintf("%s to %q, session %q, call %q, body %s", r.Kind, r.To, r.ToSession, r.CallID, r.Body)
}

func TestBadRequests(t *testing.T) {
	offer := `"offerSDP":"v","offerType":"offer"`
	for _, c := range []struct {
		kind  Kind
		text  string
		field string
	}{
		{Refuse, `{}`, "to"},
		{Refuse, `{"TO":"bob"}`, "to"},
		{Refuse, `{"to":null}`, "to"},
		{Refuse, `{"to":5}`, "to"},
		{Refuse, `{"to":true}`, "to"},
		{Refuse, `{"to":["bob"]}`, "to"},
		{Refuse, `{"to":{"user":"bob"}}`, "to"},
		{Refuse, `{"to":""}`, "to"},
		{Refuse, `{"to":"\u0000"}`, "to"},
		{Refuse, `{"to":"a\nb"}`, "to"},
		{Refuse, `{"to":"\u009f"}`, "to"},
		{Refuse, `{"to":"` + strings.Repeat("a", 129) + `"}`, "to"},
		{Refuse, `{"to":"` + strings.Repeat("a", 5<<10) + `"}`, "to"},
		{Refuse, `{"to":"bob","toSession":""}`, "toSession"},
		{Refuse, `{"to":"bob","toSession":5}`, "toSession"},
		{Refuse, `{"to":"bob","toSession":"a.b"}`, "toSession"},
		{Refuse, `{"to":"bob","toSession":["a"]}`, "toSession"},
		{Refuse, `{"to":"bob","toSession":"` + strings.Repeat("a", 65) + `"}`, "toSession"},
		{Refuse, `{"to":"bob","callId":5}`, "callId"},
		{Refuse, `{"to":"bob","callId":{}}`, "callId"},
		{Offer, `{"to":"bob"}`, "offerSDP"},
		{Offer, `{"to":"bob","offerSDP":"v"}`, "offerType"},
		{Offer, `{"to":"bob","offerSDP":null,"offerType":"offer"}`, "offerSDP"},
		{Offer, `{"to":"bob","offerSDP":5,"offerType":"offer"}`, "offerSDP"},
		{Offer, `{"to":"bob","offerSDP":{"sdp":"v"},"offerType":"offer"}`, "offerSDP"},
		{Offer, `{"to":"bob","offerSDP":["v"],"offerType":"offer"}`, "offerSDP"},
		{Offer, `{"to":"bob","offerSDP":true,"offerType":"offer"}`, "offerSDP"},
		{Offer, `{"to":"bob","offerSDP":"v","offerType":5}`, "offerType"},
		{Offer, `{"to":"bob","offerSDP":"v","offerType":null}`, "offerType"},
		{Offer, `{"to":"bob",` + offer + `,"audioOnly":0}`, "audioOnly"},
		{Offer, `{"to":"bob",` + offer + `,"audioOnly":"true"}`, "audioOnly"},
		{Offer, `{"to":"bob",` + offer + `,"audioOnly":[]}`, "audioOnly"},
		{Answer, `{"to":"bob",` + offer + `}`, "answerSDP"},
		{Answer, `{"to":"bob","answerSDP":"v"}`, "answerType"},
		{Answer, `{"to":"bob","answerSDP":[],"answerType":"answer"}`, "answerSDP"},
		{ICECandidate, `{"to":"bob"}`, "candidate"},
		{ICECandidate, `{"to":"bob","sdpMid":"0","sdpMLineIndex":0}`, "candidate"},
		{ICECandidate, `{"to":"bob","candidate":5}`, "candidate"},
		{ICECandidate, `{"to":"bob","candidate":false}`, "candidate"},
		{ICECandidate, `{"to":"bob","candidate":{"candidate":"x"}}`, "candidate"},
		{ICECandidate, `{"to":"bob","candidate":"","sdpMid":0}`, "sdpMid"},
		{ICECandidate, `{"to":"bob","candidate":"","usernameFragment":[]}`, "usernameFragment"},
		{Message, `{"to":"bob"}`, "data"},
		{Message, `{"to":"bob","Data":1}`, "data"},
	} {
		req, err := readRequest(t, c.kind, c.text)
		isFieldError(t, fmt.Sprintf("%s %.200s", c.kind, c.text), err, c.field)
		if !equalRequests(req, Request{}) {
			t.Errorf("%s %.200s gave %s", c.kind, c.text, show(req))
		}
	}
	for _, index := range []string{"-1", "-0", "65536", "1.0", "1e2", "0.5", "18446744073709551617", "1e999", `"1"`, "true", "[0]"} {
		text := `{"to":"bob","candidate":"","sdpMLineIndex":` + index + `}`
		_, err := readRequest(t, ICECandidate, text)
		isFieldError(t, text, err, "sdpMLineIndex")
	}
}

func isFieldError(t *testing.T, what string, err error, field string) {
	t.Helper()
	var bad *FieldError
	if !errors.As(err, &bad) || bad.Field != field {
		t.Errorf("%s: %v, want an error about %s", what, err, field)
	}
}

// The first fault is told, in words that are fit for whoever made it.
func TestFieldErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                       "to must be a user id",
		`{"to":"a\nb"}`:            "to must be a user id: user id has a control character",
		`{"to":"b","toSession":5}`: "toSession must be a session id",
		`{"to":"b","candidate":5}`: "candidate must be a string of at most 2048 bytes or null",
		`{"to":"b","candidate":"","sdpMLineIndex":-1,"sdpMid":5}`: "sdpMLineIndex must be a whole number from 0 to 65535 or null",
		`{"to":"b","callId":5,"candidate":5}`:                     "callId must be a string of at most 64 bytes",
	} {
		if _, err := readRequest(t, ICECandidate, text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want: %s", text, err, want)
		}
	}
	_, err := readRequest(t, Offer, `{"to":"b","offerSDP":"v","offerType":"o","audioOnly":1}`)
	if want := "audioOnly must be true or false"; err == nil || err.Error() != want {
		t.Errorf("%v, want: %s", err, want)
	}
	_, err = readRequest(t, Message, `{"to":"b"}`)
	if want := "data must be JSON of at most 16384 bytes"; err == nil || err.Error() != want {
		t.Errorf("%v, want: %s", err, want)
	}
}

// Bounds count bytes of UTF-8, however they are written.
func TestBoundsOfStrings(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		format string // of the data, with one string in it
		field  string
		limit  int
	}{
		{Refuse, `{"to":%s}`, "to", 128},
		{Refuse, `{"to":"bob","callId":%s}`, "callId", 64},
		{Offer, `{"to":"bob","offerSDP":%s,"offerType":""}`, "offerSDP", 32 << 10},
		{Offer, `{"to":"bob","offerSDP":"","offerType":%s}`, "offerType", 256},
		{Answer, `{"to":"bob","answerSDP":%s,"answerType":""}`, "answerSDP", 32 << 10},
		{Answer, `{"to":"bob","answerSDP":"","answerType":%s}`, "answerType", 256},
		{ICECandidate, `{"to":"bob","candidate":%s}`, "candidate", 2 << 10},
		{ICECandidate, `{"to":"bob","candidate":"","sdpMid":%s}`, "sdpMid", 256},
		{ICECandidate, `{"to":"bob","candidate":"","usernameFragment":%s}`, "usernameFragment", 256},
	} {
		for _, char := range []struct {
			json  string
			bytes int
		}{{"a", 1}, {`\u0061`, 1}, {`\"`, 1}, {"é", 2}, {`\u00e9`, 2}, {"😀", 4}, {`\ud83d\ude00`, 4}} {
			fits := `"` + strings.Repeat(char.json, c.limit/char.bytes) + `"`
			if _, err := readRequest(t, c.kind, fmt.Sprintf(c.format, fits)); err != nil {
				t.Errorf("%s of %d bytes made of %s: %v", c.field, c.limit, char.json, err)
			}
			for _, one := range []string{"a", `\u0061`} {
				long := fits[:len(fits)-1] + one + `"`
				_, err := readRequest(t, c.kind, fmt.Sprintf(c.format, long))
				isFieldError(t, fmt.Sprintf("%s of %d bytes made of %s", c.field, c.limit+1, char.json), err, c.field)
			}
		}
	}
	long := `{"to":"bob","toSession":"` + strings.Repeat(`\u0061`, MaxName) + `"}`
	if req, err := readRequest(t, Refuse, long); err != nil || req.ToSession != strings.Repeat("a", MaxName) {
		t.Errorf("session %q, error %v", req.ToSession, err)
	}
}

// An application's data is bounded as it is written, and in depth with the frame around it.
func TestBoundsOfData(t *testing.T) {
	for _, c := range []struct {
		data string
		fits bool
	}{
		{`"` + strings.Repeat("a", MaxAppMessage-2) + `"`, true},
		{`"` + strings.Repeat("a", MaxAppMessage-1) + `"`, false},
		{"[" + strings.Repeat(" ", MaxAppMessage-2) + "]", true},
		{"[" + strings.Repeat(" ", MaxAppMessage-1) + "]", false},
		{strings.Repeat("9", MaxAppMessage), true},
		{strings.Repeat("9", MaxAppMessage+1), false},
		{"[" + strings.Repeat("0,", MaxAppMessage/2-1) + "0]", false},
		{"[" + strings.Repeat("0,", MaxAppMessage/2-2) + "0]", true},
	} {
		req, err := readRequest(t, Message, `{"to":"bob","data": `+c.data+` }`)
		if c.fits && (err != nil || string(req.Body) != `{"data":`+c.data+`}`) {
			t.Errorf("%d bytes of data, %.20s…: %v", len(c.data), c.data, err)
		} else if !c.fits {
			isFieldError(t, fmt.Sprintf("%d bytes of data, %.20s…", len(c.data), c.data), err, "data")
		}
	}

	read := func(levels int) error { // the frame, its data and the message's data included
		r := NewReader([]byte(`{"data":{"to":"bob","data":` + nested("[", "]", levels-2) + `}}`))
		defer r.Free()
		return r.Object(func([]byte) error {
			_, err := ReadRequest(r, Message)
			return err
		})
	}
	if err := read(MaxDepth); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	for _, levels := range []int{MaxDepth + 1, 10_000} {
		if err := read(levels); !errors.Is(err, ErrSyntax) {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	for _, text := range malformed {
		for _, kind := range Kinds {
			r := NewReader([]byte(text))
			_, err := ReadRequest(r, kind)
			var field *FieldError
			if errors.As(err, &field) { // a good object, and something after it
				err = r.End()
			}
			r.Free()
			if !errors.Is(err, ErrSyntax) {
				t.Errorf("%s %q: %v", kind, text, err)
			}
		}
	}
	for _, text := range []string{
		`{"to":"bob","to":"bob"}`, `{"to":"bob","\u0074o":"bob"}`, `{"to":"bob","x":1,"x":2}`, `{"to":"bob"`, `{"to":"bob",}`,
		"{\"to\":\"b\xffb\"}", `{"to":"\ud800"}`, `"bob"`, `["bob"]`, `null`,
	} {
		r := NewReader([]byte(text))
		if req, err := ReadRequest(r, Refuse); !errors.Is(err, ErrSyntax) || !equalRequests(req, Request{}) {
			t.Errorf("%q: %s, error %v", text, show(req), err)
		}
		r.Free()
	}
}
