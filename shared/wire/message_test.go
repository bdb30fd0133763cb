package wire

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// messages has one of each plain message, and how it travels.
func messages() map[string]Encodable {
	bob := Login{Session: "S1", User: "b b", Room: "lobby", Since: 1700000000123}
	return map[string]Encodable{
		`{"v":1,"status":"refused","gateway":"gw-2","error":"to must be a user id"}`: &Receipt{
			Status: "refused", Gateway: "gw-2", Error: "to must be a user id",
		},
		`{"v":1,"status":"slow","gateway":"gw-2"}`: func() *Receipt { r := NewReceipt("gw-2", Slow); return &r }(),
		`{"v":1,"gateway":"gw-2","delivered":[16,18446744073709551615]}`: &Gathered{
			Gateway: "gw-2", Delivered: []uint64{16, 1<<64 - 1},
		},
		`{"v":1,"incarnation":"I1","seq":7,"joined":[{"session":"S1","user":"b b","room":"lobby","since":1700000000123}],"left":["S0"]}`: &Announcement{
			Incarnation: "I1", Seq: 7, Joined: []Login{bob}, Left: []string{"S0"},
		},
		`{"v":1,"incarnation":"I1","seq":18446744073709551615}`:                    &Announcement{Incarnation: "I1", Seq: 1<<64 - 1},
		`{"v":1,"incarnation":"I1","seq":0,"count":0,"digest":"0000000000000000"}`: &Beat{Incarnation: "I1"},
		`{"v":1,"incarnation":"I1","seq":7,"count":3,"digest":"f000000000000001","stopping":true}`: &Beat{
			Incarnation: "I1", Seq: 7, Count: 3, Digest: 0xf000000000000001, Stopping: true,
		},
		`{"v":1,"id":"X1","incarnation":"I1","seq":7,"chunk":1,"chunks":2,"logins":[{"session":"S1","user":"b b","room":"lobby","since":1700000000123}]}`: &GatewaySnapshot{
			ID: "X1", Incarnation: "I1", Seq: 7, Chunk: 1, Chunks: 2, Logins: []Login{bob},
		},
		`{"v":1,"view":"V1","version":9,"gone":["gw-3"],"left":[{"gateway":"gw-1","session":"S0"}],"joined":[{"gateway":"gw-2","session":"S1","user":"b b","room":"lobby","since":1700000000123}]}`: &Delta{
			View: "V1", Version: 9, Gone: []string{"gw-3"}, Left: []Ref{{"gw-1", "S0"}}, Joined: []Entry{{"gw-2", bob}},
		},
		`{"v":1,"view":"V1","version":9,"complete":true,"count":3,"digest":"00000000000000ff","stopping":true}`: &ViewBeat{
			View: "V1", Version: 9, Complete: true, Count: 3, Digest: 255, Stopping: true,
		},
		`{"v":1,"id":"X1","view":"V1","version":9,"chunk":0,"chunks":1,"entries":[]}`: &ViewSnapshot{
			ID: "X1", View: "V1", Version: 9, Chunks: 1, Entries: []Entry{},
		},
	}
}

// empty is a new message of the same type.
func empty(m Encodable) Encodable {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Encodable)
}

