package bus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"beckon/shared/wire"
)

// A model of everything around the table of pending signals: NATS, and two gateways between which one user moves. It
// goes forward in steps of a millisecond; what is published in one is routed in the next.
type model struct {
	t     *rapid.T
	table pending
	step  int
	all   []*modelSignal // by number-1

	guard sync.Mutex // the table's watcher publishes, too
	up    []*sent    // on the way to NATS, in order
	away  bool

	observed bool // somebody subscribes who never answers
	latency  int  // from NATS to the sender, in steps: the same for all, so "no responders" comes before later answers
	nobody   []modelAnswer
	gateways [2]modelGateway
	shown    []string // who holds the user, as presence shows it
}

type modelGateway struct {
	name       string
	latency    int // of its answers on their way to NATS, in steps
	subscribed bool
	says       wire.Outcome
	answers    []modelAnswer    // on the way to the sender, in order
	delivered  map[string][]int // by session: what arrived, in order
}

type modelAnswer struct {
	at      int // the step in which it arrives
	n       uint64
	gateway string // empty: NATS says that nobody is there
	o       wire.Outcome
}

type modelSignal struct {
	session  string
	seq      int // within the session
	n        uint64
	outcomes []wire.Outcome
	lost     bool // NATS went away with it, or with an answer to it
	ignored  bool // only somebody who never answers took it
	takers   []string
	unheard  bool // when one of them refused it, presence showed another who had not got it
}

func (m *model) send(session string) {
	s := &modelSignal{session: session, seq: len(m.all)}
	m.all = append(m.all, s)
	p := &sent{pair: pair{session, "bob"}, outcome: func(o wire.Outcome) {
		m.guard.Lock()
		defer m.guard.Unlock()
		s.outcomes = append(s.outcomes, o)
	}}
	m.table.send(p)
	s.n = p.n
}

func (m *model) publish(p *sent) error {
	m.guard.Lock()
	defer m.guard.Unlock()
	if m.away {
		return ErrAway
	}
	m.up = append(m.up, p)
	return nil
}

// changeLink ends the link, so that what is under way is lost, or makes it again.
func (m *model) changeLink() {
	m.guard.Lock()
	defer m.guard.Unlock()
	m.away = !m.away
	for _, p := range m.up {
		m.all[p.n-1].lost = true
	}
	m.up = nil
	for _, queue := range m.queues() {
		for _, a := range *queue {
			m.all[a.n-1].lost = true
		}
		*queue = nil
	}
}

// queues are those of what is on the way to the sender, each of which keeps its order.
func (m *model) queues() []*[]modelAnswer {
	return []*[]modelAnswer{&m.nobody, &m.gateways[0].answers, &m.gateways[1].answers}
}

// forward lets a millisecond pass.
func (m *model) forward() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
	m.step++

	m.guard.Lock()
	up := m.up
	m.up = nil
	m.guard.Unlock()
	for _, p := range up {
		m.route(p)
	}
	for _, queue := range m.queues() {
		for len(*queue) > 0 && (*queue)[0].at <= m.step {
			a := (*queue)[0]
			*queue = (*queue)[1:]
			switch {
			case a.gateway == "":
				m.table.noResponders(a.n)
			case a.o.Positive():
				m.table.positive(a.n, a.o)
			default:
				s := m.all[a.n-1]
				s.unheard = s.unheard || slices.ContainsFunc(m.shown, func(g string) bool { return !slices.Contains(s.takers, g) })
				m.table.negative(a.n, a.gateway, a.o)
			}
		}
	}
	synctest.Wait()
}

func (m *model) route(p *sent) {
	taken := false
	for i := range m.gateways {
		g := &m.gateways[i]
		if !g.subscribed {
			continue
		}
		taken = true
		m.all[p.n-1].takers = append(m.all[p.n-1].takers, g.name)
		at := m.step + g.latency + m.latency
		if g.says == wire.Delivered {
			g.delivered[p.fromSession] = append(g.delivered[p.fromSession], m.all[p.n-1].seq)
			at += int(gatherTime / time.Millisecond)
		}
		g.answers = append(g.answers, modelAnswer{at, p.n, g.name, g.says})
	}
	switch {
	case taken:
	case m.observed:
		m.all[p.n-1].ignored = true
	default:
		m.nobody = append(m.nobody, modelAnswer{at: m.step + m.latency, n: p.n})
	}
}

