package roster

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who is sent whole lists need not wait for the room's next update: he has his first one soon, as it is by then, and shares
// it with those who come at about the same time. The others are told when they would have been.
func TestNewcomersAreGreeted(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		come := func(session, user string, since int64) *client {
			c := &client{errorf: t.Errorf, full: true}
			r.Join(login(session, user, "lobby", since), c, true)
			return c
		}
		alice := come("s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))
		time.Sleep(100 * time.Millisecond)
		r.apply([]Change{{Entry: entry("there", "t1", "zoe", 50)}})
		bob := come("s2", "bob", 200)
		time.Sleep(greeting / 2)
		native := join(t, r, "s3", "native", 300)
		carol := come("s4", "carol", 400)
		expect(t, bob)
		time.Sleep(greeting / 2)
		all := []string{"zoe", "alice", "bob", "native", "carol"}
		expect(t, bob, whole(1, all...))
		expect(t, carol, whole(1, all...))
		expect(t, alice)
		expect(t, native)

		// The next update tells them what has changed since, and otherwise nothing.
		r.apply([]Change{{Entry: entry("there", "t1", "zoe", 50), Left: true}})
		time.Sleep(greeting)
		dave := come("s6", "dave", 450)
		ed := come("s7", "ed", 475)
		time.Sleep(greeting)
		all = append(all[1:], "dave", "ed")
		expect(t, dave, whole(1, all...))
		expect(t, ed, whole(1, all...))
		r.Sync("s6") // who asks is told again
		time.Sleep(interval - 100*time.Millisecond - 3*greeting)
		for _, c := range []*client{alice, bob, carol, native, dave} {
			expect(t, c, whole(2, all...))
		}
		expect(t, ed)

		// A session more of a user who is there changes nothing, so the first list is all there is to tell.
		again := come("s5", "bob", 500)
		expect(t, again)
		time.Sleep(greeting)
		expect(t, again, whole(2, all...))
		time.Sleep(interval)
		for _, c := range []*client{alice, bob, carol, native, dave, ed, again} {
			expect(t, c)
		}
	})
}

// What was greeted with a list that then was none is told the true one, though nothing has changed for the others.
func TestGreetingIsTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Roster) {
		alice := join(t, r, "s1", "alice", 100)
		expect(t, alice, whole(1, "alice"))
		r.apply([]Change{{Entry: entry("there", "t1", "zoe", 50)}})
		again := &client{errorf: t.Errorf, full: true}
		r.Join(login("s2", "alice", "lobby", 200), again, true)
		time.Sleep(greeting)
		expect(t, again, whole(1, "zoe", "alice"))
		r.apply([]Change{{Entry: entry("there", "t1", "zoe", 50), Left: true}})
		time.Sleep(interval)
		expect(t, again, whole(1, "alice"))
		expect(t, alice)
	})
}

// Where there are too many for a list newcomers are greeted with the count, and with nothing when it is only about to come
// to that.
func TestGreetingsInLargeRooms(t *testing.T) {
	inSmallBubble(t, 1<<20, func(t *testing.T, r *Roster) {
		others := people(12)
		r.apply(others[:9])
		synctest.Wait()
		come := func(session string) *client {
			c := &client{errorf: t.Errorf, full: true}
			r.Join(login(session, session, "lobby", 100), c, true)
			return c
		}
		a, b := come("a"), come("b")
		time.Sleep(greeting)
		expect(t, a)
		time.Sleep(interval - greeting)
		expect(t, a, counted(2, 11))
		expect(t, b, counted(2, 11))
		c := come("c")
		time.Sleep(greeting)
		expect(t, c, counted(2, 12))
		time.Sleep(countInterval)
		for _, viewer := range []*client{a, b} {
			expect(t, viewer, counted(3, 12))
		}
		expect(t, c)
	})
}
