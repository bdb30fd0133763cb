package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendSignal(t *testing.T) {
	for _, c := range []struct {
		s    Signal
		want string
	}{
		{
			Signal{Kind: Refuse, From: []byte(`"alice"`), Body: []byte(`{}`)},
			`{"v":1,"kind":"refuse","from":"alice","body":{}}`,
		},
		{
			Signal{
				Kind: Offer, From: []byte(`"a \"b\""`), FromSession: "S1", ToSession: "S2", CallID: []byte(`"c1"`),
				Body: []byte(`{"offerSDP":"v"}`),
			},
			`{"v":1,"kind":"offer","from":"a \"b\"","fromSession":"S1","toSession":"S2","callId":"c1","body":{"offerSDP":"v"}}`,
		},
	} {
		if got := AppendSignal(nil, &c.s); string(got) != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if got := AppendSignal([]byte("before "), &c.s); string(got) != "before "+c.want {
			t.Errorf("got %s", got)
		}
	}
}

// What AppendSignal writes both readers take, and read the same.
func TestSignalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := signals().Draw(t, "signal")
		msg := AppendSignal(nil, &s)
		if !json.Valid(msg) {
			t.Fatalf("not JSON: %s", msg)
		}
		if len(msg)-len(s.Body) > SignalOverhead {
			t.Errorf("%d bytes beside the body", len(msg)-len(s.Body))
		}
		if got, ok := scanSignal(msg); !ok || !equalSignals(got, s) {
			t.Fatalf("%s\nscanned as %v, %s", msg, ok, showSignal(got))
		}
		if got, err := ReadForeignSignal(msg); err != nil || !equalSignals(got, s) {
			t.Fatalf("%s\nread as %s, error %v", msg, showSignal(got), err)
		}
	})
}

// What is appended has what the body has, and false or null for what may be absent.
func TestAppendMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := signals().Draw(t, "signal")
		if s.Kind == Message && s.Body[len(`{"data":`)] != '"' {
			s.Body = []byte(`{"data":"plain"}`) // another kind of value is copied with all there is, which is nothing else
		}
		whole := append(AppendMembers([]byte("before{"), s.Kind, s.Body)[len("before"):], '}')
		if len(whole) > len(s.Body)+MaxAdded {
			t.Errorf("%d bytes were added to %s", len(whole)-len(s.Body), s.Body)
		}
		var was, is map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(s.Body, &was), json.Unmarshal(whole, &is)); err != nil {
			t.Fatalf("%s became %s: %v", s.Body, whole, err)
		}
		for _, m := range bodies[s.Kind] {
			want := was[m.name]
			if want == nil {
				want = json.RawMessage(m.absent)
			}
			if !bytes.Equal(is[m.name], want) {
				t.Errorf("%s became %s", s.Body, whole)
			}
			delete(is, m.name)
		}
		if len(is) > 0 {
			t.Errorf("%s became %s", s.Body, whole)
		}
	})
	for _, odd := range []string{
		`"offerSDP":"v","unknown":1`, `"offerSDP": "v", "x":1`, `"offerSDP":["v"]`, `"offerSDP":"v`, `"offerSDP"`, `"`, `"audioOnly":true,"offerSDP":"v"`, `x`,
	} {
		if got := AppendMembers(nil, Offer, []byte("{"+odd+"}")); string(got) != odd {
			t.Errorf("%s became %s", odd, got)
		}
	}
	if got := AppendMembers(nil, Message, []byte(`{"data":[1,{"a":2}]}`)); string(got) != `"data":[1,{"a":2}]` {
		t.Errorf("a message became %s", got)
	}
}

func TestSignalOverhead(t *testing.T) {
	long := Signal{
		Kind: DisconnectPeer, FromSession: strings.Repeat("s", MaxName), ToSession: strings.Repeat("s", MaxName),
		From:   []byte(`"` + strings.Repeat(`\u0061`, MaxUserID) + `"`),
		CallID: []byte(`"` + strings.Repeat(`\u0061`, MaxCallID) + `"`),
		Body:   []byte(`{}`),
	}
	msg := AppendSignal(nil, &long)
	if got := len(msg) - len(long.Body); got != SignalOverhead {
		t.Errorf("%d bytes beside the body, want %d", got, SignalOverhead)
	}
	if got, err := ReadForeignSignal(msg); err != nil || !equalSignals(got, long) {
		t.Errorf("read as %s, error %v", showSignal(got), err)
	}
	for _, k := range Kinds {
		if len(k.String()) > len(DisconnectPeer.String()) {
			t.Errorf("%s is the longest kind", k)
		}
	}
	if SignalOverhead+MaxFrame > MaxMessage {
		t.Errorf("a signal may have %d bytes, a message %d", SignalOverhead+MaxFrame, MaxMessage)
	}
}

