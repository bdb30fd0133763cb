package roster_test

import (
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/wire"
)

var start = time.Unix(1000, 0)

// replica is a roster under virtual time, and a follower of its view that misses nothing.
type replica struct {
	*roster.Roster
	t       testing.TB
	stalled bool // nothing comes through, though the link is up
	now     time.Time
	asks    []roster.Ask // for snapshots, not taken yet
	probes  []roster.Ask // likewise
	follow  map[wire.Ref]wire.Login
	seen    []wire.Delta
	at      uint64
}

func newReplica(t testing.TB) *replica {
	r := &replica{Roster: roster.New("view"), t: t, now: start, follow: map[wire.Ref]wire.Login{}}
	r.Link(r.now, true)
	r.advance()
	return r
}

// advance does what is due now.
func (r *replica) advance() {
	if !r.stalled {
		r.Echo(r.now)
	}
	asks, deltas := r.Advance(r.now)
	for _, ask := range asks {
		if ask.Probe {
			r.probes = append(r.probes, ask)
		} else {
			r.asks = append(r.asks, ask)
		}
	}
	r.apply(deltas)
	if next := r.Next(); !next.After(r.now) {
		r.t.Fatalf("due again at %v, having advanced at %v", next, r.now)
	}
}

// sleep passes the time, on time for all that is due.
func (r *replica) sleep(d time.Duration) {
	for until := r.now.Add(d); ; {
		next := r.Next()
		if next.After(until) {
			r.now = until
			return
		}
		r.now = next
		r.advance()
	}
}

// apply follows as a gateway would, and is strict about it.
func (r *replica) apply(deltas []wire.Delta) {
	for _, d := range deltas {
		r.at++
		if d.Version != r.at || d.View != "view" {
			r.t.Fatalf("delta %d of %q, want %d", d.Version, d.View, r.at)
		}
		if len(d.Gone)+len(d.Left)+len(d.Joined) == 0 {
			r.t.Fatalf("delta %d changes nothing", d.Version)
		}
		if data, err := wire.Encode(&d); err != nil || len(data) > wire.MaxMessage {
			r.t.Fatalf("delta of %d bytes, %v", len(data), err)
		}
		for _, gateway := range d.Gone {
			maps.DeleteFunc(r.follow, func(ref wire.Ref, _ wire.Login) bool { return ref.Gateway == gateway })
		}
		for _, ref := range d.Left {
			if _, ok := r.follow[ref]; !ok {
				r.t.Fatalf("%v left, but was not there", ref)
			}
			delete(r.follow, ref)
		}
		for _, e := range d.Joined {
			ref := wire.Ref{Gateway: e.Gateway, Session: e.Session}
			if _, ok := r.follow[ref]; ok {
				r.t.Fatalf("%v joined, but was there", ref)
			}
			r.follow[ref] = e.Login
		}
		r.seen = append(r.seen, d)
	}
}

// check holds the follower, the beat, the snapshot and every query against one another.
func (r *replica) check() {
	deltas, beat := r.ViewBeat(r.now)
	r.apply(deltas)
	more, chunks := r.ViewSnapshot(r.now, "id")
	if len(more) > 0 {
		r.t.Fatalf("a snapshot right after a beat needs %d deltas", len(more))
	}
	var assembly wire.Assembly[wire.Entry]
	var whole []wire.Entry
	for _, chunk := range chunks {
		if chunk.Version != r.at || chunk.View != "view" {
			r.t.Fatalf("chunk of %q at %d, want %d", chunk.View, chunk.Version, r.at)
		}
		whole, _ = assembly.Add(chunk.ID, chunk.Chunk, chunk.Chunks, chunk.Entries)
	}
	if !maps.Equal(byRef(whole), r.follow) || len(whole) != len(r.follow) {
		r.t.Fatalf("a snapshot of %v, but the deltas lead to %v", whole, r.follow)
	}
	want := wire.ViewBeat{
		View: "view", Version: r.at, Complete: r.Complete(), Count: len(r.follow), Digest: digest(maps.Values(r.follow)),
	}
	if beat != want {
		r.t.Fatalf("beat %+v, want %+v", beat, want)
	}
	r.checkQueries(whole)
}

