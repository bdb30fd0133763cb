package sim

import "time"

// The tempo of the network.
const (
	// subscribing is how long a subscription takes to be known: less than any message takes.
	subscribing = 100 * time.Microsecond
	fastest     = 200 * time.Microsecond
	// spreading is how long it takes at most until the other hub knows of it too.
	spreading = 20 * time.Millisecond
	// A broken link that nobody was told of is noticed by pings.
	noticedFrom, noticedTo = 4 * time.Second, 6 * time.Second
)

// quality is how a network treats messages. A NATS that works loses none on links that are up, repeats none, and keeps the
// order between any two; the zero value does.
type quality struct {
	lost, twice, late float64       // shares of the messages
	latest            time.Duration // how late a late one is at most
	harmed            float64       // share of the announcements and deltas of which a part is missing on arrival
}

// network carries messages between processes over one or two hubs, which are NATS servers.
type network struct {
	*world
	quality
	// Between the hubs: what goes from the first to the second, and back, vanishes; and whether the hubs know, so that nobody
	// on the one is asked for anything on the other.
	cut      [2]bool
	parted   bool
	partedAt time.Time // the latest change of these
	partings int
	down     [2]bool // the hub itself
}

// port is one process and its connection to NATS.
type port struct {
	net  *network
	name string
	hub  int

	open   bool // the process lives
	paused bool // and stands still: what it would do waits
	stuck  bool // for ever
	queued []func()
	overdo []func() // what its timers would have done

	linked  bool      // there is a connection
	reached time.Time // from then on the other hub knows of it
	epoch   int       // of the connection: what was under way on an earlier one is lost
	changes int       // of the link, as the process would count them
	seen    int
	// Nothing comes in or goes out although the connection stands: it waits.
	stalledIn, stalledOut bool
	inbound, outbound     []func()

	drops   int // so many messages find no room in the process' queue
	dropped bool

	lastTo map[*port]time.Time // when the latest message to another arrives
	calm   time.Time           // the latest disturbance of any kind

	troubles int // standing still, stalls, and their ends

	hearsFirst bool // before it does what is due

	after func() // what the process does after it was woken
}

func (n *network) newPort(name string, hub int) *port {
	return &port{net: n, name: name, hub: hub, open: true, lastTo: make(map[*port]time.Time), calm: n.now}
}

// connect links a process to its hub, unless that is down.
func (p *port) connect() {
	if p.linked || !p.open || p.net.down[p.hub] {
		return
	}
	p.linked = true
	p.reached = p.net.now.Add(p.net.upTo(spreading))
	p.epoch++
	p.changes++
	p.calm = p.net.now
	p.net.notef("%s has a link", p.name)
	p.wake()
}

// disconnect breaks the link. Both ends know.
func (p *port) disconnect() {
	p.calm = p.net.now
	p.inbound, p.outbound = nil, nil
	if !p.linked {
		return
	}
	p.linked = false
	p.changes++
	p.net.notef("%s has lost its link", p.name)
	p.wake()
}

// news reports, once, whether the link is another than it was: as bus.Intake.Link does.
func (p *port) news() (up, news bool) {
	news = p.seen != p.changes
	p.seen = p.changes
	return p.linked, news
}

// lost reports, once, that messages were dropped: as bus.Intake.Lost does.
func (p *port) lost() bool {
	lost := p.dropped
	p.dropped = false
	return lost
}

// wake has the process look around.
func (p *port) wake() {
	if p.after != nil {
		p.act(func() {})
	}
}

// act has a process do something, now or when it no longer stands still.
func (p *port) act(do func()) {
	switch {
	case !p.open:
	case p.paused:
		p.overdo = append(p.overdo, do)
	default:
		do()
		p.after()
	}
}

// out publishes: say runs when what is said reaches the hub.
func (p *port) out(say func()) {
	switch {
	case !p.linked:
	case p.stalledOut:
		p.outbound = append(p.outbound, say)
	default:
		say()
	}
}

// in takes a message from the hub.
func (p *port) in(hear func()) {
	switch {
	case p.stalledIn:
		p.inbound = append(p.inbound, hear)
	case !p.open:
	case p.drops > 0:
		p.drops--
		p.dropped = true
		p.calm = p.net.now
		p.net.notef("%s drops a message", p.name)
	case p.paused:
		p.queued = append(p.queued, hear)
	default:
		hear()
		p.after()
	}
}