// A backend may order, space and spell its members as it likes, and add others.
func TestForeignSignals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := signals().Draw(t, "signal")
		space := rapid.StringMatching(`[ \r\n\t]{0,2}`)
		var body []string
		for _, m := range orderedMembers(t, s.Body) {
			body = append(body, space.Draw(t, "space")+m+space.Draw(t, "space"))
		}
		body = append(body, `"unknown":{"a":[1]}`)
		members := []string{
			`"v":1`,
			`"\u006bind":"` + s.Kind.String() + `"`,
			`"from":` + string(s.From),
			`"body": {` + strings.Join(rapid.Permutation(body).Draw(t, "body"), ",") + `} `,
			`"unknown":[{"from":1}]`, `"From":"eve"`, `"KIND":5`,
		}
		if s.FromSession != "" || rapid.Bool().Draw(t, "null") {
			members = append(members, `"fromSession":`+nameOrNull(s.FromSession))
		}
		if s.ToSession != "" || rapid.Bool().Draw(t, "null") {
			members = append(members, `"toSession":`+nameOrNull(s.ToSession))
		}
		switch {
		case s.CallID != nil:
			members = append(members, `"callId":`+string(s.CallID))
		case s.Kind == Message:
			members = append(members, `"callId":"belongs to calls"`)
		}
		msg := "{" + strings.Join(rapid.Permutation(members).Draw(t, "members"), space.Draw(t, "space")+",") + "}"
		for _, read := range []func([]byte) (Signal, error){ReadForeignSignal, ReadSignal} {
			if got, err := read([]byte(msg)); err != nil || !equalSignals(got, s) {
				t.Fatalf("%s\nread as %s, error %v", msg, showSignal(got), err)
			}
		}
	})
}

func nameOrNull(name string) string {
	if name == "" {
		return "null"
	}
	return `"` + name + `"`
}

