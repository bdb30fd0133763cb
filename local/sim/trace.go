package sim

import (
	"fmt"
	"strings"
	"time"

	"beckon/gateway/roster"
	presence "beckon/presence/roster"
	"beckon/shared/wire"
)

// Failure is an invariant that did not hold.
type Failure struct {
	Seed  uint64
	At    time.Duration // of virtual time
	What  string
	Trace []string // the latest events before it
}

func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d, after %v: %s\nthe latest events:\n  %s\nrun it again: go test ./local/sim -run 'TestSimulation$' -seed=%d",
		f.Seed, f.At, f.What, strings.Join(f.Trace, "\n  "), f.Seed)
}

// trace keeps the latest events of a schedule that has failed before: writing it down costs more than the schedule.
type trace struct {
	most  int // 0 for none
	lines []string
}

func (t *trace) add(line string) {
	if len(t.lines) >= 2*t.most {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-t.most:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *trace) latest() []string { return t.lines[max(0, len(t.lines)-t.most):] }

func (w *world) tracing() bool { return w.trace.most > 0 }

// notef writes an event down.
func (w *world) notef(format string, args ...any) {
	if w.tracing() {
		w.trace.add(fmt.Sprintf("%8.3f %s", w.now.Sub(epoch).Seconds(), fmt.Sprintf(format, args...)))
	}
}

// broken is what failf panics with.
type broken struct{ what string }

// failf ends the schedule: an invariant does not hold.
func (w *world) failf(format string, args ...any) { panic(broken{fmt.Sprintf(format, args...)}) }

// label says what a message is, for those who read the trace.
type label struct {
	kind string
	of   any
}

func what(kind string, of any) label { return label{kind, of} }

func (l label) String() string {
	switch m := l.of.(type) {
	case *wire.Announcement:
		return fmt.Sprintf("announcement %s/%d, joined %v, left %v", m.Incarnation, m.Seq, m.Joined, m.Left)
	case *wire.Beat:
		return fmt.Sprintf("beat %s/%d, count %d, stopping %v", m.Incarnation, m.Seq, m.Count, m.Stopping)
	case *wire.GatewaySnapshot:
		return fmt.Sprintf("snapshot %s of %s/%d, chunk %d of %d, %v", m.ID, m.Incarnation, m.Seq, m.Chunk, m.Chunks, m.Logins)
	case *wire.Delta:
		return fmt.Sprintf("delta %s/%d, gone %v, joined %v, left %v", m.View, m.Version, m.Gone, m.Joined, m.Left)
	case *wire.ViewBeat:
		return fmt.Sprintf("beat %s/%d, count %d, complete %v, stopping %v", m.View, m.Version, m.Count, m.Complete, m.Stopping)
	case *wire.ViewSnapshot:
		return fmt.Sprintf("snapshot %s of %s/%d, chunk %d of %d, %v", m.ID, m.View, m.Version, m.Chunk, m.Chunks, m.Entries)
	case presence.Ask:
		return fmt.Sprintf("request %d, probe %v", m.Number, m.Probe)
	default:
		return l.kind
	}
}

func describe(u *roster.Update) string {
	switch u.Kind {
	case roster.Whole:
		return fmt.Sprintf("list %d, %v", u.Version, u.Users)
	case roster.Delta:
		return fmt.Sprintf("delta %d to %d, left %v, joined %v at %v", u.From, u.Version, u.Left, u.Joined, u.At)
	case roster.Count:
		return fmt.Sprintf("count %d, %d", u.Version, u.Count)
	default:
		return fmt.Sprintf("degraded %v", u.Degraded)
	}
}
