package sim

import (
	"time"

	"beckon/shared/wire"
)

// fault is something that goes wrong, and by itself ends again.
type fault struct {
	weight int
	happen func(*world)
}

// faultsOf are those of each kind of schedule.
var faultsOf = func() (all [kinds][]fault) {
	replicasStand := []fault{{4, (*world).pauseReplica}, {3, (*world).cutReplica}, {3, (*world).stallReplica}, {2, (*world).dropAtReplica}, {2, (*world).dropAtGateway}}
	replicasDie := []fault{{4, (*world).killReplica}, {2, (*world).stopReplica}}
	gateways := []fault{
		{4, (*world).killGateway},
		{2, (*world).stopGateway},
		{3, (*world).pauseGateway},
		{3, (*world).cutGateway},
		{2, (*world).stallGateway},
		{2, (*world).dropAtGateway},
	}
	hubs := []fault{{1, (*world).restartHub}, {4, (*world).part}}
	join := func(parts ...[]fault) (joined []fault) {
		for _, part := range parts {
			joined = append(joined, part...)
		}
		return joined
	}
	everything := join(replicasStand, replicasDie, gateways, hubs)
	all[wild], all[harmed], all[tame] = everything, everything, everything
	all[presenceOnly] = join(replicasStand, replicasDie, hubs[:1])
	all[restless] = join(gateways[:2], []fault{{4, (*world).dropAtReplica}, {12, (*world).dropAtGateway}})
	all[slowHub] = join(replicasStand, []fault{{10, (*world).restartHub}})
	all[isolated] = []fault{{5, (*world).part}, {1, (*world).dropAtGateway}}
	all[aside] = all[isolated]
	all[halves] = []fault{{5, (*world).part}}
	return all
}()

// goWrong has something go wrong now and then for as long as faults go on.
func (w *world) goWrong() {
	if w.healed {
		return
	}
	choice, total := faultsOf[w.kind], 0
	for _, f := range choice {
		total += f.weight
	}
	at := w.rand.IntN(total)
	for _, f := range choice {
		if at -= f.weight; at < 0 {
			f.happen(w)
			break
		}
	}
	w.after(w.around(w.faultEvery), w.goWrong)
}

// aReplica gives one that lives; nil if none does.
func (w *world) aReplica() *replica {
	if len(w.replicas) == 0 {
		return nil
	}
	return w.replicas[w.rand.IntN(len(w.replicas))]
}

func (w *world) aGateway() *site {
	s := w.sites[w.rand.IntN(len(w.sites))]
	if s.gateway == nil {
		return nil
	}
	return s
}

func (w *world) pauseReplica() {
	if r := w.aReplica(); r != nil {
		w.stand(r.port)
	}
}

func (w *world) pauseGateway() {
	if s := w.aGateway(); s != nil {
		w.stand(s.gateway.port)
	}
}

// stand has a process stand still. When that is long its hub gives up the connection.
func (w *world) stand(p *port) {
	long := w.length(7 * time.Second)
	w.notef("%s stands still for %v", p.name, long)
	p.pause()
	w.giveUp(p)
	w.after(long, func() {
		if p.paused && p.open {
			w.notef("%s goes on", p.name)
			p.resume()
			w.reconnect(p)
		}
	})
}

// giveUp has a connection broken after a time, unless the present trouble is over by then.
func (w *world) giveUp(p *port) {
	p.troubles++
	trouble := p.troubles
	w.after(noticedFrom+w.upTo(noticedTo-noticedFrom), func() {
		if p.open && p.troubles == trouble && (p.paused || p.stalledIn || p.stalledOut) {
			p.disconnect()
		}
	})
}

// reconnect has a process look for its hub again, which takes it a moment.
func (w *world) reconnect(p *port) {
	p.troubles++
	w.after(w.upTo(w.returning()), func() {
		if !p.paused && !p.stalledIn && !p.stalledOut {
			p.connect()
		}
	})
}