func (r *replica) checkQueries(entries []wire.Entry) {
	users, rooms := map[string]int{}, map[string]map[string]int64{}
	sessions := map[string]int{}
	for _, e := range entries {
		users[e.User]++
		sessions[e.Room]++
		in := rooms[e.Room]
		if in == nil {
			in = map[string]int64{}
			rooms[e.Room] = in
		}
		if since, ok := in[e.User]; !ok || e.Since < since {
			in[e.User] = e.Since
		}
	}
	for room, in := range rooms {
		want := make([]roster.User, 0, len(in))
		for user, since := range in {
			want = append(want, roster.User{User: user, Since: since})
		}
		slices.SortFunc(want, compareUsers)
		if got := r.list(room, 2); !slices.Equal(got, want) {
			r.t.Fatalf("room %s has %v, want %v", room, got, want)
		}
		if u, s := r.Count(room); u != len(in) || s != sessions[room] {
			r.t.Fatalf("room %s has %d users in %d sessions, want %d in %d", room, u, s, len(in), sessions[room])
		}
	}
	for user, n := range users {
		where := r.Where(user)
		if len(where) != n || slices.ContainsFunc(where, func(e wire.Entry) bool { return e.User != user }) {
			r.t.Fatalf("%s is at %v, want %d sessions", user, where, n)
		}
		if !slices.IsSortedFunc(where, func(a, b wire.Entry) int { return int(a.Since - b.Since) }) {
			r.t.Fatalf("%s is at %v, not by time", user, where)
		}
	}
	stats := r.Stats()
	if stats.Sessions != len(entries) || stats.Users != len(users) || stats.Rooms != len(rooms) || stats.Version != r.at {
		r.t.Fatalf("%+v of %d users in %d rooms, %d sessions, version %d", stats, len(users), len(rooms), len(entries), r.at)
	}
}

// list reads a room page by page.
func (r *replica) list(room string, limit int) (all []roster.User) {
	var after *roster.User
	for {
		page, more := r.List(room, after, limit)
		if all = append(all, page...); !more {
			return all
		}
		if len(page) != limit {
			r.t.Fatalf("a page of %d, with more to come", len(page))
		}
		after = &page[len(page)-1]
	}
}

// takeAsks takes the requests that were made, each checked to be to gateway "gw".
func (r *replica) takeAsks() (numbers []uint64) {
	for _, ask := range r.asks {
		if ask.Gateway != "gw" {
			r.t.Fatalf("asked %s", ask.Gateway)
		}
		numbers = append(numbers, ask.Number)
	}
	r.asks = nil
	return numbers
}

func byRef(entries []wire.Entry) map[wire.Ref]wire.Login {
	all := make(map[wire.Ref]wire.Login, len(entries))
	for _, e := range entries {
		all[wire.Ref{Gateway: e.Gateway, Session: e.Session}] = e.Login
	}
	return all
}

func digest(logins iter.Seq[wire.Login]) (d wire.Digest) {
	for login := range logins {
		d ^= wire.Digest(login.Hash())
	}
	return d
}

func login(session, user string) wire.Login {
	return wire.Login{Session: session, User: user, Room: "lobby", Since: 1_700_000_000_000}
}

func users(r *replica) []string {
	var names []string
	for _, u := range r.list("lobby", 10) {
		names = append(names, u.User)
	}
	return names
}

func compareUsers(a, b roster.User) int {
	if a.Since != b.Since {
		return int(a.Since - b.Since)
	}
	return map[bool]int{true: -1, false: 1}[a.User < b.User]
}

func wantUsers(t *testing.T, r *replica, want ...string) {
	t.Helper()
	r.check()
	if got := users(r); !slices.Equal(got, want) {
		t.Fatalf("the view holds %v, want %v", got, want)
	}
}
