package sio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]packet{
		`0`:                             {typ: packetConnect, namespace: "/"},
		`0{"a":1}`:                      {typ: packetConnect, namespace: "/", data: []byte(`{"a":1}`)},
		`0/admin,`:                      {typ: packetConnect, namespace: "/admin"},
		`0/admin`:                       {typ: packetConnect, namespace: "/admin"},
		`0/admin?x=1,{"a":1}`:           {typ: packetConnect, namespace: "/admin?x=1", data: []byte(`{"a":1}`)},
		`1/admin,`:                      {typ: packetDisconnect, namespace: "/admin"},
		`2["a"]`:                        {typ: packetEvent, namespace: "/", data: []byte(`["a"]`)},
		`20["a"]`:                       {typ: packetEvent, namespace: "/", ack: 1, data: []byte(`["a"]`)},
		`2007["a"]`:                     {typ: packetEvent, namespace: "/", ack: 8, data: []byte(`["a"]`)},
		`2/b,12["a"]`:                   {typ: packetEvent, namespace: "/b", ack: 13, data: []byte(`["a"]`)},
		`2/b,-12["a"]`:                  {typ: packetEvent, namespace: "/b", data: []byte(`-12["a"]`)},
		`39007199254740991[]`:           {typ: packetAck, namespace: "/", ack: 1 << 53, data: []byte(`[]`)},
		`51-["a"]`:                      {typ: packetBinaryEvent, attachments: 1, namespace: "/", data: []byte(`["a"]`)},
		`510-/b,3["a"]`:                 {typ: packetBinaryEvent, attachments: 10, namespace: "/b", ack: 4, data: []byte(`["a"]`)},
		`62-/b,3[]`:                     {typ: packetBinaryAck, attachments: 2, namespace: "/b", ack: 4, data: []byte(`[]`)},
		`4{"message":"x"}`:              {typ: packetConnectError, namespace: "/", data: []byte(`{"message":"x"}`)},
		`2["a"] trailing`:               {typ: packetEvent, namespace: "/", data: []byte(`["a"] trailing`)},
		`2` + "\x00":                    {typ: packetEvent, namespace: "/", data: []byte("\x00")},
		`0/` + strings.Repeat("n", 255): {typ: packetConnect, namespace: "/" + strings.Repeat("n", 255)},
	} {
		got, err := parse([]byte(text))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || (got.data == nil) != (want.data == nil) {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, text := range []string{
		"", "7", "a", "-", " 2[]", "\x00", `5["a"]`, `5-["a"]`, `50-["a"]`, `511-["a"]`, `5100-["a"]`, `5-1-["a"]`, `51["a"]`, `51`, `5 1-[]`,
		`5+1-["a"]`, `51.0-["a"]`, `60-[]`, `611-[]`, `2` + strings.Repeat("9", 16) + `["a"]`, `0/` + strings.Repeat("n", 256),
	} {
		if p, err := parse([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}

func TestEventNames(t *testing.T) {
	for text, want := range map[string]string{
		`["a"]`: "a", `["a",1]`: "a", ` [ "a" , 1 ] `: "a", `["\u0061\"\\b"]`: `a"\b`, `["ä😀"]`: "ä😀", `[""]`: "", `["error"]`: "error",
		`[5]`: "5", `[-1.5e3,"a"]`: "-1.5e3", `["a"`: "a", `["a" nonsense`: "a", `["message"]`: "message",
	} {
		if got, err := eventName([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		``, `[`, `[]`, `{}`, `"a"`, `null`, `[null]`, `[true]`, `[{}]`, `[["a"]]`, `["a`, `["a\`, `["a\"]`, `["\x"]`, `[,]`, `[ ]`, `[-]`, `[01]`, `[5`,
		`["connect"]`, `["connect_error"]`, `["disconnect"]`, `["disconnecting"]`, `["newListener"]`, `["removeListener"]`, `["\u0063onnect"]`,
	} {
		if got, err := eventName([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for _, text := range []string{
		`["a",{"_placeholder":true,"num":0},{"x":[{"num":1,"_placeholder":true}]}]`, `["a"]`, `["a",{"_placeholder":false,"num":9}]`,
		`["a",{"_placeholder":"true"}]`, `["a",{"num":9}]`, `["a",{"_placeholder":true,"num":1.0}]`,
	} {
		if err := checkPlaceholders([]byte(text), 2); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, num := range []string{`2`, `-1`, `0.5`, `"0"`, `null`, `1e300`, `[0]`, `{}`} {
		text := `["a",[{"b":{"_placeholder":true,"num":` + num + `}}]]`
		if err := checkPlaceholders([]byte(text), 2); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`["a",{"_placeholder":true}]`, `["a"`, strings.Repeat("[", 100_000)} {
		if err := checkPlaceholders([]byte(text), 2); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.50s: %v", text, err)
		}
	}
}

// What is encoded is parsed as the same.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var args Args
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			value, err := json.Marshal(rapid.OneOf(rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Bool().AsAny()).Draw(t, "value"))
			if err != nil {
				t.Fatal(err)
			}
			args.Values = append(args.Values, value)
		}
		for range rapid.IntRange(0, MaxAttachments).Draw(t, "attachments") {
			args.Attachments = append(args.Attachments, []byte{1, 2})
		}
		namespace := rapid.SampledFrom([]string{"/", "/b", "/c/d"}).Draw(t, "namespace")
		id := AckID(rapid.Uint64Max(1_000_000_000_000_000-1).Draw(t, "id"))
		name := rapid.String().Filter(func(s string) bool { return s != "connect" }).Draw(t, "name")
		typ := rapid.SampledFrom([]byte{packetEvent, packetAck}).Draw(t, "type")
		if typ == packetAck && id == 0 {
			id = 1
		}
		all := encode(typ, namespace, id, name, args)
		if len(all) != 1+len(args.Attachments) {
			t.Fatalf("%d frames", len(all))
		}
		msg := all[0].Data[1:] // without what Engine.IO puts before it
		p, err := parse(msg)
		if err != nil || p.namespace != namespace || p.ack != id || p.attachments != len(args.Attachments) || !json.Valid(p.data) {
			t.Fatalf("%s: %+v, %v", msg, p, err)
		}
		want := typ
		if p.attachments > 0 {
			want += packetBinaryEvent - packetEvent
		}
		values, err := readArgs(p.data, nil)
		if err != nil || p.typ != want {
			t.Fatalf("%s: type %c, %v", msg, p.typ, err)
		}
		if typ == packetEvent {
			if got, err := eventName(p.data); err != nil || got != name {
				t.Fatalf("%s: name %q, %v", msg, got, err)
			}
			values.Values = values.Values[1:]
			begun := BeginEvent(nil, namespace, name)
			if id == 0 && len(args.Attachments) == 0 && !strings.HasPrefix(string(all[0].Data), string(begun)) {
				t.Errorf("%s does not begin with %s", all[0].Data, begun)
			}
		}
		if fmt.Sprint(values.Values) != fmt.Sprint(args.Values) && len(args.Values)+len(values.Values) > 0 {
			t.Errorf("%s: %s, want %s", msg, values.Values, args.Values)
		}
	})
}

// Whatever comes, parsing says what it is or that it is malformed, and changes nothing.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`0{"token":"123"}`, `2["message",1,"2",{"3":[true]}]`, `452-/b,7["a",{"_placeholder":true,"num":0}]`, `511-[]`, `0/`, `1/x,`, `3`,
		`51-["a",{"_placeholder":true,"num":-1}]`, `2["connect"]`, `2["\u0000`, `2[1e5]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if !utf8.Valid(msg) {
			return // Engine.IO lets nothing else through
		}
		before := string(msg)
		p, err := parse(msg)
		if err == nil && (p.typ == packetBinaryEvent || p.typ == packetBinaryAck) != (p.attachments > 0) {
			t.Errorf("%q: %d attachments", msg, p.attachments)
		}
		if err == nil && !strings.HasSuffix(before, string(p.data)) {
			t.Errorf("%q ends with %q?", msg, p.data)
		}
		name, nameErr := eventName(p.data)
		var values []any
		if valid := json.Unmarshal(p.data, &values) == nil; valid && nameErr == nil {
			switch first := values[0].(type) {
			case string:
				if first != name {
					t.Errorf("%q: name %q, want %q", msg, name, first)
				}
			case float64:
			default:
				t.Errorf("%q: name %q", msg, name)
			}
			if p.attachments > 0 {
				_ = checkPlaceholders(p.data, p.attachments)
			}
		}
		for _, err := range []error{err, nameErr} {
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%q: %v", msg, err)
			}
		}
		if string(msg) != before {
			t.Errorf("%q was changed", before)
		}
	})
}
