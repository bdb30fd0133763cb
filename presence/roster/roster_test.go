package roster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

// source is one incarnation of gateway "gw", whose messages reach the replica as a test likes.
type source struct {
	*bus.Ledger
	r *replica
}

func (r *replica) incarnation(name string, users ...string) *source {
	s := &source{bus.NewLedger(name), r}
	for _, user := range users {
		s.Join(r.now, login("s-"+user, user))
	}
	return s
}

func (s *source) said() []wire.Announcement {
	said, _ := s.Beat(s.r.now)
	return said
}

// announce delivers what there is to say.
func (s *source) announce() {
	for _, a := range s.said() {
		s.r.Announced(s.r.now, "gw", &a)
	}
	s.r.advance()
}

// lose loses what there is to say.
func (s *source) lose() { s.said() }

func (s *source) beat() {
	s.announce()
	_, beat := s.Beat(s.r.now)
	s.r.Beat(s.r.now, "gw", &beat)
	s.r.advance()
}

// stop delivers the last beat.
func (s *source) stop() {
	_, beat := s.Beat(s.r.now)
	beat.Stopping = true
	s.r.Beat(s.r.now, "gw", &beat)
	s.r.advance()
}

// answer delivers a snapshot for the request of that number.
func (s *source) answer(number uint64) {
	_, chunks := s.Snapshot(s.r.now, fmt.Sprint("snapshot-", number))
	for _, chunk := range chunks {
		s.r.Snapshot(s.r.now, "gw", number, &chunk)
	}
	s.r.advance()
}

// asked takes the one request that was made.
func (r *replica) asked() uint64 {
	r.t.Helper()
	numbers := r.takeAsks()
	if len(numbers) != 1 {
		r.t.Fatalf("%d requests for a snapshot, want one", len(numbers))
	}
	return numbers[0]
}

// settled is a replica that is complete, with one gateway that it has heard whole.
func settled(t *testing.T, users ...string) (*replica, *source) {
	t.Helper()
	r := newReplica(t)
	s := r.incarnation("A", users...)
	s.beat()
	s.answer(r.asked())
	r.sleep(time.Second)
	s.beat()
	if !r.Complete() || len(r.takeAsks()) != 0 {
		t.Fatalf("complete: %v, with a gateway that was heard whole", r.Complete())
	}
	return r, s
}

func TestUnknownGatewayIsAskedBeforeItIsBelieved(t *testing.T) {
	r := newReplica(t)
	s := r.incarnation("A", "alice")
	s.announce()
	wantUsers(t, r)
	number := r.asked()
	s.Join(r.now, login("s-bob", "bob"))
	s.announce()
	s.answer(number)
	wantUsers(t, r, "alice", "bob")
	s.Leave(r.now, "s-alice")
	s.announce()
	wantUsers(t, r, "bob")
	s.beat()
	if n := len(r.takeAsks()); n != 0 {
		t.Errorf("%d requests although nothing was missed", n)
	}
}

func TestRequestsAreRepeatedWithinReason(t *testing.T) {
	r := newReplica(t)
	s := r.incarnation("A", "alice")
	for range 8 {
		s.beat()
		r.sleep(250 * time.Millisecond)
	}
	if n := len(r.takeAsks()); n < 7 || n > 9 {
		t.Errorf("%d requests in 2 s, want 8", n)
	}
	r.sleep(2 * roster.Lease)
	r.takeAsks()
	r.sleep(2 * roster.Lease)
	if n := len(r.takeAsks()); n != 0 || r.Stats().Gateways != 0 {
		t.Errorf("%d requests to a gateway that is silent for long; %d gateways", n, r.Stats().Gateways)
	}
}

// large is an incarnation of 5,000 users, whose snapshot has several chunks. It has beaten.
func (r *replica) large(incarnation string) *source {
	s := r.incarnation(incarnation)
	for i := range 5000 {
		s.Join(r.now, login(fmt.Sprint("s", i), strings.Repeat("u", 100)+fmt.Sprint(i)))
	}
	s.beat()
	return s
}

