package roster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

// probed sleeps until a gateway is probed, and takes the probe.
func (r *replica) probed(within time.Duration) roster.Ask {
	r.t.Helper()
	r.probes = nil
	for until := r.now.Add(within); len(r.probes) == 0; r.sleep(10 * time.Millisecond) {
		if r.now.After(until) {
			r.t.Fatalf("no probe within %v", within)
		}
	}
	return r.probes[0]
}

// absent has NATS say that nobody was there to ask.
func (r *replica) absent(ask roster.Ask) {
	r.Absent(r.now, ask.Gateway, ask.Number)
	r.advance()
}

// linked is settled, on a link that has been up long enough to believe NATS.
func linked(t *testing.T, users ...string) (*replica, *source) {
	t.Helper()
	r, s := settled(t, users...)
	for range 12 {
		r.sleep(bus.BeatEvery)
		s.beat()
	}
	return r, s
}

func TestGatewayThatNobodyAnswersForIsGone(t *testing.T) {
	r, _ := linked(t, "alice")
	last := r.now
	r.absent(r.probed(450 * time.Millisecond))
	wantUsers(t, r, "alice")
	r.absent(r.probed(350 * time.Millisecond))
	r.sleep(50 * time.Millisecond)
	wantUsers(t, r)
	if took := r.now.Sub(last); took > 850*time.Millisecond {
		t.Errorf("noticed after %v", took)
	}
	if news := r.News(); news[len(news)-1] != (roster.News{Gateway: "gw", What: "gone", Sessions: 1}) {
		t.Errorf("news %v", news)
	}
}

func TestGatewayThatIsSlowIsNotGone(t *testing.T) {
	// Nobody says that it is absent: it may hang, for a lease.
	r, s := linked(t, "alice")
	before := len(r.probes)
	r.sleep(roster.Lease - 100*time.Millisecond)
	// Each 300 ms after the first 400, in steps of 50 ms.
	if n := len(r.probes) - before; n < 10 || n > 13 {
		t.Errorf("%d probes in 4 s", n)
	}
	wantUsers(t, r, "alice")

	// It moves from one NATS server to another: away for a moment, then there.
	s.beat()
	r.absent(r.probed(450 * time.Millisecond))
	s.beat()
	first := r.probed(450 * time.Millisecond)
	r.sleep(time.Second)
	r.absent(first) // late, and the only one since the beat
	wantUsers(t, r, "alice")
	s.beat()
	r.sleep(300 * time.Millisecond)
	r.absent(first) // of the time before the beat
	r.absent(first)
	r.sleep(time.Second)
	wantUsers(t, r, "alice")

	// The same answer twice is no second answer.
	s.beat()
	probe := r.probed(450 * time.Millisecond)
	r.absent(probe)
	r.absent(probe)
	r.sleep(200 * time.Millisecond)
	wantUsers(t, r, "alice")
}

func TestYoungLinkIsNotBelieved(t *testing.T) {
	r, s := settled(t, "alice")
	r.Link(r.now, false)
	r.Link(r.now, true)
	r.advance()
	s.beat()
	s.answer(r.asked())
	for range 5 {
		r.absent(r.probed(450 * time.Millisecond))
	}
	wantUsers(t, r, "alice")
}

func TestAbsenceCountsOnlyWhileOneHearsOneself(t *testing.T) {
	r, s := linked(t, "alice")
	s.beat()
	first := r.probed(450 * time.Millisecond)
	second := r.probed(450 * time.Millisecond)
	r.stalled = true
	r.sleep(time.Second)
	r.absent(first)
	r.sleep(time.Second)
	r.absent(second)
	r.sleep(time.Second)
	wantUsers(t, r, "alice")
}

