package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Values leave as they came, byte for byte.
func TestValuesAreSpliced(t *testing.T) {
	values := jsonTexts(5).Filter(func(v string) bool { return len(v) <= MaxAppMessage })
	rapid.Check(t, func(t *rapid.T) {
		value := values.Draw(t, "value")
		space := rapid.StringMatching(`[ \t\r\n]{0,3}`)
		text := fmt.Sprintf(`{%s"data"%s:%s%s%s,"to":"bob"}`,
			space.Draw(t, "1"), space.Draw(t, "2"), space.Draw(t, "3"), value, space.Draw(t, "4"))
		req, err := readRequest(t, Message, text)
		if err != nil || string(req.Body) != `{"data":`+value+`}` {
			t.Fatalf("%s became %s: %v", text, req.Body, err)
		}
	})
}

// jsonTexts draws JSON texts, oddly spelled, that nest to the given depth at most.
func jsonTexts(depth int) *rapid.Generator[string] {
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n\t"})
	char := rapid.SampledFrom([]string{"a", "é", "😀", `\n`, `\"`, `\\`, `\/`, `\u0061`, `\u0000`, `\ud83d\ude00`, "<", "\u2028", "{", "]"})
	text := rapid.Custom(func(t *rapid.T) string {
		return `"` + strings.Join(rapid.SliceOfN(char, 0, 8).Draw(t, "characters"), "") + `"`
	})
	scalar := rapid.OneOf(text, rapid.SampledFrom([]string{"null", "true", "false", "0", "-0", "1.0", "1E+2", "1e-999", "12345678901234567890"}))
	if depth == 0 {
		return scalar
	}
	inner := jsonTexts(depth - 1)
	return rapid.OneOf(scalar, rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		object := rapid.Bool().Draw(t, "object")
		for i, v := range rapid.SliceOfN(inner, 0, 4).Draw(t, "values") {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(space.Draw(t, "before"))
			if object {
				fmt.Fprintf(&b, `"%d%s:`, i, text.Draw(t, "name")[1:])
			}
			b.WriteString(v + space.Draw(t, "after"))
		}
		if object {
			return "{" + b.String() + "}"
		}
		return "[" + b.String() + "]"
	}))
}

// What is accepted is checked against another JSON reader.
func FuzzReadRequest(f *testing.F) {
	for _, text := range append(malformed[:len(malformed):len(malformed)], benchOffer, benchCandidate,
		`{"to":"bob","candidate":null,"sdpMLineIndex":0}`,
		`{"to":"bob","answerSDP":"\ud83d\ude00","answerType":"","callId":null,"toSession":"a"}`,
		`{"\u0074o":"bob","data": [1, {"a":"\u0000"}] ,"x":[]}`,
		`{"to":"bob","to":"bob"}`, `{"TO":"eve","to":"bob","data":0}`, nested(`{"to":"b","data":`, "}", 17),
	) {
		for _, kind := range Kinds {
			f.Add(uint8(kind), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, k uint8, text []byte) {
		kind := Kinds[int(k)%len(Kinds)]
		before := bytes.Clone(text)
		r := NewReader(text)
		req, err := ReadRequest(r, kind)
		if err == nil {
			err = r.End()
		}
		r.Free()
		if !bytes.Equal(text, before) {
			t.Fatalf("the text was changed from %q to %q", before, text)
		}
		if err != nil {
			var field *FieldError
			if !errors.Is(err, ErrSyntax) && !errors.As(err, &field) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		checkRequest(t, req, text)
	})
}

// checkRequest checks that req is what encoding/json reads in text, and keeps the rules.
func checkRequest(t *testing.T, req Request, text []byte) {
	t.Helper()
	var in, out map[string]json.RawMessage
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatalf("accepted %q: %v", text, err)
	}
	if err := json.Unmarshal(req.Body, &out); err != nil {
		t.Fatalf("%q has the body %q: %v", text, req.Body, err)
	}
	var to string
	if err := json.Unmarshal(in["to"], &to); err != nil || to != req.To || CheckUserID(to) != nil {
		t.Errorf("%q is to %q", text, req.To)
	}
	if req.ToSession != "" && CheckName(req.ToSession) != nil {
		t.Errorf("%q is to session %q", text, req.ToSession)
	}
	if req.CallID != nil {
		var call string
		if err := json.Unmarshal(req.CallID, &call); err != nil || len(call) > MaxCallID || req.Kind == Message {
			t.Errorf("%q has the call id %q: %v", text, req.CallID, err)
		}
	}
	order := make([]string, 0, len(out))
	for _, m := range bodies[req.Kind] {
		raw, has := out[m.name]
		if m.required && !has {
			t.Errorf("%q lacks %s", text, m.name)
		}
		want := in[m.name]
		if string(want) == "null" && !m.required && !m.nullable {
			want = nil
		}
		if has != (len(want) > 0) || !bytes.Equal(raw, want) {
			t.Errorf("%q: %s became %q", text, m.name, raw)
		}
		if has {
			order = append(order, m.name)
			delete(out, m.name)
		}
	}
	if len(out) > 0 {
		t.Errorf("%q let through %v", text, out)
	}
	if !slices.IsSortedFunc(order, func(a, b string) int {
		return bytes.Index(req.Body, []byte(`"`+a+`":`)) - bytes.Index(req.Body, []byte(`"`+b+`":`))
	}) {
		t.Errorf("members in disorder: %s", req.Body)
	}
}