// orderedMembers are the members of an object, each as it was written.
func orderedMembers(t rapid.TB, object []byte) (members []string) {
	r := NewReader(object)
	defer r.Free()
	if err := r.Object(func(name []byte) error {
		v, err := r.Value()
		members = append(members, `"`+string(name)+`":`+string(v))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestBadSignals(t *testing.T) {
	for msg, field := range map[string]string{
		`{}`:                         "v",
		`{"v":"1"}`:                  "v",
		`{"v":1.0}`:                  "v",
		`{"v":null}`:                 "v",
		`{"v":{}}`:                   "v",
		`{"v":99999999999999999999}`: "v",
		`{"v":1}`:                    "kind",
		`{"v":1,"kind":"sync","from":"a","body":{}}`:                                                 "kind",
		`{"v":1,"kind":"Offer","from":"a","body":{}}`:                                                "kind",
		`{"v":1,"kind":5,"from":"a","body":{}}`:                                                      "kind",
		`{"v":1,"kind":null,"from":"a","body":{}}`:                                                   "kind",
		`{"v":1,"kind":["refuse"],"from":"a","body":{}}`:                                             "kind",
		`{"v":1,"kind":"refuse","body":{}}`:                                                          "from",
		`{"v":1,"kind":"refuse","from":null,"body":{}}`:                                              "from",
		`{"v":1,"kind":"refuse","from":5,"body":{}}`:                                                 "from",
		`{"v":1,"kind":"refuse","from":"","body":{}}`:                                                "from",
		`{"v":1,"kind":"refuse","from":["a"],"body":{}}`:                                             "from",
		`{"v":1,"kind":"refuse","from":"\u0000","body":{}}`:                                          "from",
		`{"v":1,"kind":"refuse","from":"` + strings.Repeat("a", 129) + `","body":{}}`:                "from",
		`{"v":1,"kind":"refuse","from":"a","fromSession":"a.b","body":{}}`:                           "fromSession",
		`{"v":1,"kind":"refuse","from":"a","fromSession":"","body":{}}`:                              "fromSession",
		`{"v":1,"kind":"refuse","from":"a","toSession":5,"body":{}}`:                                 "toSession",
		`{"v":1,"kind":"refuse","from":"a","toSession":"` + strings.Repeat("a", 65) + `","body":{}}`: "toSession",
		`{"v":1,"kind":"refuse","from":"a","callId":5,"body":{}}`:                                    "callId",
		`{"v":1,"kind":"refuse","from":"a","callId":"` + strings.Repeat("a", 65) + `","body":{}}`:    "callId",
		`{"v":1,"kind":"refuse","from":"a"}`:                                                         "body",
		`{"v":1,"kind":"refuse","from":"a","body":null}`:                                             "body",
		`{"v":1,"kind":"refuse","from":"a","body":[]}`:                                               "body",
		`{"v":1,"kind":"refuse","from":"a","body":"{}"}`:                                             "body",
		`{"v":1,"kind":"refuse","from":"a","Body":{}}`:                                               "body",
		`{"v":1,"kind":"offer","from":"a","body":{}}`:                                                "offerSDP",
		`{"v":1,"kind":"offer","from":"a","body":{"offerSDP":5,"offerType":"offer"}}`:                "offerSDP",
		`{"v":1,"kind":"answer","from":"a","body":{"answerSDP":"v"}}`:                                "answerType",
		`{"v":1,"kind":"iceCandidate","from":"a","body":{"candidate":"","sdpMLineIndex":-1}}`:        "sdpMLineIndex",
		`{"v":1,"kind":"message","from":"a","body":{"x":1}}`:                                         "data",
		`{"v":1,"kind":"message","from":"a","body":{"data":"` + strings.Repeat("a", 16<<10) + `"}}`:  "data",
	} {
		_, err := ReadForeignSignal([]byte(msg))
		isFieldError(t, fmt.Sprintf("%.200s", msg), err, field)
	}
}

func TestSignalsOfOtherVersions(t *testing.T) {
	for _, v := range []string{"2", "1000", "0", "-1"} {
		msg := `{"v":` + v + `,"kind":["unlike this version's"],"body":0}`
		for _, read := range []func([]byte) (Signal, error){ReadForeignSignal, ReadSignal} {
			if _, err := read([]byte(msg)); !errors.Is(err, ErrVersion) {
				t.Errorf("%s: %v", msg, err)
			}
		}
	}
	// A member that this version may ignore.
	want := Signal{Kind: Message, From: []byte(`"a"`), FromSession: "S", Body: []byte(`{"data":0}`)}
	for _, msg := range []string{
		`{"v":1,"priority":5,"kind":"message","from":"a","fromSession":"S","body":{"data":0}}`,
		`{"v":1,"kind":"message","from":"a","priority":{"x":[]},"fromSession":"S","body":{"data":0}}`,
		`{"v":1,"kind":"message","from":"a","fromSession":"S","priority":"5","body":{"data":0}}`,
		`{"v":1,"kind":"message","from":"a","fromSession":"S","body":{"data":0},"priority":[5]}`,
	} {
		if got, err := ReadSignal([]byte(msg)); err != nil || !equalSignals(got, want) {
			t.Errorf("%s\nread as %s, error %v", msg, showSignal(got), err)
		}
	}
}

// A gateway's message is not read whole, but its names are.
func TestNamesOfGatewaysSignals(t *testing.T) {
	for _, name := range []string{`a.b`, `*`, `a b`, ``, `\u0061\n`, strings.Repeat("a", 65)} {
		for _, field := range []string{"fromSession", "toSession"} {
			msg := `{"v":1,"kind":"refuse","from":"a","` + field + `":"` + name + `","body":{}}`
			_, err := ReadSignal([]byte(msg))
			isFieldError(t, msg, err, field)
		}
	}
}

func TestMalformedSignals(t *testing.T) {
	refuse := `{"v":1,"kind":"refuse","from":"a","body":{}}`
	message := func(levels int) string { // the message and its body included
		return `{"v":1,"kind":"message","from":"a","body":{"data":` + nested("[", "]", levels-2) + `}}`
	}
	long := func(length int) string {
		const start, end = `{"v":1,"kind":"refuse","from":"a","body":{"x":"`, `"}}`
		return start + strings.Repeat("x", length-len(start)-len(end)) + end
	}
	for _, msg := range append(malformed[:len(malformed):len(malformed)],
		refuse+refuse, refuse+" x", refuse[:len(refuse)-1], refuse[:len(refuse)-2],
		`{"v":1,"kind":"refuse","from":"a","from":"b","body":{}}`,
		`{"v":1,"\u0076":1,"kind":"refuse","from":"a","body":{}}`,
		`{"v":1,"kind":"refuse","from":"a","body":{"x":1,"\u0078":2}}`,
		`{"v":1,"kind":"refuse","from":"\ud800","body":{}}`,
		message(MaxDepth+1), message(10_000), long(MaxFrame+SignalOverhead+1),
	) {
		if _, err := ReadForeignSignal([]byte(msg)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.200q: %v", msg, err)
		}
	}
	for _, msg := range []string{refuse, " " + refuse + "\n", message(MaxDepth), long(MaxFrame + SignalOverhead)} {
		if _, err := ReadForeignSignal([]byte(msg)); err != nil {
			t.Errorf("%.200q: %v", msg, err)
		}
	}
}

// FuzzSignal compares the two readers: what both take they read alike, but for the members that the strict one drops.
func FuzzSignal(f *testing.F) {
	s := benchSignal(f)
	for _, msg := range []string{
		string(AppendSignal(nil, &s)),
		`{"v":1,"kind":"refuse","from":"a","body":{}}`,
		`{"v":1,"kind":"refuse","from":"a","body":{},"toSession":"x","y":{}}`,
		`{"v":1,"kind":"message","from":"a\"","fromSession":"S","toSession":"T","body":{"data":[1,"}}"]}}`,
		`{"v":1,"kind":"answer","from":"\u0061","callId":"","body":{"answerType":"","answerSDP":""}}`,
		`{"body":{"candidate":null},"from":"a","kind":"iceCandidate","v":1}`,
		`{"v":2,"kind":"refuse","from":"a","body":{}}`,
	} {
		f.Add([]byte(msg))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		before := bytes.Clone(msg)
		strict, err := ReadForeignSignal(msg)
		scanned, ok := scanSignal(msg)
		if !bytes.Equal(msg, before) {
			t.Fatalf("the message was changed from %q to %q", before, msg)
		}
		if err != nil {
			var field *FieldError
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrVersion) && !errors.As(err, &field) {
				t.Errorf("%q: %v", msg, err)
			}
			return
		}

		canonical := AppendSignal(nil, &strict)
		if again, err := ReadForeignSignal(canonical); err != nil || !equalSignals(again, strict) {
			t.Errorf("%q became %q: %v", msg, canonical, err)
		}
		if again, ok := scanSignal(canonical); !ok || !equalSignals(again, strict) {
			t.Errorf("%q became %q, scanned as %s", msg, canonical, showSignal(again))
		}

		if !ok || !json.Valid(scanned.Body) { // the latter when members follow the body, which no gateway writes
			return
		}
		var mine, theirs map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(strict.Body, &mine), json.Unmarshal(scanned.Body, &theirs)); err != nil {
			t.Fatalf("%q: %v", msg, err)
		}
		for name, v := range mine {
			if !bytes.Equal(v, theirs[name]) {
				t.Errorf("%q: %s read as %s, scanned as %s", msg, name, v, theirs[name])
			}
		}
		if scanned.Kind == Message {
			scanned.CallID = nil // no gateway writes it
		}
		scanned.Body = strict.Body
		if !equalSignals(scanned, strict) {
			t.Errorf("%q\nread as %s\nscanned as %s", msg, showSignal(strict), showSignal(scanned))
		}
	})
}

