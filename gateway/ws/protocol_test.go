package ws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"beckon/gateway/frames"
	"beckon/gateway/ice"
	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/shared/wire"
)

// protocol is docs/protocol.md by heading.
func protocol(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for section := range strings.SplitSeq(string(text), "\n## ") {
		heading, body, _ := strings.Cut(section, "\n")
		sections[heading] = body
	}
	return sections
}

// examples are the lines of the JSON blocks in a section.
func examples(t *testing.T, section string) []string {
	t.Helper()
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(section, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	if len(lines) == 0 {
		t.Fatal("no examples")
	}
	return lines
}

// rows are the table rows of a section, cell by cell, without the heads.
func rows(t *testing.T, section string) [][]string {
	t.Helper()
	var all [][]string
	head := true
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = true
		case head || strings.HasPrefix(line, "|---"):
			head = false
		default:
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			all = append(all, cells)
		}
	}
	if len(all) == 0 {
		t.Fatal("no table")
	}
	return all
}

func TestProtocolSent(t *testing.T) {
	section := protocol(t)["What a client sends"]
	seen := make(map[string]bool)
	for _, line := range examples(t, section) {
		f, bad := readFrame([]byte(line))
		if bad != nil {
			t.Errorf("%s is refused: %s: %s", line, bad.code, bad.message)
		}
		event, _, _ := strings.Cut(show(f), " ")
		seen[event] = true
	}
	events := []string{"sync", "ping"}
	for _, kind := range wire.Kinds {
		events = append(events, kind.String())
	}
	for _, event := range events {
		if !seen[event] {
			t.Errorf("no example of %s", event)
		}
	}
}

