package sim

import (
	"math/rand/v2"
	"time"
)

// plan is what of a schedule is drawn before it begins.
type plan struct {
	kind                     kind
	replicas, gateways, hubs int
	rooms                    int
	limit, budget            int // of lists
	quality                  quality
	faults                   time.Duration // for how long things go wrong
	faultEvery, stepEvery    time.Duration // on average
}

// kind says what may go wrong.
type kind int

const (
	// wild: everything, and links that lose, repeat and mix up messages, as NATS never would.
	wild kind = iota
	// harmed: the same, and parts of messages are missing, as if other programs had sent them. Then only digests help.
	harmed
	// restless: gateways die and begin again at once, while messages of earlier ones are still under way.
	restless
	// tame: everything but on links that work as NATS does.
	tame
	// presenceOnly: processes of presence die, stand still and lose their links; gateways do not.
	presenceOnly
	// slowHub: the only NATS server restarts, and everybody comes back in his own time; replicas stand still, but none
	// begins.
	slowHub
	// isolated: replicas are cut off from all gateways, but not the one that is beside them.
	isolated
	// aside: all replicas are cut off from all gateways, some for longer than a lease.
	aside
	// halves: two halves, each with replicas, do not hear each other for less than a lease.
	halves
	kinds
)

func (k kind) String() string {
	return [...]string{"wild", "harmed", "restless", "tame", "presence only", "slow hub", "isolated", "aside", "halves"}[k]
}

// mayLose reports whether somebody who is there may leave lists meanwhile. Where no gateway dies nobody may.
func (k kind) mayLose() bool { return k <= tame }

func draw(r *rand.Rand) *plan {
	between := func(a, b int) int { return a + r.IntN(b-a+1) }
	p := &plan{
		kind:     kind(r.IntN(int(kinds))),
		replicas: between(1, 3), gateways: between(2, 4), hubs: between(1, 2), rooms: between(1, 2),
		limit: 5000, budget: 16 << 20,
		faults:     time.Duration(between(1000, 5000)) * time.Millisecond,
		faultEvery: time.Duration(between(150, 1500)) * time.Millisecond,
		stepEvery:  time.Duration(between(30, 300)) * time.Millisecond,
	}
	if r.IntN(4) == 0 {
		p.limit = between(3, 6)
	}
	if r.IntN(4) == 0 {
		p.budget = 20_000
	}
	switch p.kind {
	case wild, harmed:
		p.quality = quality{
			lost: 0.2 * r.Float64() * r.Float64(), twice: 0.2 * r.Float64() * r.Float64(),
			late: 0.3 * r.Float64() * r.Float64(), latest: time.Duration(between(10, 1000)) * time.Millisecond,
		}
		if p.kind == harmed {
			p.quality.harmed = 0.1
		}
	case restless:
		p.quality = quality{lost: 0.1, twice: 0.2, late: 0.3, latest: time.Duration(between(300, 1500)) * time.Millisecond}
		p.faultEvery, p.stepEvery = 150*time.Millisecond, 50*time.Millisecond
	case slowHub:
		p.hubs = 1
	case isolated:
		p.hubs, p.replicas = 2, between(2, 3)
	case aside:
		p.hubs = 2
		p.faults += time.Duration(between(0, 8000)) * time.Millisecond
	case halves:
		p.hubs, p.gateways, p.replicas = 2, 4, between(2, 3)
		p.faults += linkedLong // before, NATS is not believed that nobody is there
	}
	return p
}

// linkedLong is how long a replica's link must be up until it believes NATS that nobody is there.
const linkedLong = 3 * time.Second

// hubOf says where the process of a number is.
func (p *plan) hubOf(number int, replica bool) int {
	switch {
	case p.kind == isolated && (!replica || number == 0), p.kind == aside && !replica:
		return 0
	case p.kind == isolated, p.kind == aside:
		return 1
	}
	return number % p.hubs
}
