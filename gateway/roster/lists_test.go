package roster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"beckon/shared/wire"
)

// truth says who is in which room, in the plainest way.
type truth struct {
	mu       sync.Mutex
	sessions map[wire.Ref]wire.Login
}

func (tr *truth) enter(gateway string, l wire.Login) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sessions[wire.Ref{Gateway: gateway, Session: l.Session}] = l
}

func (tr *truth) leave(gateway, session string) wire.Login {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	ref := wire.Ref{Gateway: gateway, Session: session}
	gone := tr.sessions[ref]
	delete(tr.sessions, ref)
	return gone
}

// refs gives all sessions in an order.
func (tr *truth) refs() []wire.Ref {
	return slices.SortedFunc(maps.Keys(tr.sessions), func(a, b wire.Ref) int { return cmp.Compare(a.Session, b.Session) })
}

// inRoom gives the places of all who are in a room.
func (tr *truth) inRoom(room string) map[string]int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	places := make(map[string]int64)
	for _, l := range tr.sessions {
		if place, here := places[l.User]; l.Room == room && (!here || l.Since < place) {
			places[l.User] = l.Since
		}
	}
	return places
}

func (tr *truth) list(room string) []string {
	places := tr.inRoom(room)
	return slices.SortedFunc(maps.Keys(places), func(a, b string) int {
		return cmp.Or(cmp.Compare(places[a], places[b]), cmp.Compare(a, b))
	})
}

func (tr *truth) gateways(user string) []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	all := make(map[string]bool)
	for ref, l := range tr.sessions {
		if l.User == user {
			all[ref.Gateway] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// witness is a client that holds what it was told against the truth, at the moment when it is told.
type witness struct {
	client
	room  string
	truth *truth
	heard int       // so many updates
	last  time.Time // when the last one came

	placed map[string]int64 // the truth when it was last told
}

func (w *witness) Userlist(u *Update) bool {
	before := w.placed
	if !w.client.Userlist(u) {
		return false
	}
	w.placed = w.truth.inRoom(w.room)
	if u.Kind == Delta {
		w.checkNet(before, u)
	}
	if got, want := w.list(), w.truth.list(w.room); !slices.Equal(got, want) {
		w.errorf("%s is told %q, the truth is %q", show(u), got, want)
	}
	now := time.Now()
	greeted := w.full && w.heard == 1
	if w.heard++; w.heard > 1 && !greeted && now.Sub(w.last) < interval {
		w.errorf("updates %v apart", now.Sub(w.last))
	}
	w.last = now
	return true
}

// checkNet checks that a delta tells of those who came, went or moved, and of nobody else.
func (w *witness) checkNet(before map[string]int64, u *Update) {
	for user, since := range before {
		now, here := w.placed[user]
		if stays := here && now == since; stays == slices.Contains(u.Left, user) {
			w.errorf("%s: %s was at %d, is at %d", show(u), user, since, now)
		}
	}
	for user, since := range w.placed {
		was, here := before[user]
		if stayed := here && was == since; stayed == slices.Contains(u.Joined, user) {
			w.errorf("%s: %s was at %d, is at %d", show(u), user, was, since)
		}
	}
}

// Whatever comes and goes in whatever order: at each update every client has exactly the room's ordered list, and an
// interval after the last change so does everybody who reads.
func TestClientsHaveTheList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any
		synctest.Test(t, func(*testing.T) {
			// rapid ends an attempt by a panic, which must not end the bubble.
			defer func() { failure = recover() }()
			r := offline(t)
			defer goFanOut(r)()
			w := &world{
				r: r, truth: &truth{sessions: make(map[wire.Ref]wire.Login)},
				own: make(map[string]*witness),
			}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				w.step(rt)
				synctest.Wait()
			}
			w.check(rt)
		})
		if failure != nil {
			panic(failure)
		}
	})
}

type world struct {
	r     *Roster
	truth *truth
	own   map[string]*witness
	n     int
}