var modelActions = []string{
	"send", "send", "send", "send", "nothing", "nothing", "nothing", "come", "come", "go", "change", "show", "link", "observe",
}

func (m *model) act() {
	g := &m.gateways[rapid.IntRange(0, 1).Draw(m.t, "gateway")]
	switch rapid.SampledFrom(modelActions).Draw(m.t, "action") {
	case "send":
		for range rapid.IntRange(1, 5).Draw(m.t, "burst") {
			m.send(rapid.SampledFrom([]string{"s1", "s2"}).Draw(m.t, "session"))
		}
	case "come":
		g.subscribed, g.says = true, wire.Delivered
	case "go":
		g.subscribed = false
	case "change":
		g.says = rapid.SampledFrom([]wire.Outcome{wire.Delivered, wire.Offline, wire.Slow}).Draw(m.t, "says")
	case "show": // presence shows what is so
		m.shown = nil
		for _, g := range m.gateways {
			if g.subscribed && g.says != wire.Offline {
				m.shown = append(m.shown, g.name)
			}
		}
	case "link":
		m.changeLink()
	case "observe":
		m.observed = !m.observed
	}
}

func (m *model) check() {
	for _, s := range m.all {
		if len(s.outcomes) != 1 {
			m.t.Fatalf("signal %d has the outcomes %v", s.seq, s.outcomes)
		}
		var arrived bool
		for _, g := range m.gateways {
			arrived = arrived || slices.Contains(g.delivered[s.session], s.seq)
		}
		o := s.outcomes[0]
		switch {
		case o == wire.Delivered && !arrived:
			m.t.Errorf("signal %d is called delivered", s.seq)
		case o != wire.Delivered && o != wire.Unknown && arrived && !s.lost:
			m.t.Errorf("signal %d is called %s, and arrived", s.seq, o)
		case o == wire.Unknown && !s.lost && !s.ignored && !s.unheard:
			m.t.Errorf("signal %d is called unknown, and was answered", s.seq)
		}
	}
	for _, g := range m.gateways {
		for session, seqs := range g.delivered {
			for i := 1; i < len(seqs); i++ {
				if seqs[i] <= seqs[i-1] {
					m.t.Errorf("%s got from %s: %v", g.name, session, seqs)
				}
			}
		}
	}
	if len(m.table.byNumber) > 0 || len(m.table.backlogs) > 0 {
		m.t.Errorf("%d signals and %d backlogs stay in the table", len(m.table.byNumber), len(m.table.backlogs))
	}
}

// Whatever happens, and in whatever order: every signal has one outcome, which is the truth; none arrives twice at one
// gateway; and those of one session arrive in their order.
func TestPendingTellsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Rapid would ask a *testing.T for its deadline, which has none in a bubble.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			m := &model{t: t, latency: rapid.IntRange(0, 30).Draw(t, "latency"), shown: []string{"gw-0"}}
			for i := range m.gateways {
				m.gateways[i] = modelGateway{
					name:      fmt.Sprint("gw-", i),
					latency:   rapid.IntRange(0, 15).Draw(t, "latency"),
					says:      wire.Delivered,
					delivered: make(map[string][]int),
				}
			}
			m.table.init(m.publish, func(string) []string { return m.shown })
			ctx, cancel := context.WithCancel(context.Background())
			var watcher sync.WaitGroup
			watcher.Go(func() { m.table.watch(ctx) })
			defer watcher.Wait()
			defer cancel()

			for range rapid.IntRange(1, 200).Draw(t, "steps") {
				m.act()
				m.forward()
			}
			for range (outcomeTimeout + 2*expiryTick) / time.Millisecond {
				m.forward()
			}
			m.check()
		})
	})
}
