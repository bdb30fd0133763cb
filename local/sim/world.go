package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"beckon/shared/wire"
)

// world is one schedule: a whole system, its network and its clients.
type world struct {
	clock
	*plan
	rand  *rand.Rand
	net   *network
	trace trace

	sites    []*site
	replicas []*replica // that run
	healed   bool

	incarnations         map[string]int           // of the gateways, by session
	places               map[member][]int64       // when users logged in to rooms
	books                map[string]*book         // of all views there ever were
	views, ids, sessions int                      // so far
	everywhere           map[wire.Entry]time.Time // what every replica has known, since when
}

// member is a user in a room.
type member struct{ room, user string }

// Report is what became of a schedule that held.
type Report struct {
	Kind    string
	Settled time.Duration // from the end of the faults until everything was true, and stayed so
	Bound   time.Duration // in which that must be
}

// Run runs the schedule of a seed. The error is a [*Failure].
func Run(seed uint64) (Report, error) {
	report, failure := run(seed, 0)
	if failure == nil {
		return report, nil
	}
	if _, again := run(seed, 80); again != nil { // once more, to write down what happens
		failure = again
	}
	return report, failure
}

func run(seed uint64, traced int) (report Report, failure *Failure) {
	w := newWorld(seed)
	w.trace.most = traced
	defer func() {
		if p := recover(); p != nil {
			failure = &Failure{Seed: seed, At: w.now.Sub(epoch), Trace: w.trace.latest()}
			if b, ok := p.(broken); ok {
				failure.What = w.kind.String() + ": " + b.what
			} else {
				failure.What = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}
	}()
	return w.play(), nil
}

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		clock: clock{now: epoch}, plan: draw(r), rand: r,
		incarnations: make(map[string]int), places: make(map[member][]int64), books: make(map[string]*book),
		everywhere: make(map[wire.Entry]time.Time),
	}
	w.net = &network{world: w, quality: w.plan.quality, partedAt: epoch.Add(-time.Hour)}
	return w
}

// play starts the system, has things go wrong for a time, and sees that all gets right.
func (w *world) play() Report {
	w.notef("%s: %+v", w.kind, *w.plan)
	for number := range w.plan.gateways {
		w.sites = append(w.sites, &site{name: fmt.Sprint("gw-", number+1), hub: w.hubOf(number, false), told: &told{}})
	}
	for number := range w.plan.replicas {
		w.replicas = append(w.replicas, w.startReplica(replicaName(number), w.hubOf(number, true)))
	}
	for _, s := range w.sites {
		s.start(w)
		for range w.rand.IntN(4) {
			s.gateway.login(w.someUser(), w.someRoom())
		}
	}
	w.after(w.around(w.stepEvery), w.live)
	w.after(w.upTo(2*time.Second), w.goWrong)
	w.run(w.now.Add(w.faults))
	w.heal()

	return w.settle()
}

// settle sees everything get true in time. One schedule in seven goes on until the bound to see that it stays so; the
// others end a while after.
func (w *world) settle() Report {
	healed, patient := w.now, w.chance(0.15)
	end, unsettled := healed.Add(w.bound()), healed
	for w.now.Before(end) && (patient || w.now.Sub(unsettled) < calmFor) {
		w.run(w.now.Add(pollEvery))
		if w.wrong() != nil {
			unsettled = w.now
		}
	}
	if err := w.wrong(); err != nil {
		w.failf("%v after the end of all faults: %v", w.now.Sub(healed), err)
	}
	return Report{Kind: w.kind.String(), Settled: unsettled.Sub(healed), Bound: w.bound()}
}

// live has clients come, go, and ask, now and then.
func (w *world) live() {
	if w.healed {
		return
	}
	w.step()
	w.after(w.around(w.stepEvery), w.live)
}

func (w *world) step() {
	s := w.sites[w.rand.IntN(len(w.sites))]
	g := s.gateway
	if g == nil || g.paused {
		return
	}
	var c *client
	if len(g.clients) > 0 {
		c = g.clients[w.rand.IntN(len(g.clients))]
	}
	switch at := w.rand.IntN(100); {
	case at < 40 || c == nil:
		if g.linked && len(g.clients) < 6 { // without a link logins are turned away
			g.login(w.someUser(), w.someRoom())
		}
	case at < 65:
		g.logout(c)
	case at < 75:
		if g.linked {
			g.move(c, w.someRoom())
		}
	case at < 85:
		c.behind = true
		g.lists.Sync(w.now, c.login.Session)
		g.after()
	default:
		c.busy = !c.busy
	}
}

// someUser is mostly somebody new.
func (w *world) someUser() string {
	if w.chance(0.2) {
		return []string{"ann", "bob", "cid"}[w.rand.IntN(3)]
	}
	return fmt.Sprint("u", w.sessions+1)
}

func (w *world) someRoom() string { return []string{"lobby", "attic"}[w.rand.IntN(w.rooms)] }

func replicaName(number int) string { return fmt.Sprint("replica-", number+1) }

func (w *world) replicaOf(name string) *replica {
	for _, r := range w.replicas {
		if r.name == name {
			return r
		}
	}
	return nil
}

// running are the gateways that run.
func (w *world) running() []*gateway {
	all := make([]*gateway, 0, len(w.sites))
	for _, s := range w.sites {
		if s.gateway != nil {
			all = append(all, s.gateway)
		}
	}
	return all
}

// ports are those of all processes that run.
func (w *world) ports() (all []*port) {
	for _, r := range w.replicas {
		all = append(all, r.port)
	}
	for _, g := range w.running() {
		all = append(all, g.port)
	}
	return all
}

// seen notes a login.
func (w *world) seen(g *gateway, l wire.Login) {
	w.incarnations[l.Session] = g.incarnation
	m := member{l.Room, l.User}
	w.places[m] = append(w.places[m], l.Since)
}

// known notes that a replica has published that a session came. Once all have that were ever complete, whoever is followed
// later knows of it: a replica that has yet to become complete must learn of it before.
func (w *world) known(e wire.Entry) {
	for _, r := range w.replicas {
		if r.ever && !r.book.has(e) {
			return
		}
	}
	w.everywhere[e] = w.now
}

// spread is how long news may take from the last replica to every list.
const spread = time.Second

// there reports whether a user has a session in a room of which every replica has known, and this gateway was told.
func (g *gateway) there(user, room string) bool {
	for _, at := range g.w.running() {
		for _, c := range at.clients {
			if c.login.User != user || c.login.Room != room {
				continue
			}
			e := wire.Entry{Gateway: at.name, Login: c.login}
			since, ok := g.w.everywhere[e]
			if _, told := g.known[e]; at == g || told && ok && g.w.now.Sub(since) > spread {
				return true
			}
		}
	}
	return false
}

// wall is the wall time of some gateway: they differ a little.
func (w *world) wall() int64 { return w.now.UnixMilli() + w.rand.Int64N(100) }

func (w *world) chance(share float64) bool { return w.rand.Float64() < share }

func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.rand.Int64N(int64(d) + 1))
}

// around is d on average.
func (w *world) around(d time.Duration) time.Duration { return d/2 + w.upTo(d) }

// length is the length of a fault: mostly short.
func (w *world) length(most time.Duration) time.Duration {
	d := w.upTo(most)
	if w.chance(0.5) {
		d /= 8
	}
	return d
}