func TestMessagesRoundTrip(t *testing.T) {
	for want, m := range messages() {
		got, err := Encode(m)
		if err != nil || string(got) != want {
			t.Errorf("%T: %s, error %v\nwant %s", m, got, err, want)
		}
		back := empty(m)
		if err := Decode(got, back); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%s became %+v: %v", got, back, err)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, m := range messages() {
		members := strings.TrimPrefix(text, `{"v":1,`)
		for _, v := range []string{"0", "-1", "2", "1000"} {
			if err := Decode([]byte(`{"v":`+v+","+members), empty(m)); !errors.Is(err, ErrVersion) {
				t.Errorf("%T of version %s: %v", m, v, err)
			}
		}
		if err := Decode([]byte("{"+members), empty(m)); !errors.Is(err, ErrVersion) {
			t.Errorf("%T without version: %v", m, err)
		}
		// A newer version may give a member another type.
		for _, name := range []string{"status", "gateway", "incarnation", "view", "digest"} {
			newer := strings.Replace(`{"v":2,`+members, `"`+name+`":`, `"`+name+`":{},"was":`, 1)
			if err := Decode([]byte(newer), empty(m)); !errors.Is(err, ErrVersion) {
				t.Errorf("%s: %v", newer, err)
			}
		}
		for _, v := range []string{`"1"`, "1.0", "{}", "true", "1e0", "99999999999999999999"} {
			if Decode([]byte(`{"v":`+v+","+members), empty(m)) == nil {
				t.Errorf("%T of version %s is taken", m, v)
			}
		}
		// What it does not know a reader ignores, wherever it stands.
		for _, more := range []string{
			`{"newer":[{"v":2}],` + text[1:], text[:len(text)-1] + `,"newer":null}`,
			text[:len(text)-1] + `,"V":2,"Incarnation":5}`,
		} {
			got := empty(m)
			if err := Decode([]byte(more), got); err != nil {
				t.Errorf("%s: %v", more, err)
			} else if again, err := Encode(got); err != nil || string(again) != text {
				t.Errorf("%s became %s: %v", more, again, err)
			}
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	for _, text := range malformed {
		if err := Decode([]byte(text), new(Beat)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for text, m := range messages() {
		for _, bad := range []string{text + "x", text + text, text[:len(text)-1], `{"v":1,` + text[1:]} {
			if err := Decode([]byte(bad), empty(m)); err == nil {
				t.Errorf("%q is taken", bad)
			}
		}
	}
}

// One bad announcer must not put a bad name anywhere.
func TestBadNamesInMessages(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	login := Login{Session: "S", User: "u", Room: "r"}
	for _, bad := range []string{"", "*", ">", "a.b", "a b", "=YQ", "a\n", "é", long} {
		logins := []Login{login, {Session: bad, User: "u", Room: "r"}}
		entries := []Entry{{"g", login}, {bad, login}}
		for _, m := range []Encodable{
			&Receipt{Status: "slow", Gateway: bad},
			&Receipt{Status: bad, Gateway: "g"},
			&Gathered{Gateway: bad},
			&Announcement{Incarnation: bad},
			&Announcement{Incarnation: "i", Joined: logins},
			&Announcement{Incarnation: "i", Left: []string{"S", bad}},
			&Beat{Incarnation: bad},
			&GatewaySnapshot{ID: bad, Incarnation: "i", Chunks: 1},
			&GatewaySnapshot{ID: "x", Incarnation: bad, Chunks: 1},
			&GatewaySnapshot{ID: "x", Incarnation: "i", Chunks: 1, Logins: logins},
			&Delta{View: bad},
			&Delta{View: "w", Gone: []string{"g", bad}},
			&Delta{View: "w", Left: []Ref{{"g", "S"}, {"g", bad}}},
			&Delta{View: "w", Left: []Ref{{bad, "S"}}},
			&Delta{View: "w", Joined: entries},
			&Delta{View: "w", Joined: []Entry{{"g", logins[1]}}},
			&ViewBeat{View: bad},
			&ViewSnapshot{ID: bad, View: "w", Chunks: 1},
			&ViewSnapshot{ID: "x", View: bad, Chunks: 1},
			&ViewSnapshot{ID: "x", View: "w", Chunks: 1, Entries: entries},
		} {
			refused(t, m)
		}
	}
	for _, bad := range []string{"", "\x00", "a\nb", "\u0085", strings.Repeat("x", 129), long} {
		for _, l := range []Login{{Session: "S", User: bad, Room: "r"}, {Session: "S", User: "u", Room: bad}} {
			refused(t, &Announcement{Incarnation: "i", Joined: []Login{l}})
			refused(t, &GatewaySnapshot{ID: "x", Incarnation: "i", Chunks: 1, Logins: []Login{l}})
			refused(t, &Delta{View: "w", Joined: []Entry{{"g", l}}})
			refused(t, &ViewSnapshot{ID: "x", View: "w", Chunks: 1, Entries: []Entry{{"g", l}}})
		}
	}
	for _, c := range [][2]int{{0, 0}, {-1, 1}, {1, 1}, {2, 1}, {0, -1}} {
		refused(t, &GatewaySnapshot{ID: "x", Incarnation: "i", Chunk: c[0], Chunks: c[1]})
		refused(t, &ViewSnapshot{ID: "x", View: "w", Chunk: c[0], Chunks: c[1]})
	}
}

// refused checks that m is refused, with an error that is fit for a log.
func refused(t *testing.T, m Encodable) {
	t.Helper()
	data, err := Encode(m)
	if err != nil {
		t.Errorf("%.100s: %v", fmt.Sprintf("%+v", m), err)
		return
	}
	if err := Decode(data, empty(m)); err == nil || len(err.Error()) > 300 {
		t.Errorf("%.100s: error %.400v", data, err)
	}
}

func TestEncodeNeedsUTF8(t *testing.T) {
	if b, err := Encode(&Announcement{Incarnation: "\xff"}); err == nil {
		t.Errorf("gave %q", b)
	}
}