func (w *world) step(t *rapid.T) {
	user := rapid.SampledFrom([]string{"ann", "bob", "cat", "dan", "eve"})
	room := rapid.SampledFrom([]string{"lobby", "lobby", "attic"})
	since := rapid.Int64Range(1, 6)
	w.n++
	session := fmt.Sprint("s", w.n)
	switch rapid.SampledFrom([]string{"join", "join", "leave", "sync", "stall", "remote", "remote", "wait"}).Draw(t, "step") {
	case "join":
		l := login(session, user.Draw(t, "user"), room.Draw(t, "room"), since.Draw(t, "since"))
		v := &witness{client: client{errorf: t.Errorf, full: rapid.Bool().Draw(t, "full")}, room: l.Room, truth: w.truth}
		w.own[session] = v
		w.truth.enter("here", l)
		w.r.Join(l, v, v.full)
	case "leave":
		if len(w.own) > 0 {
			session := rapid.SampledFrom(slices.Sorted(maps.Keys(w.own))).Draw(t, "session")
			delete(w.own, session)
			w.truth.leave("here", session)
			w.r.Leave(session)
		}
	case "sync":
		if len(w.own) > 0 {
			w.r.Sync(rapid.SampledFrom(slices.Sorted(maps.Keys(w.own))).Draw(t, "session"))
		}
	case "stall":
		if len(w.own) > 0 {
			session := rapid.SampledFrom(slices.Sorted(maps.Keys(w.own))).Draw(t, "session")
			w.own[session].setStalled(rapid.Bool().Draw(t, "stalled"))
		}
	case "remote":
		w.r.apply(w.remote(t, user, room, since))
	case "wait":
		time.Sleep(time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond)
	}
}

// remote draws a batch of what other gateways' sessions do: who comes, then who leaves.
func (w *world) remote(t *rapid.T, user, room *rapid.Generator[string], since *rapid.Generator[int64]) []Change {
	var changes []Change
	for i := range rapid.IntRange(0, 3).Draw(t, "come") {
		gateway := rapid.SampledFrom([]string{"east", "west"}).Draw(t, "gateway")
		l := login(fmt.Sprintf("t%d-%d", w.n, i), user.Draw(t, "user"), room.Draw(t, "room"), since.Draw(t, "since"))
		w.truth.enter(gateway, l)
		changes = append(changes, Change{Entry: wire.Entry{Gateway: gateway, Login: l}})
	}
	for range rapid.IntRange(0, 3).Draw(t, "leave") {
		refs := slices.DeleteFunc(w.truth.refs(), func(ref wire.Ref) bool { return ref.Gateway == "here" })
		if len(refs) == 0 {
			break
		}
		ref := rapid.SampledFrom(refs).Draw(t, "ref")
		l := w.truth.leave(ref.Gateway, ref.Session)
		changes = append(changes, Change{Entry: wire.Entry{Gateway: ref.Gateway, Login: l}, Left: true})
	}
	return changes
}

func (w *world) check(t *rapid.T) {
	for _, v := range w.own {
		v.setStalled(false)
	}
	time.Sleep(interval)
	synctest.Wait()
	for _, session := range slices.Sorted(maps.Keys(w.own)) {
		v := w.own[session]
		if got, want := v.list(), w.truth.list(v.room); !v.told || !slices.Equal(got, want) {
			t.Errorf("%s shows %q, the truth is %q", session, got, want)
		}
	}
	for _, user := range []string{"ann", "bob", "cat", "dan", "eve"} {
		if got, want := slices.Sorted(slices.Values(w.r.Gateways(user))), w.truth.gateways(user); !slices.Equal(got, want) {
			t.Errorf("%s is held by %q, the truth is %q", user, got, want)
		}
	}
	// When all have left nothing remains.
	for _, ref := range w.truth.refs() {
		l := w.truth.leave(ref.Gateway, ref.Session)
		if ref.Gateway == "here" {
			w.r.Leave(ref.Session)
		} else {
			w.r.apply([]Change{{Entry: wire.Entry{Gateway: ref.Gateway, Login: l}, Left: true}})
		}
		synctest.Wait()
	}
	time.Sleep(interval)
	synctest.Wait()
	if len(w.r.lists.rooms) != 0 || len(w.r.lists.due) != 0 || w.r.lists.index.len() != 0 || w.r.lists.remote != 0 {
		t.Error("something remains of empty rooms")
	}
}
