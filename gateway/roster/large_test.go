package roster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"beckon/shared/wire"
)

// inSmallBubble runs a test as [inBubble] does, where ten users are the most of a list.
func inSmallBubble(t *testing.T, bytes int, test func(t *testing.T, r *Roster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Options{Gateway: "here", Limits: Limits{ListUsers: 10, WholeBytes: bytes}, Log: discard})
		if err != nil {
			t.Fatal(err)
		}
		defer goFanOut(r)()
		test(t, r)
	})
}

// people are n sessions of as many users on another gateway.
func people(n int) (all []Change) {
	for i := range n {
		all = append(all, Change{Entry: entry("there", fmt.Sprint("t", i), fmt.Sprintf("user-%03d", i), int64(i))})
	}
	return all
}

func leaving(changes []Change) []Change {
	gone := slices.Clone(changes)
	for i := range gone {
		gone[i].Left = true
	}
	return gone
}

func counted(version uint64, n int) *Update { return &Update{Kind: Count, Version: version, Count: n} }

func TestLargeRoomIsCounted(t *testing.T) {
	inSmallBubble(t, 1<<20, func(t *testing.T, r *Roster) {
		others := people(12)
		alice, old := &client{errorf: t.Errorf}, &client{errorf: t.Errorf, full: true}
		r.change(func(now time.Time) { // at one moment, so that all are flushed together
			r.lists.Apply(now, others[:8])
			r.lists.Join(now, login("s1", "alice", "lobby", 100), alice, false) // the ninth
			r.lists.Join(now, login("s2", "old", "lobby", 200), old, true)      // the tenth
		})
		synctest.Wait()
		if u := alice.taken(); len(u) != 1 || u[0].Kind != Whole || len(u[0].Users) != 10 {
			t.Fatalf("told %v of ten users", u)
		}
		old.taken()

		time.Sleep(interval)
		r.apply(others[8:9])
		expect(t, alice, counted(2, 11))
		expect(t, old, counted(2, 11))

		// From now on once a second. Whoever comes is told the number, too.
		time.Sleep(countInterval / 2)
		r.apply(others[9:])
		late := join(t, r, "s3", "late", 300)
		expect(t, alice)
		time.Sleep(countInterval / 2)
		expect(t, alice, counted(3, 15))
		expect(t, late, counted(3, 15))
		r.Sync("s1")
		time.Sleep(countInterval)
		expect(t, alice, counted(3, 15))
		expect(t, late)

		// Ten are not few enough: it does not go to and fro. Nine are.
		old.taken()
		time.Sleep(countInterval)
		r.apply(leaving(others[:5]))
		expect(t, alice, counted(4, 10))
		time.Sleep(countInterval)
		expect(t, old, counted(4, 10))
		r.apply(leaving(others[5:6]))
		want := []string{"user-006", "user-007", "user-008", "user-009", "user-010", "user-011", "alice", "old", "late"}
		expect(t, alice, whole(5, want...))
		expect(t, old, whole(5, want...))
		time.Sleep(interval)
		r.Leave("s3")
		expect(t, alice, &Update{Kind: Delta, From: 5, Version: 6, Left: []string{"late"}})
		expect(t, old, whole(6, want[:8]...))
	})
}

// The more there are to be told, the more seldom they are: but a lone change is told at once.
func TestManyViewersAreToldMoreSeldom(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLists("here", Limits{ListUsers: 100_000, WholeBytes: 1 << 30})
	const viewers = 20_000
	for i := range viewers {
		l.Join(now, login(fmt.Sprint("s", i), fmt.Sprint("user-", i), "lobby", int64(i)), &reader{}, false)
	}
	l.Flush(now, nil)
	for _, test := range []struct {
		quiet time.Duration
		want  time.Duration
	}{{0, viewers * viewerInterval}, {time.Minute, 0}, {300 * time.Millisecond, viewers*viewerInterval - 300*time.Millisecond}} {
		now = now.Add(test.quiet)
		user := fmt.Sprint("late-", test.quiet)
		l.Apply(now, []Change{{Entry: entry("there", user, user, 1<<40)}})
		at, ok := l.Next()
		if !ok || at.Sub(now) != test.want {
			t.Errorf("after %v of quiet a change is told in %v, want %v", test.quiet, at.Sub(now), test.want)
		}
		now = at
		l.Flush(now, nil)
	}
}