// returning is how long a connection takes to come back at most: two attempts, or whatever a slow hub needs.
func (w *world) returning() time.Duration {
	if w.kind == slowHub {
		return 2500 * time.Millisecond
	}
	return 300 * time.Millisecond
}

func (w *world) cutReplica() {
	if r := w.aReplica(); r != nil {
		w.cutOff(r.port)
	}
}

func (w *world) cutGateway() {
	if s := w.aGateway(); s != nil {
		w.cutOff(s.gateway.port)
	}
}

func (w *world) cutOff(p *port) {
	p.disconnect()
	w.after(w.length(5*time.Second), func() { w.reconnect(p) })
}

func (w *world) stallReplica() {
	if r := w.aReplica(); r != nil {
		w.hold(r.port)
	}
}

func (w *world) stallGateway() {
	if s := w.aGateway(); s != nil {
		w.hold(s.gateway.port)
	}
}

// hold lets nothing through to a process, from it, or both.
func (w *world) hold(p *port) {
	way, long := 1+w.rand.IntN(3), w.length(8*time.Second)
	w.notef("the link of %s stalls for %v: in %v, out %v", p.name, long, way&1 > 0, way&2 > 0)
	p.stall(way&1 > 0, way&2 > 0)
	w.giveUp(p)
	w.after(long, func() {
		if p.open {
			w.notef("the link of %s no longer stalls", p.name)
			p.flow()
			w.reconnect(p)
		}
	})
}

func (w *world) dropAtReplica() {
	if r := w.aReplica(); r != nil {
		r.drops = 1 + w.rand.IntN(5)
	}
}

func (w *world) dropAtGateway() {
	if s := w.aGateway(); s != nil {
		s.gateway.drops = 1 + w.rand.IntN(5)
	}
}

func (w *world) killReplica() {
	if r := w.aReplica(); r != nil {
		w.notef("%s is killed", r.name)
		r.kill()
		w.bury(r)
	}
}

func (w *world) stopReplica() {
	if r := w.aReplica(); r != nil && !r.paused {
		r.stop()
		w.bury(r)
	}
}

// bury forgets a replica that has ended, and has another begin some time later.
func (w *world) bury(r *replica) {
	for i, other := range w.replicas {
		if other == r {
			w.replicas = append(w.replicas[:i:i], w.replicas[i+1:]...)
		}
	}
	w.after(w.length(3*time.Second), func() {
		if w.healed {
			return
		}
		begun := w.startReplica(r.name, r.hub)
		w.replicas = append(w.replicas, begun)
		if w.chance(0.2) { // a process that begins has much to do
			w.after(w.upTo(20*time.Millisecond), func() {
				if !w.healed {
					w.stand(begun.port)
				}
			})
		}
	})
}

func (w *world) killGateway() {
	if s := w.aGateway(); s != nil {
		w.notef("%s is killed", s.name)
		s.gateway.kill()
		w.end(s)
	}
}

func (w *world) stopGateway() {
	if s := w.aGateway(); s != nil && !s.gateway.paused {
		s.gateway.stop()
		w.end(s)
	}
}

// end forgets a gateway that has ended, and has another begin some time later.
func (w *world) end(s *site) {
	s.gateway = nil
	until := w.length(5 * time.Second)
	if w.kind == restless {
		until /= 20
	}
	w.after(until, func() {
		if !w.healed {
			s.start(w)
		}
	})
}

// restartHub breaks all connections of a hub for a time.
func (w *world) restartHub() {
	hub := w.rand.IntN(w.hubs)
	if w.net.down[hub] || w.kind == presenceOnly && w.hubs > 1 { // to the other hub its gateways would be dead
		return
	}
	w.notef("hub %d goes down", hub)
	w.net.down[hub] = true
	for _, p := range w.ports() {
		if p.hub == hub {
			p.disconnect()
		}
	}
	w.after(w.length(time.Second), func() { w.raise(hub) })
}

func (w *world) raise(hub int) {
	if !w.net.down[hub] {
		return
	}
	w.notef("hub %d is up", hub)
	w.net.down[hub] = false
	for _, p := range w.ports() {
		if p.hub == hub {
			w.reconnect(p)
		}
	}
}

