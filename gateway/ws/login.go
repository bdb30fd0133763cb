package ws

import (
	"net/url"

	"beckon/shared/wire"
)

// login is what a client asks for in the URL: ?user=, ?room= and ?userlist=full.
type login struct {
	user, room string
	fullLists  bool
	bad        *refusal
}

// readLogin reads the query of a URL. A user who is not named gets a random id, a room that is not named is the default
// one; a name that is there but empty is an error, because it is hardly meant, and so is a query that cannot be read.
func readLogin(query string) login {
	q, err := url.ParseQuery(query)
	if err != nil {
		return login{bad: &refusal{codeBadUser, "the URL's query is malformed"}}
	}
	l := login{user: wire.NewID(), room: wire.DefaultRoom, fullLists: q.Get("userlist") == "full"}
	if q.Has("user") {
		l.user = q.Get("user")
	}
	if q.Has("room") {
		l.room = q.Get("room")
	}
	if err := wire.CheckUserID(l.user); err != nil {
		l.bad = &refusal{codeBadUser, err.Error()}
	} else if err := wire.CheckRoom(l.room); err != nil {
		l.bad = &refusal{codeBadRoom, err.Error()}
	}
	return l
}
