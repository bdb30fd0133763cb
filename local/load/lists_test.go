package load

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// whole and delta are frames as gateways send them.
func whole(version int, users ...string) []byte {
	list, _ := json.Marshal(users)
	return fmt.Appendf(nil, `{"event":"updateUserlist","data":{"version":%d,"userList":%s}}`, version, list)
}

func delta(from int, joined, left []string, at []int) []byte {
	text := func(v any) []byte {
		b, _ := json.Marshal(v)
		return b
	}
	frame := fmt.Appendf(nil, `{"event":"userlistDelta","data":{"from":%d,"version":%d,"joined":%s,"left":%s`,
		from, from+1, text(joined), text(left))
	if at != nil {
		frame = fmt.Appendf(frame, `,"at":%s`, text(at))
	}
	return append(frame, `}}`...)
}

// names gives a list's users by name.
func (l *lists) names(held *list) []string {
	var names []string
	for _, user := range held.users {
		names = append(names, l.users[user])
	}
	return names
}

// Whatever happens in a room, a client that applies it has the room's list.
func TestListsFollowTheRoom(t *testing.T) {
	all := []string{"alice", "bob", "carol", "dave", "eve", "Ünï \"x\""}
	rapid.Check(t, func(t *rapid.T) {
		l := newLists(all)
		room := []string{all[0]}
		first, err := l.apply(nil, whole(1, room...))
		if err != nil {
			t.Fatal(err)
		}
		clients := []*list{first, first}
		for version := 1; version < rapid.IntRange(2, 8).Draw(t, "versions"); version++ {
			var left, joined []string
			var at []int
			for _, user := range rapid.Permutation(all).Draw(t, "order")[:2] {
				if i := slices.Index(room, user); i >= 0 {
					left, room = append(left, user), slices.Delete(slices.Clone(room), i, i+1)
				}
			}
			for _, user := range rapid.Permutation(all).Draw(t, "others")[:2] {
				if !slices.Contains(room, user) {
					room = slices.Insert(room, rapid.IntRange(0, len(room)).Draw(t, "place"), user)
					joined = append(joined, user)
				}
			}
			slices.SortFunc(joined, func(a, b string) int { return slices.Index(room, a) - slices.Index(room, b) })
			for _, user := range joined {
				at = append(at, slices.Index(room, user))
			}
			frame := delta(version, joined, left, at)
			for i := range clients {
				if clients[i], err = l.apply(clients[i], slices.Clone(frame)); err != nil {
					t.Fatalf("%s: %v", frame, err)
				}
			}
			if clients[0] != clients[1] {
				t.Fatal("equal lists are held twice")
			}
			if got := l.names(clients[0]); !slices.Equal(got, room) || clients[0].whole != (len(room) == len(all)) {
				t.Fatalf("%q, whole: %v; want %q", got, clients[0].whole, room)
			}
			fresh, err := l.apply(nil, whole(version+1, room...))
			if err != nil || fresh != clients[0] {
				t.Fatalf("the whole list of that version is another one: %v", err)
			}
		}
	})
}

func TestListsAreAppendedTo(t *testing.T) {
	l := newLists([]string{"alice", "bob", "carol"})
	held, err := l.apply(nil, whole(7, "alice"))
	if err != nil || held.whole {
		t.Fatalf("%+v, %v", held, err)
	}
	held, err = l.apply(held, delta(7, []string{"carol", "bob"}, nil, nil))
	if err != nil || !held.whole || held.version != 8 || !slices.Equal(l.names(held), []string{"alice", "carol", "bob"}) {
		t.Fatalf("%+v, %v", held, err)
	}
}

func TestListsTakeNothingOnTrust(t *testing.T) {
	l := newLists([]string{"alice", "bob", "carol"})
	held, err := l.apply(nil, whole(7, "alice", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	// The same deltas again and again: what was refused once must not be remembered as good.
	for range 2 {
		for what, test := range map[string]struct {
			held  *list
			frame []byte
			says  string
		}{
			"no list before":   {nil, delta(7, []string{"carol"}, nil, nil), "before the first"},
			"a gap":            {held, delta(8, []string{"carol"}, nil, nil), "from 8 to 9 at 7"},
			"a step back":      {held, whole(6, "alice"), "6 after 7"},
			"not there":        {held, delta(7, nil, []string{"carol"}, nil), "not there"},
			"there already":    {held, delta(7, []string{"bob"}, nil, nil), "twice"},
			"twice":            {nil, whole(7, "bob", "bob"), "twice"},
			"a stranger":       {held, whole(8, "alice", "mallory"), "mallory"},
			"a stranger joins": {held, delta(7, []string{"mallory"}, nil, nil), "mallory"},
			"a place beyond":   {held, delta(7, []string{"carol"}, nil, []int{3}), "places"},
			"places backwards": {held, delta(7, []string{"carol", "bob"}, []string{"bob"}, []int{1, 0}), "places"},
			"too few places":   {held, delta(7, []string{"carol"}, nil, []int{}), "length"},
			"no version":       {held, []byte(`{"event":"updateUserlist","data":{"userList":[]}}`), "versions"},
			"no JSON":          {held, []byte(`{"event":"updateUserlist","data":{`), "JSON"},
		} {
			if got, err := l.apply(test.held, test.frame); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
	}
}

func TestListsForgetAndGoOn(t *testing.T) {
	l := newLists([]string{"alice", "bob"})
	held, err := l.apply(nil, whole(0, "alice"))
	for version := 0; version < 3*mostHeld && err == nil; version++ {
		if version%2 == 0 {
			held, err = l.apply(held, delta(version, []string{"bob"}, nil, nil))
		} else {
			held, err = l.apply(held, delta(version, nil, []string{"bob"}, nil))
		}
	}
	if err != nil || held.version != 3*mostHeld {
		t.Fatalf("%+v, %v", held, err)
	}
	if len(l.updates) > mostUpdates || len(l.held) > mostHeld {
		t.Errorf("%d updates and %d lists are kept", len(l.updates), len(l.held))
	}
}

func BenchmarkListsApplyAgain(b *testing.B) {
	users := make([]string, 10_000)
	for i := range users {
		users[i] = fmt.Sprintf("user-%04d", i)
	}
	l := newLists(users)
	frame := whole(1, users...)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.apply(nil, frame); err != nil {
			b.Fatal(err)
		}
	}
}