func equalSignals(a, b Signal) bool {
	return a.Kind == b.Kind && bytes.Equal(a.From, b.From) && a.FromSession == b.FromSession && a.ToSession == b.ToSession &&
		bytes.Equal(a.CallID, b.CallID) && (a.CallID == nil) == (b.CallID == nil) && bytes.Equal(a.Body, b.Body)
}

func showSignal(s Signal) string {
	return fmt.Sprintf("%s from %s, session %q, to session %q, call %q, body %s", s.Kind, s.From, s.FromSession, s.ToSession, s.CallID, s.Body)
}

// signals draws signals as a gateway may send them.
func signals() *rapid.Generator[Signal] {
	quoted := rapid.Custom(func(t *rapid.T) string {
		return string(Quote(rapid.StringN(0, -1, MaxCallID).Draw(t, "text")))
	})
	return rapid.Custom(func(t *rapid.T) Signal {
		s := Signal{
			Kind:        rapid.SampledFrom(Kinds[:]).Draw(t, "kind"),
			From:        Quote(userIDs().Draw(t, "from")),
			FromSession: rapid.OneOf(rapid.Just(""), names()).Draw(t, "from session"),
			ToSession:   rapid.OneOf(rapid.Just(""), names()).Draw(t, "to session"),
		}
		if s.Kind != Message && rapid.Bool().Draw(t, "call") {
			s.CallID = []byte(quoted.Draw(t, "call id"))
		}
		var members []string
		for _, m := range bodies[s.Kind] {
			if !m.required && rapid.Bool().Draw(t, "absent") {
				continue
			}
			var v string
			switch {
			case m.nullable && rapid.Bool().Draw(t, "null"):
				v = "null"
			case m.typ == text:
				v = quoted.Draw(t, m.name)
			case m.typ == boolean:
				v = fmt.Sprint(rapid.Bool().Draw(t, m.name))
			case m.typ == lineIndex:
				v = fmt.Sprint(rapid.Uint16().Draw(t, m.name))
			case m.typ == anyJSON:
				v = jsonTexts(3).Draw(t, m.name)
			}
			members = append(members, `"`+m.name+`":`+v)
		}
		s.Body = []byte("{" + strings.Join(members, ",") + "}")
		return s
	})
}
