package roster

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/shared/wire"
)

// network carries what two replicas say to a follower, and loses, repeats and delays it.
type network struct {
	*rapid.T
	f     *Follower
	now   time.Time
	up    bool
	here  map[wire.Ref]wire.Login // what the follower's changes add up to
	views map[string]*view
	quiet map[string]bool
	queue []any // on its way, in order
	n     int
}

// Whatever is lost or comes twice, whichever replica or link fails: when messages arrive again the follower soon has
// exactly the view of a replica that is there, and has told of every change exactly once.
func TestFollowerConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &network{
			T: t, f: NewFollower("here"), now: time.Unix(1000, 0), here: make(map[wire.Ref]wire.Login),
			views: map[string]*view{"a": newView("a", ann), "b": newView("b", bob)}, quiet: make(map[string]bool),
		}
		n.link(true)
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			n.step()
		}
		n.quiet["a"], n.quiet["b"] = rapid.Bool().Draw(t, "a quiet"), false
		if !n.up {
			n.link(true)
		}
		for range 20 { // beats
			n.pass(250 * time.Millisecond)
			n.beat("a")
			n.beat("b")
			n.deliver(len(n.queue))
		}
		n.deliver(len(n.queue))
		if n.quiet[n.f.view] || !n.f.Live(n.now) {
			t.Fatalf("%s is followed, live is %v", n.f.view, n.f.Live(n.now))
		}
		same(t, n.f, n.here, n.views[n.f.view])
	})
}

func (n *network) step() {
	name := rapid.SampledFrom([]string{"a", "b"}).Draw(n.T, "view")
	switch rapid.SampledFrom([]string{
		"change", "change", "change", "beat", "beat", "deliver", "deliver", "lose", "repeat", "wait", "dropped", "link", "quiet",
	}).Draw(n.T, "step") {
	case "change":
		n.change(n.views[name])
	case "beat":
		n.beat(name)
	case "deliver":
		n.deliver(rapid.IntRange(1, 10).Draw(n.T, "messages"))
	case "lose":
		if len(n.queue) > 0 {
			i := rapid.IntRange(0, len(n.queue)-1).Draw(n.T, "lost")
			n.queue = append(n.queue[:i:i], n.queue[i+1:]...)
		}
	case "repeat":
		if len(n.queue) > 0 {
			n.queue = append(n.queue, rapid.SampledFrom(n.queue).Draw(n.T, "repeated"))
		}
	case "wait":
		n.pass(time.Duration(rapid.IntRange(1, 800).Draw(n.T, "ms")) * time.Millisecond)
	case "dropped":
		n.queue = nil
		n.perform(n.f.Lost(n.now))
	case "link":
		n.link(!n.up)
	case "quiet":
		n.quiet[name] = !n.quiet[name]
	}
}

func (n *network) change(v *view) {
	gateway := rapid.SampledFrom([]string{"east", "west"}).Draw(n.T, "gateway")
	var d wire.Delta
	switch rapid.SampledFrom([]string{"join", "join", "leave", "gone"}).Draw(n.T, "change") {
	case "gone":
		d.Gone = []string{gateway}
		if rapid.Bool().Draw(n.T, "comes back") {
			d.Joined = v.entries()
		}
	case "leave":
		if all := v.entries(); len(all) > 0 {
			e := rapid.SampledFrom(all).Draw(n.T, "who")
			d.Left = []wire.Ref{{Gateway: e.Gateway, Session: e.Session}}
		}
	default:
		n.n++
		d.Joined = []wire.Entry{entry(gateway, fmt.Sprint("s", n.n), "dan", int64(n.n))}
	}
	n.queue = append(n.queue, v.delta(d))
}

func (n *network) beat(name string) {
	if !n.quiet[name] {
		n.queue = append(n.queue, n.views[name].beat())
	}
}

func (n *network) deliver(most int) {
	for i := 0; i < most && len(n.queue) > 0; i++ {
		msg := n.queue[0]
		n.queue = n.queue[1:]
		if !n.up {
			continue
		}
		switch m := msg.(type) {
		case *wire.ViewBeat:
			n.perform(n.f.Beat(n.now, m))
		case *wire.Delta:
			n.perform(n.f.Delta(n.now, m))
		case *wire.ViewSnapshot:
			n.perform(n.f.Chunk(n.now, m))
		case nil:
			n.perform(n.f.Absent(n.now))
		}
	}
}

func (n *network) link(up bool) {
	n.up = up
	n.perform(n.f.Link(n.now, up))
}

// pass lets time pass, and calls the follower at its deadlines.
func (n *network) pass(d time.Duration) {
	end := n.now.Add(d)
	for {
		at, ok := n.f.Deadline(n.now)
		if !ok || at.After(end) {
			break
		}
		if !at.After(n.now) {
			n.Fatalf("the deadline is over at once")
		}
		n.now = at
		n.perform(n.f.Tick(n.now))
	}
	n.now = end
}

func (n *network) perform(e Effects) {
	add(n.T, n.here, e.Changes)
	if e.Ask {
		switch {
		case !n.up:
			n.Fatalf("it asks without a link")
		case n.quiet[n.f.view]:
			n.queue = append(n.queue, nil)
		default:
			for _, chunk := range n.views[n.f.view].snapshot() {
				n.queue = append(n.queue, chunk)
			}
		}
	}
}