func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		l := NewLists("here", Limits{ListUsers: rapid.IntRange(0, 10).Draw(t, "most"), WholeBytes: 1 << 20})
		l.Join(now, login("own", "me", "lobby", 0), &reader{}, false)
		here := map[string]bool{"me": true}
		name := rapid.StringOfN(rapid.SampledFrom([]rune("abü")), 1, 4, -1)
		for i := range rapid.IntRange(0, 40).Draw(t, "changes") {
			user := name.Draw(t, "user")
			c := Change{Entry: entry("there", "of-"+wire.Token(user), user, int64(i)), Left: here[user]}
			l.Apply(now, []Change{c})
			here[user] = !here[user]
			if rapid.Bool().Draw(t, "asked meanwhile") {
				l.Page("own", Query{Limit: 1})
			}
			if at, ok := l.Next(); ok && rapid.Bool().Draw(t, "flush") {
				now = at
				l.Flush(now, nil)
			}
		}
		for at, ok := l.Next(); ok; at, ok = l.Next() {
			now = at
			l.Flush(now, nil)
		}

		q := Query{
			Prefix: rapid.StringOfN(rapid.SampledFrom([]rune("abü")), 0, 2, -1).Draw(t, "prefix"),
			Limit:  rapid.IntRange(1, 5).Draw(t, "limit"),
		}
		var want []string
		for user, is := range here {
			if is && strings.HasPrefix(user, q.Prefix) {
				want = append(want, user)
			}
		}
		slices.Sort(want)
		var got []string
		for more := true; more; {
			p := l.Page("own", q)
			if len(p.Users) > q.Limit || p.More && len(p.Users) < q.Limit {
				t.Fatalf("a page %+v of %+v", p, q)
			}
			got = append(got, p.Users...)
			if more = p.More; more {
				q.After = p.Users[len(p.Users)-1]
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the pages with prefix %q are %q, want %q", q.Prefix, got, want)
		}
		q.After = name.Draw(t, "after")
		i, _ := slices.BinarySearch(want, q.After+"\x00")
		if p := l.Page("own", q); !slices.Equal(p.Users, want[i:min(len(want), i+q.Limit)]) {
			t.Errorf("after %q come %q of %q", q.After, p.Users, want)
		}
	})
	if p := NewLists("here", Limits{}).Page("nobody", Query{Limit: 1}); p.Users != nil || p.Count != 0 {
		t.Errorf("nobody's page is %+v", p)
	}
}

