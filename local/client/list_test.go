package client

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// The tests of the whole system rely on it that a client fails at the first frame that breaks a rule of user lists.
func TestListFollowsTheProtocol(t *testing.T) {
	const abc = `{"event":"updateUserlist","data":{"version":7,"userList":["a","b","c"]}}`
	for name, tc := range map[string]struct {
		frames      []string
		users, left string // separated by spaces
		joined      string // those who joined after the first list; not compared if ""
		broken      string // what the error says; "" if every frame is fine
	}{
		"a list": {
			frames: []string{abc}, users: "a b c",
		},
		"an empty list": {
			frames: []string{`{"event":"updateUserlist","data":{"version":0,"userList":[]}}`},
		},
		"the same list again": {
			frames: []string{abc, abc}, users: "a b c",
		},
		"another list": {
			frames: []string{abc, `{"event":"updateUserlist","data":{"version":9,"userList":["d","b"]}}`},
			users:  "d b", left: "a c", joined: "d",
		},
		"joined at the end": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d","e"],"left":[]}}`},
			users:  "a b c d e", joined: "d e",
		},
		"joined in between": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d","e","f"],"left":["b"],"at":[0,2,4]}}`},
			users:  "d a e c f", left: "b",
		},
		"changed places": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["a"],"left":["a"]}}`},
			users:  "b c a",
		},
		"one delta after another": {
			frames: []string{
				abc,
				`{"event":"userlistDelta","data":{"from":7,"version":8,"joined":[],"left":["a"]}}`,
				`{"event":"userlistDelta","data":{"from":8,"version":10,"joined":["a"],"left":["c"]}}`,
			},
			users: "b a", left: "a c", joined: "a",
		},
		"a count": {
			frames: []string{`{"event":"userCount","data":{"version":1,"count":9000}}`},
		},
		"a count instead of a list, and a list again": {
			frames: []string{
				abc,
				`{"event":"userCount","data":{"version":8,"count":9000}}`,
				`{"event":"updateUserlist","data":{"version":9,"userList":["d","b"]}}`,
			},
			users: "d b",
		},

		"no version": {
			frames: []string{`{"event":"updateUserlist","data":{"userList":[]}}`}, broken: "without version",
		},
		"no list": {
			frames: []string{`{"event":"updateUserlist","data":{"version":1}}`}, broken: "without version or userList",
		},
		"an older list": {
			frames: []string{abc, `{"event":"updateUserlist","data":{"version":6,"userList":[]}}`}, broken: "version 6 after 7",
		},
		"another list of the same version": {
			frames: []string{abc, `{"event":"updateUserlist","data":{"version":7,"userList":["b","a","c"]}}`}, broken: "version 7 again",
		},
		"an older count": {
			frames: []string{abc, `{"event":"userCount","data":{"version":6,"count":9000}}`}, broken: "version 6 after 7",
		},
		"no count": {
			frames: []string{`{"event":"userCount","data":{"version":6}}`}, broken: "without version or count",
		},
		"a delta after a count": {
			frames: []string{
				abc,
				`{"event":"userCount","data":{"version":8,"count":9000}}`,
				`{"event":"userlistDelta","data":{"from":8,"version":9,"joined":["d"],"left":[]}}`,
			},
			broken: "from 8 to 9 at 8",
		},
		"twice in a list": {
			frames: []string{`{"event":"updateUserlist","data":{"version":1,"userList":["a","b","a"]}}`}, broken: `"a" stands twice`,
		},
		"numbers in a list": {
			frames: []string{`{"event":"updateUserlist","data":{"version":1,"userList":[1]}}`}, broken: "data of updateUserlist",
		},
		"a delta before the list": {
			frames: []string{`{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["a"],"left":[]}}`}, broken: "from 7 to 8 at 0",
		},
		"a gap": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":8,"version":9,"joined":["d"],"left":[]}}`}, broken: "from 8 to 9 at 7",
		},
		"a delta again": {
			frames: []string{
				abc,
				`{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d"],"left":[]}}`,
				`{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d"],"left":[]}}`,
			},
			broken: "from 7 to 8 at 8",
		},
		"a delta to nowhere": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":7,"joined":["d"],"left":[]}}`}, broken: "from 7 to 7 at 7",
		},
		"left without having been there": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":[],"left":["d"]}}`}, broken: `"d" left`,
		},
		"left twice": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":[],"left":["a","a"]}}`}, broken: `"a" left`,
		},
		"joined although there": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["a"],"left":[]}}`}, broken: `"a" stands twice`,
		},
		"too few places": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d","e"],"left":[],"at":[0]}}`}, broken: "differ in length",
		},
		"a place past the end": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d"],"left":["a"],"at":[3]}}`}, broken: `"d" joins at 3`,
		},
		"a place before the beginning": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d"],"left":[],"at":[-1]}}`}, broken: `"d" joins at -1`,
		},
		"places out of order": {
			frames: []string{abc, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d","e"],"left":[],"at":[1,1]}}`}, broken: `"e" joins at 1`,
		},
		"no JSON": {
			frames: []string{`hello`}, broken: "protocol broken",
		},
		"no event": {
			frames: []string{`{"data":{}}`}, broken: "without an event",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{changed: make(chan struct{})}
			var err error
			for i, frame := range tc.frames {
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				err = c.take([]byte(frame))
			}
			if tc.broken != "" {
				if err == nil || !strings.Contains(err.Error(), tc.broken) {
					t.Errorf("error %v, want one with %q", err, tc.broken)
				}
				return
			}
			list := c.List()
			if err != nil || !slices.Equal(list.Users, strings.Fields(tc.users)) || !slices.Equal(list.Left, strings.Fields(tc.left)) {
				t.Errorf("users %q, left %q, error %v; want %q, %q", list.Users, list.Left, err, tc.users, tc.left)
			}
			if tc.joined != "" && !slices.Equal(list.Joined, strings.Fields(tc.joined)) {
				t.Errorf("joined %q, want %q", list.Joined, tc.joined)
			}
			if list.Frames != len(tc.frames) {
				t.Errorf("%d frames, want %d", list.Frames, len(tc.frames))
			}
		})
	}
}

