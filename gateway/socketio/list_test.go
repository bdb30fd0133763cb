package socketio

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watch notes when one client is let in and when it is told its lists. Nobody else may be told anything over its transport.
type watch struct {
	over transport
	mu   sync.Mutex
	seen []string
	at   []time.Time
}

func (w *watch) writing(p []byte) {
	for _, what := range []string{`40{"sid":`, `42["updateUserlist",`} {
		if bytes.Contains(p, []byte(what)) && bytes.HasPrefix(p, []byte("HTTP/")) == (w.over == polling) {
			w.mu.Lock()
			w.seen, w.at = append(w.seen, what), append(w.at, time.Now())
			w.mu.Unlock()
		}
	}
}

// check checks that the client was told one list, some time after it was let in.
func (w *watch) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := []string{`40{"sid":`, `42["updateUserlist",`}; !slices.Equal(w.seen, want) {
		t.Errorf("it was written %q", w.seen)
	} else if waited := w.at[1].Sub(w.at[0]); waited < 20*time.Millisecond {
		t.Errorf("the list came %v after CONNECT", waited)
	}
}

// The first list comes alone, when CONNECT has been read for a while, and once.
func TestFirstList(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		w := watch{over: over}
		f := startDoor(t, setup{writing: w.writing})
		c := f.open(over)
		c.say(`40{"user":"alice"}`)
		c.connected()
		if len(c.unread) > 0 {
			t.Errorf("with CONNECT came %q", c.unread)
		}
		if got, want := c.packet(), users("alice"); got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
		if len(c.unread) > 0 {
			t.Errorf("with the list came %q", c.unread)
		}
		w.check(t)
	})
}

// Over polling CONNECT counts from when the client fetches it. Whatever happened to the list by then, the client is told it
// once.
func TestFirstListWaitsForThePoll(t *testing.T) {
	w := watch{over: polling}
	f := startDoor(t, setup{writing: w.writing})
	zoe := f.join(webSocket, "zoe")
	c := f.lazy(polling)
	c.say(`40{"user":"alice"}`)
	f.AwaitSessions(2)
	f.join(webSocket, "bob")
	zoe.seesOnly("zoe", "alice", "bob") // and so alice would see it
	var texts []string
	for len(texts) < 2 {
		h := c.fetch()
		if h.err != nil {
			t.Fatal(h.err)
		}
		if len(h.packets) != 1 {
			t.Errorf("one poll brought %q", h.packets)
		}
		texts = append(texts, h.packets...)
	}
	if want := []string{`40{"sid":"alice"}`, users("zoe", "alice", "bob")}; !slices.Equal(texts, want) {
		t.Errorf("heard %q, want %q", texts, want)
	}
	w.check(t)
	c.start()
	c.serves()
}

// Lists are whole, in the order in which users came; a user with several sessions stands in it once, and until the last has
// gone.
func TestLists(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		byUser := make(map[string]*client)
		var stays []*client
		for _, user := range []string{"zoe", "mia", "Ünï", "ann"} { // each in another millisecond: its first list takes some
			byUser[user] = f.join(over, user)
			stays = append(stays, byUser[user])
		}
		again := f.join(over, "mia")
		for _, c := range append(stays, again) {
			c.seesOnly("zoe", "mia", "Ünï", "ann")
		}
		byUser["mia"].leave() // the one that came first: the other came last
		for _, user := range []string{"zoe", "Ünï", "ann"} {
			byUser[user].seesOnly("zoe", "Ünï", "ann", "mia")
		}
		again.seesOnly("zoe", "Ünï", "ann", "mia")
		again.leave()
		byUser["zoe"].seesOnly("zoe", "Ünï", "ann")
	})
}

// A burst of logins makes few lists, and the last one of each client has everybody.
func TestListsAreCoalesced(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		first := f.join(over, "first")
		begun := time.Now()
		const n = 50
		all := make([]*client, n)
		for i := range all {
			all[i] = f.open(over)
			all[i].say(fmt.Sprintf(`40{"user":"user-%02d"}`, i))
		}
		complete := func(list string) bool { return strings.Count(list, `"user-`) == n }
		lists := 1
		for ; !complete(first.list()); lists++ {
		}
		if most := 2 + int(time.Since(begun)/(250*time.Millisecond)); lists > most {
			t.Errorf("%d lists, %d at most", lists, most)
		}
		for _, c := range all {
			c.connected()
			for !complete(c.list()) {
			}
		}
	})
}

// A room that has too many for a list is one with nobody but the client, and a number, until there are fewer again.
func TestLargeRoom(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{listUsers: 3})
		alice, bob := f.join(over, "alice"), f.join(over, "bob")
		f.join(over, "carol")
		alice.seesOnly("alice", "bob", "carol")
		dave := f.connect(over, `{"user":"dave"}`)
		told := func(c *client, want ...string) {
			t.Helper()
			for _, want := range want {
				if got := c.list(); got != want {
					t.Errorf("%s heard %s, want %s", c.id, got, want)
				}
			}
		}
		told(alice, users("alice"), `42["userCount",{"count":4}]`)
		told(dave, users("dave"), `42["userCount",{"count":4}]`)
		bob.seesOnly("bob")
		told(bob, `42["userCount",{"count":4}]`)
		eve := f.connect(over, `{"user":"eve"}`)
		told(eve, users("eve"), `42["userCount",{"count":5}]`)
		told(alice, `42["userCount",{"count":5}]`)
		alice.is(`["refuse",{"to":"eve"}]`, "delivered")
		eve.hears(`42["refuse"]`)
		bob.leave()
		eve.leave()
		for told := ""; told != users("alice", "carol", "dave"); {
			if told = alice.list(); !strings.HasPrefix(told, `42["userCount",`) && told != users("alice", "carol", "dave") {
				t.Fatalf("heard %s", told)
			}
		}
		dave.seesOnly("alice", "carol", "dave")
		f.join(over, "frank")
		told(alice, users("alice"), `42["userCount",{"count":4}]`)
	})
}

// A client for which there was no room when its room became too large hears both all the same.
func TestLargeRoomIsToldLater(t *testing.T) {
	t.Parallel()
	f := startDoor(t, setup{listUsers: 2})
	alice := f.join(webSocket, "alice")
	late := f.lazy(polling)
	late.say(`40{"user":"late"}`)
	for heard := ""; heard != users("alice", "late"); {
		h := late.fetch()
		if h.err != nil {
			t.Fatal(h.err)
		}
		heard = h.packets[len(h.packets)-1]
	}
	for alice.ask(`["message",{"to":"late","data":"filling"}]`) == `{"status":"delivered"}` {
	}
	f.join(webSocket, "bob")
	f.Await("missed", func() bool { return f.Metric("beckon_queue_full_total", "") > 1 })
	late.start()
	heard := late.packet()
	for ; !isList(heard); heard = late.packet() {
		if want := `42["message",{"from":"alice","data":"filling"}]`; heard != want {
			t.Fatalf("heard %s, want %s", heard, want)
		}
	}
	if heard != users("late") {
		t.Errorf("heard %s", heard)
	}
	if heard, want := late.list(), `42["userCount",{"count":3}]`; heard != want {
		t.Errorf("heard %s, want %s", heard, want)
	}
}