// Whole lists leave as fast as the budget has it, in turns, and each with the list as it is by then. First lists need
// none.
func TestBudgetOfWholeLists(t *testing.T) {
	inSmallBubble(t, 1000, func(t *testing.T, r *Roster) {
		const viewers = 8 // of lists of some 140 bytes
		var all []*client
		for i := range viewers {
			c := &client{errorf: t.Errorf, full: true}
			all = append(all, c)
			r.Join(login(fmt.Sprint("s", i), fmt.Sprint("viewer-", i), "lobby", int64(i)), c, true)
		}
		native := join(t, r, "n", "native", 100)
		time.Sleep(interval)
		synctest.Wait()
		for i, c := range all {
			if got := c.taken(); len(got) == 0 || got[0].Kind != Whole {
				t.Fatalf("client %d is told %v", i, got)
			}
		}
		time.Sleep(5 * time.Second) // until nobody waits any more
		synctest.Wait()
		for _, c := range all {
			c.taken()
		}
		native.taken()

		const seconds = 20
		const step = interval / 5
		bytes := 0
		least, most := 1000, 0
		told := make([]int, viewers)
		for i := range int(seconds * time.Second / step) {
			who := Change{Entry: entry("there", "t", "x", 1000), Left: i%2 == 1}
			r.apply([]Change{who})
			time.Sleep(step)
			synctest.Wait()
			for v, c := range all {
				for _, u := range c.taken() {
					told[v]++
					bytes += u.size
				}
			}
		}
		for _, n := range told {
			least, most = min(least, n), max(most, n)
		}
		if most-least > 3 {
			t.Errorf("one was told %d times, another %d", least, most)
		}
		if bytes > 1000*seconds+500 || bytes < 1000*seconds*8/10 {
			t.Errorf("%d bytes in %d s with 1000 bytes a second", bytes, seconds)
		}
		if len(native.taken()) < seconds { // some changes cancel each other
			t.Error("deltas wait for the budget")
		}

		// When nothing changes any more everybody soon has the list as it is.
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for i, c := range all {
			if !slices.Equal(c.list(), native.list()) {
				t.Errorf("client %d shows %q, not %q", i, c.list(), native.list())
			}
		}
		// Who leaves while he waits is not waited for.
		r.apply([]Change{{Entry: entry("there", "u", "y", 2000)}})
		synctest.Wait()
		for i := range viewers {
			r.Leave(fmt.Sprint("s", i))
		}
		r.Leave("n")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := r.lists.waiting; n != 0 || r.lists.rooms["lobby"].waiting.Len() != 0 || r.lists.turns.Len() != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// Rooms take turns: two people in one do not wait until a thousand in another have had their lists.
func TestRoomsShareTheBudget(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLists("here", Limits{ListUsers: 5000, WholeBytes: 100_000})
	join := func(session, user, room string) {
		l.Join(now, login(session, user, room, 1), &reader{}, true)
	}
	flush := func() (last map[string]time.Time) {
		last = make(map[string]time.Time)
		for at, ok := l.Next(); ok; at, ok = l.Next() {
			if at.After(now) {
				now = at
			}
			pushes, _ := l.Flush(now, nil)
			for _, p := range pushes {
				last[p.Update.Room] = now
			}
		}
		return last
	}
	for i := range 1000 {
		join(fmt.Sprint("s", i), fmt.Sprint("user-", i), "large")
	}
	join("one", "one", "small")
	join("two", "two", "small")
	flush()
	now = now.Add(time.Minute)
	began := now
	l.Apply(now, []Change{{Entry: wire.Entry{Gateway: "there", Login: login("t1", "late", "large", 2)}}})
	l.Apply(now, []Change{{Entry: wire.Entry{Gateway: "there", Login: login("t2", "late", "small", 2)}}})
	last := flush()
	if small, large := last["small"].Sub(began), last["large"].Sub(began); small > time.Second || large < 10*time.Second {
		t.Errorf("the small room had its lists after %v, the large one after %v", small, large)
	}
}

func TestEverybodyIsToldHowTheListStands(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		degraded := func(degraded bool) {
			r.change(func(now time.Time) { r.lists.Degraded(now, degraded) })
		}
		stands := func(c *client, want ...bool) {
			t.Helper()
			synctest.Wait()
			if got := c.stands(); !slices.Equal(got, want) {
				t.Fatalf("told %v, want %v", got, want)
			}
		}
		alice := join(t, r, "s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))
		stands(alice)

		time.Sleep(interval)
		degraded(true)
		stands(alice, true)
		expect(t, alice)
		time.Sleep(interval)
		bob := join(t, r, "s2", "bob", 200)
		expect(t, bob, whole(2, "alice", "bob"))
		stands(bob, true)

		// One that has no room is told when it has, if it is still so.
		time.Sleep(interval)
		alice.setStalled(true)
		degraded(false)
		stands(bob, true, false)
		time.Sleep(4 * interval)
		stands(alice, true)
		alice.setStalled(false)
		time.Sleep(interval)
		stands(alice, true, false)

		// What is over before anybody was told is not told.
		degraded(true)
		degraded(false)
		time.Sleep(interval)
		stands(alice, true, false)
	})
}