// The chunks of a large gateway may take longer than the time after which a request is repeated.
func TestAnAnswerThatKeepsComingIsAwaited(t *testing.T) {
	r := newReplica(t)
	s := r.large("A")
	number := r.asked()
	_, chunks := s.Snapshot(r.now, "id")
	if len(chunks) < 4 {
		t.Fatalf("only %d chunks", len(chunks))
	}
	for _, chunk := range chunks {
		r.sleep(200 * time.Millisecond)
		r.Snapshot(r.now, "gw", number, &chunk)
	}
	r.check()
	if n := len(r.takeAsks()); n != 0 || r.Stats().Users != 5000 {
		t.Errorf("%d requests while the answer was coming; %d users", n, r.Stats().Users)
	}
}

// Nor is another gateway asked again meanwhile, whose answer may wait behind: unless it takes a second.
func TestAnswerMayWaitBehindAnother(t *testing.T) {
	r := newReplica(t)
	s := r.large("A")
	number := r.asked()
	r.Beat(r.now, "other", &wire.Beat{Incarnation: "B", Count: 1})
	r.advance()
	if len(r.asks) != 1 || r.asks[0].Gateway != "other" {
		t.Fatalf("asked %v", r.asks)
	}
	_, chunks := s.Snapshot(r.now, "id")
	for i := range 11 {
		r.Snapshot(r.now, "gw", number, &chunks[i%2]) // never whole
		r.sleep(200 * time.Millisecond)
	}
	if len(r.asks) != 3 || r.asks[2].Gateway != "other" {
		t.Errorf("asked in 2 s: %v", r.asks)
	}
}

// A busy gateway may need longer to answer than it takes until it is asked again, and then answers twice, by turns.
func TestLateAnswerCounts(t *testing.T) {
	r := newReplica(t)
	s := r.large("A")
	r.sleep(600 * time.Millisecond)
	numbers := r.takeAsks()
	if len(numbers) != 3 {
		t.Fatalf("asked %d times in 600 ms", len(numbers))
	}
	_, chunks := s.Snapshot(r.now, "id")
	for _, chunk := range chunks {
		for _, number := range numbers[:2] {
			r.Snapshot(r.now, "gw", number, &chunk)
		}
	}
	r.advance()
	r.check()
	if n := r.Stats().Users; n != 5000 {
		t.Errorf("%d users", n)
	}
	s.Leave(r.now, "s0")
	s.lose()
	s.Leave(r.now, "s1")
	s.announce()
	for _, chunk := range chunks {
		r.Snapshot(r.now, "gw", numbers[2], &chunk) // older than what was lost
	}
	r.sleep(250 * time.Millisecond)
	s.answer(r.asked())
	r.check()
	if n := r.Stats().Users; n != 4998 {
		t.Errorf("%d users", n)
	}
}

func TestGapIsFilledBySnapshot(t *testing.T) {
	r, s := settled(t, "alice")
	s.Join(r.now, login("s-bob", "bob"))
	s.lose()
	s.Join(r.now, login("s-carol", "carol"))
	s.announce()
	wantUsers(t, r, "alice")
	s.answer(r.asked())
	wantUsers(t, r, "alice", "bob", "carol")
}

func TestBeatShowsWhatWasLost(t *testing.T) {
	r, s := settled(t, "alice", "bob")
	s.Leave(r.now, "s-alice")
	s.lose()
	s.beat()
	wantUsers(t, r, "alice", "bob")
	s.answer(r.asked())
	wantUsers(t, r, "bob")
}

// Nothing is wrong with the view then, but the next announcement would not fit.
func TestBeatShowsThatSomethingWasLost(t *testing.T) {
	r, s := settled(t, "alice")
	s.Join(r.now, login("s-bob", "bob"))
	s.lose()
	s.Leave(r.now, "s-bob")
	s.lose()
	s.beat()
	s.answer(r.asked())
	s.Join(r.now, login("s-carol", "carol"))
	s.announce()
	wantUsers(t, r, "alice", "carol")
}

