package presence

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"beckon/presence/roster"
	"beckon/shared/wire"
)

// mostUsers is how many users one page of a list has at most.
const mostUsers = 1000

// listRequest asks who is in a room:
//
//	{"room":"lobby","limit":100,"after":"1700000000000/alice"}
//
// Every member may be left out: room is the lobby then, limit is as many as fit, 1000 at most, and after, which is the
// next of another page, is before the first user.
type listRequest struct {
	requestHeader
	Room  *string `json:"room"`
	Limit *int    `json:"limit"`
	After *string `json:"after"`
}

// listReply is a page of a room's users in join order. Count is that of all users in the room.
//
//	{"v":1,"room":"lobby","count":2,"users":[{"user":"alice","since":1700000000000},…],"next":"1700000000000/bob"}
//
// Next is left out on the last page. A user with several sessions stands there once, since the first.
type listReply struct {
	V     int        `json:"v"`
	Room  string     `json:"room"`
	Count int        `json:"count"`
	Users []listUser `json:"users"`
	Next  string     `json:"next,omitzero"`
}

type listUser struct {
	User  string `json:"user"`
	Since int64  `json:"since"` // Unix milliseconds
}

func list(req *listRequest) (func(*roster.Roster) any, error) {
	room := wire.DefaultRoom
	if req.Room != nil {
		room = *req.Room
	}
	if err := wire.CheckRoom(room); err != nil {
		return nil, err
	}
	limit := mostUsers
	if req.Limit != nil {
		limit = *req.Limit
	}
	if limit < 1 || limit > mostUsers {
		return nil, fmt.Errorf("limit must be 1 to %d", mostUsers)
	}
	var after *roster.User
	if req.After != nil {
		place, err := parsePlace(*req.After)
		if err != nil {
			return nil, err
		}
		after = &place
	}
	return func(r *roster.Roster) any {
		reply := listReply{V: wire.Version, Room: room, Users: []listUser{}}
		reply.Count, _ = r.Count(room)
		page, more := r.List(room, after, limit)
		var filling wire.Filling
		for i, u := range page {
			if !filling.Add(wire.Login{User: u.User}) {
				page, more = page[:i], true
				break
			}
			reply.Users = append(reply.Users, listUser{User: u.User, Since: u.Since})
		}
		if more {
			reply.Next = place(page[len(page)-1])
		}
		return reply
	}, nil
}

// place is where a user stands in a room's order, as "<since>/<user>". It stays a place when the user has left.
func place(u roster.User) string { return strconv.FormatInt(u.Since, 10) + "/" + u.User }

func parsePlace(s string) (roster.User, error) {
	since, user, _ := strings.Cut(s, "/")
	at, err := strconv.ParseInt(since, 10, 64)
	if err = cmp.Or(err, wire.CheckUserID(user)); err != nil {
		return roster.User{}, fmt.Errorf("after must be the next of another page")
	}
	return roster.User{User: user, Since: at}, nil
}

// countRequest asks how many there are: in a room, {"room":"lobby"}, or in all, {}.
type countRequest struct {
	requestHeader
	Room *string `json:"room"`
}

// countReply has the members that were asked for:
//
//	{"v":1,"room":"lobby","users":2,"sessions":3}
//	{"v":1,"users":2,"sessions":3,"rooms":1,"gateways":2}
type countReply struct {
	V        int    `json:"v"`
	Room     string `json:"room,omitzero"`
	Users    int    `json:"users"`
	Sessions int    `json:"sessions"`
	Rooms    *int   `json:"rooms,omitzero"`
	Gateways *int   `json:"gateways,omitzero"`
}

func count(req *countRequest) (func(*roster.Roster) any, error) {
	if req.Room == nil {
		return func(r *roster.Roster) any {
			s := r.Stats()
			return countReply{V: wire.Version, Users: s.Users, Sessions: s.Sessions, Rooms: &s.Rooms, Gateways: &s.Gateways}
		}, nil
	}
	room := *req.Room
	if err := wire.CheckRoom(room); err != nil {
		return nil, err
	}
	return func(r *roster.Roster) any {
		users, sessions := r.Count(room)
		return countReply{V: wire.Version, Room: room, Users: users, Sessions: sessions}
	}, nil
}

// whereRequest asks where a user is: {"user":"alice"}.
type whereRequest struct {
	requestHeader
	User string `json:"user"`
}

// whereReply has a user's sessions, the first login first: none when the user is not there. Count is that of all, should
// they not fit.
//
//	{"v":1,"user":"alice","count":1,"sessions":[{"gateway":"gw-1","session":"K2T…","room":"lobby","since":1700000000000}]}
type whereReply struct {
	V        int            `json:"v"`
	User     string         `json:"user"`
	Count    int            `json:"count"`
	Sessions []whereSession `json:"sessions"`
}

type whereSession struct {
	Gateway string `json:"gateway"`
	Session string `json:"session"`
	Room    string `json:"room"`
	Since   int64  `json:"since"` // Unix milliseconds
}

func where(req *whereRequest) (func(*roster.Roster) any, error) {
	if err := wire.CheckUserID(req.User); err != nil {
		return nil, err
	}
	return func(r *roster.Roster) any {
		entries := r.Where(req.User)
		reply := whereReply{V: wire.Version, User: req.User, Count: len(entries), Sessions: []whereSession{}}
		for _, e := range wire.Chunks(entries)[0] {
			reply.Sessions = append(reply.Sessions, whereSession{e.Gateway, e.Session, e.Room, e.Since})
		}
		return reply
	}, nil
}