// system is a replica and as many gateways, heard whole, each with one user of its name, on a link that is believed.
func system(t *testing.T, gateways int) (r *replica, beat func(gateways ...int)) {
	t.Helper()
	r = newReplica(t)
	ledgers := make([]*bus.Ledger, gateways)
	beat = func(gateways ...int) {
		for _, g := range gateways {
			_, b := ledgers[g].Beat(r.now)
			r.Beat(r.now, fmt.Sprint(g), &b)
		}
		r.advance()
	}
	all := make([]int, gateways)
	for g := range ledgers {
		all[g] = g
		ledgers[g] = bus.NewLedger("A")
		ledgers[g].Join(r.now, wire.Login{Session: fmt.Sprint("s", g), User: fmt.Sprint(g), Room: "lobby", Since: 1})
		ledgers[g].Beat(r.now)
	}
	beat(all...)
	for _, ask := range r.takeAsked() {
		var g int
		if _, err := fmt.Sscan(ask.Gateway, &g); err != nil {
			t.Fatal(err)
		}
		_, chunks := ledgers[g].Snapshot(r.now, "id")
		r.Snapshot(r.now, ask.Gateway, ask.Number, &chunks[0])
	}
	for range 13 {
		r.sleep(bus.BeatEvery)
		beat(all...)
	}
	if !r.Complete() || r.Stats().Users != gateways {
		t.Fatalf("%+v", r.Stats())
	}
	return r, beat
}

func (r *replica) takeAsked() []roster.Ask {
	asks := r.asks
	r.asks = nil
	return asks
}

// lose has NATS say of every probe from now on that nobody is there.
func (r *replica) lose(d time.Duration, beat func()) {
	for until := r.now.Add(d); r.now.Before(until); {
		r.sleep(50 * time.Millisecond)
		for _, probe := range r.probes {
			r.Absent(r.now, probe.Gateway, probe.Number)
		}
		r.probes = nil
		beat()
	}
}

func TestOneOfSeveralIsNoReasonForDoubt(t *testing.T) {
	for gateways := 2; gateways <= 4; gateways++ {
		r, beat := system(t, gateways)
		others := []int{1, 2, 3}[:gateways-1]
		r.lose(time.Second, func() { beat(others...) })
		if n := r.Stats().Users; n != gateways-1 || !r.Complete() {
			t.Errorf("%d users of %d gateways, complete %v", n, gateways, r.Complete())
		}
	}
}

// A replica that hears itself and half of the others cannot tell whether they or it is cut off. It stands, and is not
// followed meanwhile.
func TestMassLossIsDoubted(t *testing.T) {
	r, beat := system(t, 4)
	some := func() { beat(0, 1) }
	r.lose(1500*time.Millisecond, some)
	if n := r.Stats().Users; n != 4 || r.Complete() || !r.Doubts() {
		t.Fatalf("%d users, complete %v, in doubt %v", n, r.Complete(), r.Doubts())
	}
	if _, view := r.ViewBeat(r.now); view.Complete {
		t.Error("others are told to follow it")
	}
	// They come back, one after the other: the first to be heard means that all are there.
	beat(0, 1, 2)
	r.sleep(bus.BeatEvery)
	if r.Stats().Users != 4 || !r.Complete() {
		t.Fatalf("%+v", r.Stats())
	}
	beat(0, 1, 2, 3)
	r.sleep(100 * time.Millisecond)
	if r.Stats().Users != 4 {
		t.Fatalf("%+v", r.Stats())
	}
	// They do not.
	r.lose(roster.Lease+1500*time.Millisecond, some)
	wantUsers(t, r, "0", "1")
	if !r.Complete() {
		t.Error("still in doubt")
	}
}