func TestSnapshotThatWasOvertaken(t *testing.T) {
	r, s := settled(t, "alice")
	r.Lost(r.now)
	r.advance()
	number := r.asked()
	_, chunks := s.Snapshot(r.now, "id")
	s.Join(r.now, login("s-bob", "bob"))
	s.announce()
	r.Snapshot(r.now, "gw", number, &chunks[0])
	r.advance()
	wantUsers(t, r, "alice", "bob")
	r.sleep(250 * time.Millisecond)
	s.answer(r.asked())
	wantUsers(t, r, "alice", "bob")
}

func TestBeatOfTheSameSeqWithAnotherDigest(t *testing.T) {
	for name, spoil := range map[string]func(*wire.Beat){
		"digest": func(b *wire.Beat) { b.Digest++ },
		"count":  func(b *wire.Beat) { b.Count++ },
	} {
		t.Run(name, func(t *testing.T) {
			r, s := settled(t, "alice")
			_, beat := s.Beat(r.now)
			spoil(&beat)
			r.Beat(r.now, "gw", &beat)
			r.advance()
			s.answer(r.asked())
			s.beat()
			if n := len(r.takeAsks()); n != 0 {
				t.Errorf("%d more requests", n)
			}
			wantUsers(t, r, "alice")
		})
	}
}

func TestRepeatedAndOldMessagesChangeNothing(t *testing.T) {
	r, s := settled(t, "alice")
	s.Join(r.now, login("s-bob", "bob"))
	said := s.said()
	_, old := s.Beat(r.now)
	for range 2 {
		r.Announced(r.now, "gw", &said[0])
	}
	s.Leave(r.now, "s-bob")
	s.announce()
	r.Announced(r.now, "gw", &said[0])
	r.Beat(r.now, "gw", &old)
	r.advance()
	wantUsers(t, r, "alice")
	if n := len(r.takeAsks()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A gateway is killed and started again. Whoever is back by the time of the snapshot does not flap.
func TestNewIncarnationReplacesTheOldInOneChange(t *testing.T) {
	r, _ := settled(t, "alice", "bob", "carol")
	before := len(r.seen)
	b := r.incarnation("B", "bob", "carol", "dave")
	b.beat()
	wantUsers(t, r, "alice", "bob", "carol")
	b.answer(r.asked())
	wantUsers(t, r, "bob", "carol", "dave")
	published := r.seen[before:]
	if len(published) != 1 || len(published[0].Gone) != 0 ||
		!slices.Equal(published[0].Left, []wire.Ref{{Gateway: "gw", Session: "s-alice"}}) ||
		len(published[0].Joined) != 1 || published[0].Joined[0].User != "dave" {
		t.Errorf("published %+v, want that alice left and dave joined", published)
	}
}

// An incarnation that ended before the replica heard of the next one may still be heard for a while.
func TestStaleIncarnationIsNotBelieved(t *testing.T) {
	r, a := settled(t, "alice")
	a.Join(r.now, login("s-ghost", "ghost"))
	a.lose()
	a.beat()
	stale := r.asked() // a answers this, but the answer is late
	b := r.incarnation("B", "bob")
	b.beat()
	a.answer(stale)
	wantUsers(t, r, "alice")
	r.sleep(250 * time.Millisecond)
	b.answer(r.asked())
	wantUsers(t, r, "bob")
	a.announce()
	a.beat()
	a.answer(stale)
	a.stop()
	wantUsers(t, r, "bob")
	r.sleep(250 * time.Millisecond)
	b.answer(r.asked()) // a's last words made it ask again
	b.beat()
	wantUsers(t, r, "bob")
	if r.Stats().Contested != 0 {
		t.Error("called contested")
	}
}

func TestTwoGatewaysOfOneNameAreNoticed(t *testing.T) {
	r, a := settled(t, "alice")
	b := r.incarnation("B", "bob")
	for _, s := range []*source{b, a} {
		s.beat()
		s.answer(r.asked())
		r.sleep(250 * time.Millisecond)
	}
	wantUsers(t, r, "alice")
	if n := r.Stats().Contested; n != 1 {
		t.Errorf("contested %d times, want once", n)
	}
}

func TestLostMessagesLeadToSnapshots(t *testing.T) {
	r, s := settled(t, "alice")
	s.Leave(r.now, "s-alice")
	s.lose()
	r.Lost(r.now)
	r.advance()
	s.answer(r.asked())
	wantUsers(t, r)
}
