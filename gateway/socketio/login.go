package socketio

import (
	"encoding/json"
	"fmt"

	"beckon/shared/wire"
)

// login is what a client asks for in its handshake's auth: {user?, room?}.
type login struct{ user, room string }

// readLogin reads auth, a JSON object. Who names no user gets a random id, as a socket's id is; a room that is not named is
// the default one. A name that is there but empty is an error, because it is hardly meant.
func readLogin(auth []byte) (login, *refusal) {
	l := login{user: wire.NewID(), room: wire.DefaultRoom}
	if len(auth) > wire.MaxFrame {
		return l, &refusal{codeBadUser, fmt.Sprintf("auth of more than %d bytes", wire.MaxFrame)}
	}
	var asked struct{ User, Room json.RawMessage }
	if err := exactly(auth, map[string]*json.RawMessage{"user": &asked.User, "room": &asked.Room}); err != nil {
		return l, &refusal{codeBadUser, "auth is malformed"}
	}
	if bad := readName(asked.User, &l.user, wire.CheckUserID); bad != "" {
		return l, &refusal{codeBadUser, "user: " + bad}
	}
	if bad := readName(asked.Room, &l.room, wire.CheckRoom); bad != "" {
		return l, &refusal{codeBadRoom, "room: " + bad}
	}
	return l, nil
}

// exactly takes members of an object by their exact names, which encoding/json does not.
func exactly(object []byte, members map[string]*json.RawMessage) error {
	r := wire.NewReader(object)
	defer r.Free()
	return r.Object(func(name []byte) error {
		v, err := r.Value()
		if into := members[string(name)]; into != nil && string(v) != "null" {
			*into = v
		}
		return err
	})
}

// readName reads a JSON string that check accepts, and says what is wrong with it.
func readName(raw json.RawMessage, into *string, check func(string) error) (bad string) {
	if raw == nil {
		return ""
	}
	var name string
	if raw[0] != '"' || json.Unmarshal(raw, &name) != nil {
		return "must be a string"
	}
	if err := check(name); err != nil {
		return err.Error()
	}
	*into = name
	return ""
}
