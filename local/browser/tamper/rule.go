package tamper

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Direction says which way a frame goes.
type Direction string

// The directions.
const (
	ToPage   Direction = "to the page"
	FromPage Direction = "from the page"
)

// Any stands for every event.
const Any = ""

// kind is one event one way.
type kind struct {
	direction Direction
	event     string
}

// Rule is what happens to frames of one event that go one way, on every connection, until it ends.
type Rule struct {
	proxy *Proxy
	kind
	hold bool

	mu    sync.Mutex
	ended bool
	held  []heldFrame
}

type heldFrame struct {
	to *lane
	message
}

// Drop loses the frames of an event.
func (p *Proxy) Drop(d Direction, event string) *Rule { return p.add(d, event, false) }

// Hold keeps the frames of an event back until the rule ends. Others overtake them.
func (p *Proxy) Hold(d Direction, event string) *Rule { return p.add(d, event, true) }

func (p *Proxy) add(d Direction, event string, hold bool) *Rule {
	r := &Rule{proxy: p, kind: kind{d, event}, hold: hold}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
	return r
}

// End lets frames pass again, first those that were held back, in their order.
func (r *Rule) End() {
	p := r.proxy
	p.mu.Lock()
	p.rules = slices.DeleteFunc(p.rules, func(other *Rule) bool { return other == r })
	p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, h := range r.held {
		_ = h.to.write(h.message) // the connection may be gone
	}
	r.held = nil
}

// take reports whether the rule has a frame now.
func (r *Rule) take(to *lane, m message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	if r.hold {
		r.held = append(r.held, heldFrame{to, m})
	}
	return true
}

func (r *Rule) covers(k kind) bool { return r.kind == k || r.kind == kind{k.direction, Any} }

// passOn sends a frame on its way, unless a rule takes it; of several the oldest does. It is counted behind that, so that a
// test which has seen it knows its fate.
func (p *Proxy) passOn(d Direction, to *lane, m message) error {
	var head struct{ Event string }
	_ = json.Unmarshal(m.text, &head) // what is no frame has no event, and falls under rules for any
	k := kind{d, head.Event}
	p.mu.Lock()
	rules := slices.Clone(p.rules)
	p.mu.Unlock()
	var err error
	if !slices.ContainsFunc(rules, func(r *Rule) bool { return r.covers(k) && r.take(to, m) }) {
		err = to.write(m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[kind{d, Any}]++
	if k.event != Any {
		p.seen[k]++
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return err
}

// Seen counts the frames of an event that have come so far, whatever became of them.
func (p *Proxy) Seen(d Direction, event string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[kind{d, event}]
}

// Await waits until so many frames of an event have come since the start, whatever became of them.
func (p *Proxy) Await(d Direction, event string, n int) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		seen, changed := p.seen[kind{d, event}], p.changed
		p.mu.Unlock()
		if seen >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("%d frames of %q came %s, want %d", seen, event, d, n)
		}
	}
}