// pause stops a process; it knows nothing of it.
func (p *port) pause() { p.paused, p.calm = true, p.net.now }

// resume has a process do what waits. Whether what was heard or what is overdue comes first nobody knows, but a replica hears
// first.
func (p *port) resume() {
	if !p.open || !p.paused || p.stuck {
		return
	}
	p.calm = p.net.now
	p.paused = false
	heard, overdue := p.queued, p.overdo
	p.queued, p.overdo = nil, nil
	if p.net.chance(0.2) && len(heard) > 0 {
		p.net.notef("%s has dropped %d messages", p.name, len(heard)/2)
		heard, p.dropped = heard[:len(heard)/2], true
	}
	first, then := heard, overdue
	if !p.hearsFirst && p.net.chance(0.5) {
		first, then = overdue, heard
	}
	for _, all := range [][]func(){first, then} {
		for _, do := range all {
			do()
		}
		p.after()
	}
}

// kill ends a process without a word.
func (p *port) kill() {
	p.open, p.linked, p.calm = false, false, p.net.now
	p.inbound, p.outbound, p.queued, p.overdo = nil, nil, nil, nil
}

// stall lets nothing through in a direction although the connection stands.
func (p *port) stall(in, out bool) {
	p.stalledIn, p.stalledOut, p.calm = p.stalledIn || in, p.stalledOut || out, p.net.now
}

// flow lets everything through that waited.
func (p *port) flow() {
	p.calm = p.net.now
	p.stalledIn, p.stalledOut = false, false
	in, out := p.inbound, p.outbound
	p.inbound, p.outbound = nil, nil
	for _, say := range out {
		say()
	}
	for _, hear := range in {
		p.in(hear)
	}
}

// reaches reports whether NATS on one port's hub knows of another port's subscriptions.
func (n *network) reaches(from, to *port) bool {
	return to.linked && (from.hub == to.hub || !n.parted && !n.now.Before(to.reached))
}

// carry brings a message from one port's hub to another port, perhaps.
func (n *network) carry(from, to *port, what label, hear func()) {
	if !n.reaches(from, to) || from.hub != to.hub && n.cut[from.hub] {
		return
	}
	if n.lossy(n.lost) {
		if n.tracing() {
			n.notef("%s -> %s: %s is lost", from.name, to.name, what)
		}
		return
	}
	n.bring(from, to, what, hear)
	if n.lossy(n.twice) {
		n.bring(from, to, what, hear)
	}
}

func (n *network) bring(from, to *port, what label, hear func()) {
	at := n.now.Add(fastest + n.upTo(time.Millisecond))
	if n.chance(0.02) {
		at = at.Add(n.upTo(30 * time.Millisecond))
	}
	switch {
	case n.lossy(n.late):
		at = at.Add(n.upTo(n.latest))
	default:
		at = later(at, from.lastTo[to])
		from.lastTo[to] = at
	}
	epoch := to.epoch
	n.at(at, func() {
		if !to.linked || to.epoch != epoch {
			return
		}
		if n.tracing() {
			n.notef("%s -> %s: %s", from.name, to.name, what)
		}
		to.in(hear)
	})
}

// absent brings NATS' notice that nobody was there to ask.
func (n *network) absent(asker *port, whom string, hear func()) {
	epoch := asker.epoch
	n.after(fastest+n.upTo(time.Millisecond), func() {
		if asker.linked && asker.epoch == epoch {
			n.notef("%s asks, and nobody is there: %s", asker.name, whom)
			asker.in(hear)
		}
	})
}

// lossy draws whether one of the things happens that a working NATS does not do.
func (n *network) lossy(share float64) bool { return share > 0 && n.chance(share) }

// undisturbed reports that nothing has happened to two processes or what is between them since then.
func (n *network) undisturbed(since time.Time, a, b *port) bool {
	for _, at := range []time.Time{a.calm, b.calm, n.partedAt} {
		if !at.Add(spreading).Before(since) {
			return false
		}
	}
	return n.quality == quality{}
}
