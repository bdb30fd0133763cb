package ws

import (
	"strings"
	"testing"

	"beckon/shared/wire"
)

func TestReadLogin(t *testing.T) {
	for _, test := range []struct {
		query, user, room string
		full              bool
		code              string
	}{
		{query: "user=alice", user: "alice", room: "lobby"},
		{query: "user=alice&room=r%C3%A9&userlist=full", user: "alice", room: "ré", full: true},
		{query: "user=alice&userlist=FULL", user: "alice", room: "lobby"},
		{query: "user=a%20b", user: "a b", room: "lobby"},
		{query: "user=%2A", user: "*", room: "lobby"},
		{query: "user=>.x", user: ">.x", room: "lobby"},
		{query: "user=%F0%9F%98%80", user: "😀", room: "lobby"},
		{query: "user=%3DYQ", user: "=YQ", room: "lobby"},
		{query: "user=alice&user=bob", user: "alice", room: "lobby"},
		{query: "user=alice&token=x", user: "alice", room: "lobby"},
		{query: "user=" + strings.Repeat("x", 128), user: strings.Repeat("x", 128), room: "lobby"},

		{query: "user=", code: codeBadUser},
		{query: "user", code: codeBadUser},
		{query: "user=" + strings.Repeat("x", 129), code: codeBadUser},
		{query: "user=" + strings.Repeat("x", 5000), code: codeBadUser},
		{query: "user=%00", code: codeBadUser},
		{query: "user=a%0Ab", code: codeBadUser},
		{query: "user=%C2%85", code: codeBadUser},
		{query: "user=%FF", code: codeBadUser},
		{query: "user=&room=", code: codeBadUser},
		{query: "user=%zz", code: codeBadUser},
		{query: "user=a;b", code: codeBadUser},
		{query: "user=alice&room=", code: codeBadRoom},
		{query: "user=alice&room=%FF", code: codeBadRoom},
		{query: "room=" + strings.Repeat("x", 129), code: codeBadRoom},
	} {
		l := readLogin(test.query)
		if test.code != "" {
			if l.bad == nil || l.bad.code != test.code {
				t.Errorf("%q: %+v, want %s", test.query, l.bad, test.code)
			}
			continue
		}
		if l.bad != nil || l.user != test.user || l.room != test.room || l.fullLists != test.full {
			t.Errorf("%q: %+v", test.query, l)
		}
	}
	one, two := readLogin(""), readLogin("room=x")
	if one.bad != nil || wire.CheckName(one.user) != nil || one.user == two.user || one.room != wire.DefaultRoom {
		t.Errorf("without a user: %+v, %+v", one, two)
	}
}