// Crowds of clients are held against one truth, and against each other.
func TestListsAreCompared(t *testing.T) {
	one, other := &Client{changed: make(chan struct{})}, &Client{changed: make(chan struct{})}
	hear := func(c *Client, frame string) {
		t.Helper()
		if err := c.take([]byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel() // who waits does not wait
	if err := one.AwaitUsers(over, NewSet()); err == nil {
		t.Error("no list is taken for an empty one")
	}
	hear(one, `{"event":"updateUserlist","data":{"version":7,"userList":["a","b","c"]}}`)
	hear(other, `{"event":"updateUserlist","data":{"version":1,"userList":["a","c","b"]}}`)
	if err := one.AwaitUsers(over, NewSet("c", "b", "a")); err != nil {
		t.Error(err)
	}
	if one.SameOrder(other) {
		t.Error("the orders are the same")
	}
	hear(other, `{"event":"userlistDelta","data":{"from":1,"version":2,"joined":["c","d"],"left":["c"],"at":[2,3]}}`)
	hear(one, `{"event":"userlistDelta","data":{"from":7,"version":8,"joined":["d"],"left":[]}}`)
	if !one.SameOrder(other) {
		t.Error("the orders differ")
	}
	err := one.AwaitUsers(over, NewSet("a", "b", "e"))
	if err == nil || !strings.Contains(err.Error(), `missing are ["e"]`) {
		t.Errorf("error %v, want one that names e", err)
	}
	if moves := one.Moves(); !slices.Equal(moves.Joined, []string{"d"}) || moves.Users != nil {
		t.Errorf("joined %q, users %q, want d and nobody", moves.Joined, moves.Users)
	}
	if one.Mark(); len(one.Moves().Joined) > 0 {
		t.Errorf("joined %q after the mark", one.Moves().Joined)
	}
}
