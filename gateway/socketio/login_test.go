package socketio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"beckon/shared/wire"
)

// Who names nobody is somebody new, under the id that its client has for it.
func TestLoginWithoutAuth(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		ids := make(map[string]bool)
		for _, auth := range []string{"", "{}", `{"user":null,"room":null}`, `{"token":"x","User":"alice","ROOM":"attic","user ":5}`} {
			c := f.connect(over, auth)
			if err := wire.CheckName(c.id); err != nil || ids[c.id] {
				t.Errorf("%s: the id is %q: %v", auth, c.id, err)
			}
			ids[c.id] = true
			if list := c.list(); !strings.Contains(list, `"`+c.id+`"`) {
				t.Errorf("%s: %q is not in %s", auth, c.id, list)
			}
		}
		if f.AwaitSessions(4); f.Hub.Users() != 4 {
			t.Errorf("%d users", f.Hub.Users())
		}
	})
}

// The sid is the user's id, however strange.
func TestLoginAsSomebody(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.join(over, "alice")
		for _, user := range []string{
			"*", ">", ".x", "a b", "😀", "Ünï", "=YQ", `"\`, "\u2028", "</script>", strings.Repeat("x", wire.MaxUserID),
		} {
			auth, err := json.Marshal(map[string]string{"user": user, "more": "ignored"})
			if err != nil {
				t.Fatal(err)
			}
			c := f.connect(over, string(auth))
			if c.id != user {
				t.Errorf("%q has the id %q", user, c.id)
			}
			to, err := json.Marshal(user)
			if err != nil {
				t.Fatal(err)
			}
			alice.is(`["message",{"to":`+string(to)+`,"data":1}]`, "delivered")
			c.hears(`42["message",{"from":"alice","data":1}]`)
		}
		if !f.Conn.Up() {
			t.Error("the connection to NATS is gone")
		}
	})
}

// Who gives a name that cannot be hears so, and may try again on the same connection.
func TestBadLogins(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		c := f.open(over)
		long := `"` + strings.Repeat("x", wire.MaxUserID+1) + `"`
		tests := []struct{ auth, code, message string }{
			{`{"user":""}`, codeBadUser, "user: user id is empty"},
			{`{"user":5}`, codeBadUser, "user: must be a string"},
			{`{"user":["alice"]}`, codeBadUser, "user: must be a string"},
			{`{"user":{"user":"alice"}}`, codeBadUser, "user: must be a string"},
			{`{"user":false}`, codeBadUser, "user: must be a string"},
			{`{"user":` + long + `}`, codeBadUser, "user: user id is longer than 128 bytes"},
			{`{"user":"a\u0000b"}`, codeBadUser, "user: user id has a control character"},
			{`{"user":"\u007f"}`, codeBadUser, "user: user id has a control character"},
			{`{"user":"\ud800"}`, codeBadUser, "auth is malformed"},
			{`{"user":"alice","user":"bob"}`, codeBadUser, "auth is malformed"},
			{`{"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, codeBadUser, "auth is malformed"},
			{`{"user":"alice","room":""}`, codeBadRoom, "room: room is empty"},
			{`{"room":[]}`, codeBadRoom, "room: must be a string"},
			{`{"room":` + long + `}`, codeBadRoom, "room: room is longer than 128 bytes"},
			{`{"room":"a\nb"}`, codeBadRoom, "room: room has a control character"},
			{`{"user":"","room":""}`, codeBadUser, "user: user id is empty"},
		}
		for _, test := range tests {
			c.say("40" + test.auth)
			c.hears(fmt.Sprintf(`44{"message":"%s","data":{"code":"%s"}}`, test.message, test.code))
		}
		if got := f.Hub.Sessions(); got != 0 {
			t.Errorf("%d sessions", got)
		}
		if users, rooms := f.refused(codeBadUser), f.refused(codeBadRoom); users != 12 || rooms != 4 {
			t.Errorf("%v users and %v rooms counted as bad", users, rooms)
		}
		c.connect(`{"user":"alice","room":"attic"}`)
		if c.id != "alice" {
			t.Errorf("the id is %q", c.id)
		}
		if got, want := c.list(), users("alice"); got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
		c.serves()
	})
}

// Each room has a list of its own, and signals pass between rooms.
func TestRooms(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.connect(over, `{"user":"alice"}`)
		bob := f.connect(over, `{"user":"bob","room":"attic"}`)
		carol := f.connect(over, `{"user":"carol","room":"attic"}`)
		dave := f.connect(over, `{"user":"dave","room":"lobby"}`)
		bob.seesOnly("bob", "carol")
		carol.seesOnly("bob", "carol")
		alice.seesOnly("alice", "dave")
		dave.seesOnly("alice", "dave")
		alice.is(`["refuse",{"to":"bob"}]`, "delivered")
		bob.hears(`42["refuse"]`)
	})
}

// Who logs in twice on one connection breaks the protocol; who leaves by DISCONNECT may come again as somebody else.
func TestLoginAgain(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		bob := f.join(over, "bob")
		c := f.join(over, "alice")
		bob.seesOnly("bob", "alice")
		c.say("41")
		bob.seesOnly("bob")
		bob.is(`["refuse",{"to":"alice"}]`, "offline")
		c.connect(`{"user":"carol"}`)
		if got, want := c.list(), users("bob", "carol"); got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
		bob.seesOnly("bob", "carol")
		_ = c.try(`40{"user":"dave"}`)
		c.ends()
		bob.seesOnly("bob")
		f.AwaitSessions(1)
		f.ended("bad_data", 1)
	})
}