// Whoever is heard of whom NATS said that he was not there shows that NATS did not know: it is not believed of others, either.
func TestWhoIsBackClearsTheOthers(t *testing.T) {
	r, beat := system(t, 4)
	absent := func(gateways ...string) {
		t.Helper()
		for asked := make(map[string]bool); len(asked) < len(gateways); r.sleep(50 * time.Millisecond) {
			beat(0, 1)
			for _, probe := range r.probes {
				if !asked[probe.Gateway] && slices.Contains(gateways, probe.Gateway) {
					asked[probe.Gateway] = true
					r.Absent(r.now, probe.Gateway, probe.Number)
				}
			}
			r.probes = nil
		}
	}
	absent("2", "3")
	r.sleep(300 * time.Millisecond)
	beat(0, 1)
	r.probes = nil
	r.sleep(350 * time.Millisecond)
	last := r.probes[slices.IndexFunc(r.probes, func(ask roster.Ask) bool { return ask.Gateway == "3" })]
	r.Absent(r.now, "3", last.Number) // the second time: but before it is dropped
	beat(0, 1, 2)
	r.sleep(200 * time.Millisecond)
	if r.Stats().Users != 4 || r.Doubts() {
		t.Fatalf("%+v", r.Stats())
	}
}

// Nor do those whom a replica could not hear for as long as somebody who is back. But somebody who falls silent again and
// again does not keep one who hangs.
func TestWhoFellSilentTogetherIsAwaited(t *testing.T) {
	r, beat := system(t, 2)
	r.sleep(roster.Lease - 100*time.Millisecond)
	beat(0)
	r.sleep(bus.BeatEvery)
	if n := r.Stats().Users; n != 2 {
		t.Fatalf("%d users", n)
	}
	for range 4 {
		r.sleep(2100 * time.Millisecond)
		beat(0)
	}
	if users := users(r); !slices.Equal(users, []string{"0"}) {
		t.Errorf("%v are there", users)
	}
}

// A replica that hears nobody any more gives up nobody: whom would it tell? When the first is back, the others are awaited.
func TestReturnFromACut(t *testing.T) {
	r, beat := system(t, 3)
	r.lose(time.Minute, func() {})
	if n := r.Stats().Users; n != 3 || r.Complete() || !r.Doubts() {
		t.Fatalf("%d users, complete %v, in doubt %v", n, r.Complete(), r.Doubts())
	}
	beat(0)
	r.sleep(100 * time.Millisecond)
	if n := r.Stats().Users; n != 3 || !r.Complete() {
		t.Fatalf("when the first is back: %d users, complete %v", n, r.Complete())
	}
	r.lose(roster.Lease+1500*time.Millisecond, func() { beat(0) })
	wantUsers(t, r, "0")
}

// One that has given up half of all gateways is not followed when one of them is back before the others are, or have had time
// to be.
func TestReturnOfHalf(t *testing.T) {
	r, beat := system(t, 4)
	r.lose(roster.Lease+1500*time.Millisecond, func() { beat(0, 1) })
	wantUsers(t, r, "0", "1")
	if !r.Complete() {
		t.Fatal("not complete")
	}
	back := r.now
	for r.now.Sub(back) < roster.Lease-100*time.Millisecond {
		beat(0, 1, 2)
		if r.Complete() {
			t.Fatalf("followed %v after the first of two was back", r.now.Sub(back))
		}
		r.sleep(50 * time.Millisecond)
	}
	for r.now.Sub(back) < roster.Lease+100*time.Millisecond {
		beat(0, 1, 2)
		r.sleep(50 * time.Millisecond)
	}
	if !r.Complete() {
		t.Error("not complete, when the others have had time enough")
	}
	wantUsers(t, r, "0", "1") // he has given no snapshot
}

// Those who fall silent without a word are no different.
func TestMassSilenceIsDoubted(t *testing.T) {
	r, beat := system(t, 4)
	for range 8 * 4 {
		r.sleep(bus.BeatEvery - 10*time.Millisecond)
		beat(0)
		if n := r.Stats().Users; n != 4 && n != 1 {
			t.Fatalf("%d users: they do not leave together", n)
		}
		if r.now.Sub(start) < 4*time.Second+2*roster.Lease-time.Second && r.Stats().Users == 1 {
			t.Fatal("no doubt")
		}
	}
	r.sleep(roster.Lease / 4)
	beat(0)
	if users := users(r); !slices.Equal(users, []string{"0"}) {
		t.Errorf("%v are left", users)
	}
}