// What the table says about a kind's members is so: with all of them a frame is accepted, without one that has no
// question mark it is not, and none but those arrive.
func TestProtocolMembers(t *testing.T) {
	values := map[string]string{
		"to": `"bob"`, "toSession": `"S"`, "callId": `"c"`, "audioOnly": "true", "sdpMLineIndex": "1", "data": "{}",
	}
	kinds := 0
	for _, row := range rows(t, protocol(t)["What a client sends"]) {
		event := strings.Trim(row[0], "`")
		list, isKind := strings.CutPrefix(strings.Trim(row[1], "`"), "{")
		kind, known := wire.ParseKind(event)
		if !isKind || !known {
			continue
		}
		kinds++
		members := strings.Split(strings.TrimSuffix(list, "}"), ", ")
		frame := func(without string) []byte {
			var data []string
			for _, member := range members {
				name := strings.TrimSuffix(member, "?")
				value, ok := values[name]
				if !ok {
					value = `"text"`
				}
				if member != without {
					data = append(data, strconv.Quote(name)+":"+value)
				}
			}
			return []byte(`{"event":"` + event + `","data":{` + strings.Join(data, ",") + `}}`)
		}
		f, bad := readFrame(frame(""))
		if bad != nil {
			t.Errorf("%s with all members: %s", event, bad.message)
			continue
		}
		var body map[string]any
		if err := json.Unmarshal(f.req.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, member := range members {
			name, optional := strings.CutSuffix(member, "?")
			if _, bad := readFrame(frame(member)); (bad == nil) != optional {
				t.Errorf("%s without %s: %v", event, name, bad)
			}
			delete(body, name)
		}
		if len(body) > 0 || f.req.Kind != kind {
			t.Errorf("%s: %v arrives besides", event, body)
		}
	}
	if kinds != len(wire.Kinds) {
		t.Errorf("%d kinds in the table, want %d", kinds, len(wire.Kinds))
	}
}

// Every example of what a client hears is, byte for byte, what the encoders make of the same content.
func TestProtocolHeard(t *testing.T) {
	seen := make(map[string]bool)
	for _, line := range examples(t, protocol(t)["What a client receives"]) {
		var said struct {
			Event string
			ID    json.RawMessage
			Data  json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		seen[said.Event] = true
		if got := encodeAgain(t, said.Event, said.ID, said.Data); string(got) != line {
			t.Errorf("%s is written as\n%s", line, got)
		}
	}
	for _, event := range append(deliveredAs[1:], "welcome", "updateUserlist", "userlistDelta", "ack", "undeliverable", "error") {
		if !seen[event] {
			t.Errorf("no example of %s", event)
		}
	}
}

func encodeAgain(t *testing.T, event string, id, data json.RawMessage) []byte {
	t.Helper()
	into := func(v any) {
		t.Helper()
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			t.Fatalf("data of %s: %v", event, err)
		}
	}
	outcome := func(name string) wire.Outcome {
		t.Helper()
		o, ok := wire.ParseOutcome(name)
		if !ok {
			t.Errorf("%s has outcome %q", event, name)
		}
		return o
	}
	switch event {
	case "welcome":
		var said struct {
			UserID, SessionID, Room string
			ICEServers              []ice.Server
			Limits                  limits
			Version                 int
		}
		into(&said)
		w := welcome{said.UserID, said.SessionID, said.Room, said.ICEServers, said.Limits, said.Version}
		if want := New(Options{Rates: Rates{Frames: 1000, Bytes: 4 << 20}, Log: discard}).limits; w.Limits != want {
			t.Errorf("limits %+v, want %+v", w.Limits, want)
		}
		b, err := encodeWelcome(&w)
		if err != nil {
			t.Fatal(err)
		}
		return b
	case "updateUserlist":
		var list struct {
			Version  uint64
			UserList []string
		}
		into(&list)
		return encodeList(&roster.Update{Kind: roster.Whole, Version: list.Version, Users: list.UserList})
	case "userlistDelta":
		var u struct {
			From, Version uint64
			Joined, Left  []string
			At            []int
		}
		into(&u)
		return encodeList(&roster.Update{Kind: roster.Delta, From: u.From, Version: u.Version, Joined: u.Joined, Left: u.Left, At: u.At})
	case "userCount":
		var c struct {
			Version uint64
			Count   int
		}
		into(&c)
		return encodeList(&roster.Update{Kind: roster.Count, Version: c.Version, Count: c.Count})
	case "presence":
		var p struct{ State string }
		into(&p)
		return encodeList(&roster.Update{Kind: roster.Standing, Degraded: p.State != "ok"})
	case "userlistPage":
		var p roster.Page
		into(&p)
		return encodePage(id, p)
	case "ack":
		var ack struct{ Status string }
		into(&ack)
		return encodeAck(id, outcome(ack.Status))
	case "undeliverable":
		var u struct{ To, Kind, Reason string }
		into(&u)
		kind, ok := wire.ParseKind(u.Kind)
		if !ok {
			t.Errorf("kind %q", u.Kind)
		}
		return encodeUndeliverable(u.To, kind, outcome(u.Reason))
	case "error":
		var r struct{ Code, Message string }
		into(&r)
		return encodeError(id, &refusal{r.Code, r.Message})
	}
	kind := wire.Kind(max(slices.Index(deliveredAs[:], event), 0))
	var header struct {
		From, CallID json.RawMessage
		FromSession  string
	}
	if err := json.Unmarshal(data, &header); err != nil || kind == 0 {
		t.Fatalf("event %q: %v", event, err)
	}
	// The rest of the members, as they stand.
	rest := regexp.MustCompile(`^\{("(from|fromSession|callId)":"[^"]*",?)*`).ReplaceAll(data, []byte("{"))
	return encodeSignal(&wire.Signal{
		Kind: kind, From: header.From, FromSession: header.FromSession, CallID: header.CallID, Body: rest,
	})
}

// The error that stands in the examples is the one that a client gets.
func TestProtocolErrorMessage(t *testing.T) {
	_, bad := readFrame([]byte(`{"event":"answer","id":"2","data":{"to":"a","answerType":"answer","answerSDP":5}}`))
	if !slices.Contains(examples(t, protocol(t)["What a client receives"]), string(encodeError([]byte(`"2"`), bad))) {
		t.Errorf("no example has %q", bad.message)
	}
}

func TestProtocolRetryAfter(t *testing.T) {
	want := fmt.Sprintf("(%d to %d seconds, chosen at random)", session.RetrySoonest, session.RetryLatest)
	if !strings.Contains(protocol(t)["Connecting"], want) {
		t.Errorf("it does not say %q", want)
	}
}

func TestProtocolOutcomes(t *testing.T) {
	var got, want []string
	for _, row := range rows(t, protocol(t)["Outcomes"]) {
		got = append(got, strings.Trim(row[0], "`"))
	}
	for _, o := range wire.AllOutcomes {
		want = append(want, o.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("outcomes %q, want %q", got, want)
	}
}

func TestProtocolErrorCodes(t *testing.T) {
	var got []string
	ends := make(map[string]string)
	for _, row := range rows(t, protocol(t)["Error codes"]) {
		code := strings.Trim(row[0], "`")
		got = append(got, code)
		ends[code] = row[2]
	}
	if want := errorCodes(t); !slices.Equal(got, want) {
		t.Errorf("codes %q, want %q", got, want)
	}
	for code, why := range map[string]session.Reason{
		codeBadUser: session.BadLogin, codeBadRoom: session.BadLogin, codeUnavailable: session.NotReady, codeBadUTF8: session.BadData,
	} {
		if want := "then close " + strconv.Itoa(closings[why].code); ends[code] != want {
			t.Errorf("%s: %q, want %q", code, ends[code], want)
		}
		delete(ends, code)
	}
	for code, end := range ends {
		if end != "" {
			t.Errorf("%s: %q", code, end)
		}
	}
}

// errorCodes are the constants whose names begin with code, in their order.
func errorCodes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "code") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
		return false
	})
	return codes
}

func TestProtocolCloseCodes(t *testing.T) {
	library := []int{websocket.CloseProtocolError, websocket.CloseMessageTooBig} // not ours to send
	var got []int
	for _, row := range rows(t, protocol(t)["Close codes"]) {
		code, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(library, code) {
			got = append(got, code)
		}
	}
	var want []int
	for why, c := range closings {
		if c == (closing{}) {
			continue // no reason, or one for which the connection is cut
		}
		want = append(want, c.code)
		if c.text == "" || len(c.text) > 123 { // RFC 6455, section 5.5
			t.Errorf("reason %d has the text %q", why, c.text)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("close codes %v, want %v", got, want)
	}
}

// The limits that stand in the documentation as numbers.
func TestProtocolLimits(t *testing.T) {
	said := make(map[string]string)
	for _, row := range rows(t, protocol(t)["Limits"]) {
		said[row[0]] = row[1]
	}
	for what, want := range map[string]string{
		"a frame":                                       strconv.Itoa(wire.MaxFrame>>10) + " KiB",
		"frames that wait for a client":                 strconv.Itoa(frames.MaxFrames) + ", or " + strconv.Itoa(frames.MaxBytes>>20) + " MiB",
		"pings of the client's own":                     strconv.Itoa(badBurst) + " in a burst, " + strconv.Itoa(int(badRate)) + " a second",
		"signals of one session without an outcome yet": strconv.Itoa(inFlightMost),
	} {
		if said[what] != want {
			t.Errorf("%s: %q, want %q", what, said[what], want)
		}
	}
}
