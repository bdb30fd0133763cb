package roster

import (
	"fmt"
	"testing"

	"beckon/shared/wire"
)

// reader is a viewer that encodes as a door does, and reads at once.
type reader struct{ bytes int }

func (v *reader) Userlist(u *Update) bool {
	v.bytes += len(u.Encoded(Native, func(u *Update) []byte { return make([]byte, 64+20*(len(u.Users)+len(u.Joined))) }))
	return true
}

// crowd fills the lobby with remote users, and lets n of this gateway's in.
func crowd(b *testing.B, users, viewers int) *Roster {
	r := offline(b)
	var changes []Change
	for i := range users {
		changes = append(changes, Change{Entry: entry("there", fmt.Sprint("t", i), fmt.Sprint("user-", i), int64(i))})
	}
	r.apply(changes)
	for i := range viewers {
		r.Join(login(fmt.Sprint("v", i), fmt.Sprint("viewer-", i), "lobby", int64(users+i)), &reader{}, false)
	}
	settle(r)
	return r
}

// settle flushes every room that waits, whenever it is due.
func settle(r *Roster) (told int) {
	var pushes []Push
	for {
		at, ok := r.lists.Next()
		if !ok {
			return told
		}
		pushes, _ = r.lists.Flush(at, pushes[:0])
		for _, p := range pushes {
			p.Send()
		}
		told += len(pushes)
	}
}

// A login in a room of 10,000, without anybody being told.
func BenchmarkJoin10k(b *testing.B) {
	r := crowd(b, 10_000, 0)
	v := &reader{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Join(login("own", "user", "lobby", int64(20_000+i)), v, false)
		r.Leave("own")
	}
}

// One change in a room of 10,000, told to one viewer.
func BenchmarkFlush10k(b *testing.B) {
	for _, at := range []struct {
		name  string
		since int64
	}{{"end", 20_000}, {"middle", 5_000}} {
		b.Run(at.name, func(b *testing.B) {
			r := crowd(b, 10_000, 1)
			one := Change{Entry: entry("there", "x", "somebody", at.since)}
			b.ReportAllocs()
			for b.Loop() {
				one.Left = false
				r.apply([]Change{one})
				settle(r)
				one.Left = true
				r.apply([]Change{one})
				settle(r)
			}
		})
	}
}

// A delta to 1,000 viewers is encoded once.
func BenchmarkFanOut1k(b *testing.B) {
	r := crowd(b, 1000, 1000)
	one := Change{Entry: entry("there", "x", "somebody", 5000)}
	b.ReportAllocs()
	pushes := 0
	for b.Loop() {
		r.apply([]Change{one})
		one.Left = !one.Left
		pushes += settle(r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(pushes), "ns/viewer")
}

// A hundred thousand sessions, seen for the first time and again by another replica.
func BenchmarkSwitch100k(b *testing.B) {
	v := newView("a")
	for i := range 100_000 {
		e := entry(fmt.Sprint("gw-", i%10), fmt.Sprint("s", i), fmt.Sprint("user-", i), int64(i))
		v.logins[wire.Ref{Gateway: e.Gateway, Session: e.Session}] = e.Login
	}
	entries := v.entries()
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := offline(b)
			t := newTable()
			r.apply(t.replace(entries))
			settle(r)
		}
	})
	b.Run("again", func(b *testing.B) {
		t := newTable()
		t.replace(entries)
		b.ReportAllocs()
		for b.Loop() {
			if n := len(t.replace(entries)); n != 0 {
				b.Fatalf("%d changes", n)
			}
		}
	})
}