// part lets nothing through from one hub to the other, or both ways. Either they know at once, or their pings tell them.
func (w *world) part() {
	if w.hubs < 2 || w.net.cut != [2]bool{} {
		return
	}
	way, long := 1+w.rand.IntN(3), w.length(9*time.Second)
	if w.kind == halves || w.kind == aside {
		// Before, NATS is not believed that nobody is there, and everybody has to be heard in between.
		if w.now.Sub(epoch) < linkedLong || w.now.Sub(w.net.partedAt) < time.Second {
			return
		}
	}
	if w.kind == halves {
		long = w.length(3500 * time.Millisecond)
	}
	w.net.cut, w.net.partedAt = [2]bool{way&1 > 0, way&2 > 0}, w.now
	noticed := noticedFrom + w.upTo(noticedTo-noticedFrom)
	if w.chance(0.5) {
		noticed = 0
	}
	w.notef("the hubs part for %v, one way %v, the other %v, and notice it in %v", long, way&1 > 0, way&2 > 0, noticed)
	w.net.partings++
	parting := w.net.partings
	w.after(noticed, func() {
		if w.net.partings == parting && w.net.cut != [2]bool{} {
			w.net.parted, w.net.cut, w.net.partedAt = true, [2]bool{true, true}, w.now
		}
	})
	w.after(long, func() {
		if w.net.partings == parting {
			w.rejoin()
		}
	})
}

// rejoin ends the parting. If the hubs have noticed it their link comes back in a moment.
func (w *world) rejoin() {
	w.net.partings++
	join := func() {
		w.notef("the hubs are together again")
		w.net.cut, w.net.parted, w.net.partedAt = [2]bool{}, false, w.now
	}
	if w.net.parted {
		w.after(w.upTo(300*time.Millisecond), join)
		return
	}
	join()
}

// hang has a gateway stand still for ever. Its hub notices that later than a lease: whoever looks for the gateway finds it
// there, and hears nothing.
func (w *world) hang(s *site) {
	w.notef("%s stands still for ever", s.name)
	s.hung, s.gateway = s.gateway, nil
	s.hung.flow()
	s.hung.pause()
	s.hung.stuck = true
}

// heal ends everything that went wrong, or has it end in the moment that connections take to come back.
func (w *world) heal() {
	w.notef("all faults end")
	w.healed = true
	w.net.quality = quality{}
	w.rejoin()
	for hub := range w.hubs {
		w.raise(hub)
	}
	for _, s := range w.sites {
		if s.gateway == nil && w.chance(0.5) {
			s.start(w)
		}
	}
	if s := w.aGateway(); s != nil && w.chance(0.1) {
		w.hang(s)
	}
	for number := range w.plan.replicas {
		name := replicaName(number)
		if running := w.replicaOf(name); running == nil && (w.chance(0.5) || len(w.replicas) == 0) {
			w.replicas = append(w.replicas, w.startReplica(name, w.hubOf(number, true)))
		}
	}
	for _, p := range w.ports() {
		p.drops = 0
		p.flow()
		p.resume()
		w.reconnect(p)
	}
	for _, g := range w.running() {
		for _, c := range g.clients {
			c.busy = false
		}
	}
}

// harm leaves out a part of a message, now and then.
func harm[M *wire.Announcement | *wire.Delta](w *world, message M) M {
	if !w.net.lossy(w.net.harmed) {
		return message
	}
	switch m := any(message).(type) {
	case *wire.Announcement:
		if less := *m; len(m.Joined) > 0 {
			w.notef("announcement %s/%d is harmed", m.Incarnation, m.Seq)
			less.Joined = m.Joined[1:]
			return any(&less).(M)
		}
	case *wire.Delta:
		if less := *m; len(m.Joined) > 0 {
			w.notef("delta %s/%d is harmed", m.View, m.Version)
			less.Joined = m.Joined[1:]
			return any(&less).(M)
		}
	}
	return message
}
