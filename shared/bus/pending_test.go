package bus

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"beckon/shared/wire"
)

func TestPendingFirstPositive(t *testing.T) {
	inTable(t, func(x *table) {
		a, b := x.signal("s", "bob", "a"), x.signal("s", "bob", "b")
		if b <= a {
			t.Errorf("signal %d after %d", b, a)
		}
		x.hasPublished("a", "b")
		x.positive(b, wire.Held)
		x.hasOutcome("a", 0)
		x.hasOutcome("b", wire.Held)
		x.positive(a, wire.Delivered)
		x.hasOutcome("a", wire.Delivered)

		// What comes after that, or for signals that never were, is nothing.
		x.positive(a, wire.Delivered)
		x.negative(a, "gw-1", wire.Slow)
		x.noResponders(a)
		x.positive(1000, wire.Delivered)
		x.negative(1000, "gw-1", wire.Slow)
		x.noResponders(1000)
		x.after(2 * outcomeTimeout)
		x.hasPublished("a", "b")
	})
}

func TestPendingUnknown(t *testing.T) {
	inTable(t, func(x *table) {
		x.signal("s", "bob", "a")
		x.after(outcomeTimeout / 2)
		x.signal("s", "bob", "b")
		x.after(outcomeTimeout/2 - 1)
		x.hasOutcome("a", 0)
		x.after(1 + expiryTick)
		x.hasOutcome("a", wire.Unknown)
		x.hasOutcome("b", 0)
		x.after(outcomeTimeout / 2)
		x.hasOutcome("b", wire.Unknown)
		x.hasPublished("a", "b") // nothing is sent again
	})
}

// A gateway that stood still reads then what came meanwhile: time in which it could not does not count.
func TestPendingStandstill(t *testing.T) {
	inTable(t, func(x *table) {
		standstill := &sent{pair: pair{"s", "eve"}, msg: []byte("standstill"), outcome: func(wire.Outcome) { time.Sleep(10 * outcomeTimeout) }}
		x.send(standstill)
		x.after(outcomeTimeout / 2)
		a, _ := x.signal("s", "bob", "a"), x.signal("s", "bob", "b")
		x.after(outcomeTimeout/2 + expiryTick + 9*outcomeTimeout)
		x.signal("s", "bob", "c") // before the table notices
		x.after(outcomeTimeout)
		x.hasOutcome("a", 0)
		x.positive(a, wire.Delivered)
		x.hasOutcome("a", wire.Delivered)
		x.after(outcomeTimeout / 2)
		x.hasOutcome("b", wire.Unknown)
		x.hasOutcome("c", 0)
		x.after(outcomeTimeout / 2)
		x.hasOutcome("c", wire.Unknown)
	})
}

func TestPendingUnavailable(t *testing.T) {
	inTable(t, func(x *table) {
		x.fail(ErrAway)
		x.signal("s", "bob", "a")
		x.hasOutcome("a", wire.Unavailable)
		x.fail(nil)
		x.after(2 * outcomeTimeout)
		x.hasPublished()
	})
}

func TestPendingNobody(t *testing.T) {
	inTable(t, func(x *table) {
		x.noResponders(x.signal("s", "bob", "a"))
		x.hasOutcome("a", wire.Offline)
		x.after(2 * outcomeTimeout)
		x.hasPublished("a")
	})
}

func TestPendingNegative(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1", "gw-2"}
		a := x.signal("s", "bob", "a")
		x.negative(a, "gw-1", wire.Offline)
		x.negative(a, "gw-1", wire.Offline) // the same again is not the other
		x.negative(a, "gw-3", wire.Offline) // nor is one that presence does not show
		x.after(10 * settleAfter)
		x.hasOutcome("a", 0)
		x.negative(a, "gw-2", wire.Slow)
		x.after(settleAfter)
		x.hasOutcome("a", wire.Slow)

		for i, answers := range [][2]wire.Outcome{
			{wire.Offline, wire.Refused}, {wire.Refused, wire.Offline}, {wire.Slow, wire.Refused}, {wire.Refused, wire.Slow},
		} {
			name := fmt.Sprint("worst of two ", i)
			n := x.signal("s", "bob", name)
			x.negative(n, "gw-2", answers[0])
			x.negative(n, "gw-1", answers[1])
			x.after(settleAfter)
			x.hasOutcome(name, wire.Refused)
		}
		b := x.signal("s", "bob", "b")
		x.negative(b, "gw-2", wire.Slow)
		x.positive(b, wire.Delivered)
		x.negative(b, "gw-1", wire.Slow)
		x.hasOutcome("b", wire.Delivered)
	})
}

// At the end of its time nobody knows what became of a signal that somebody may still deliver, whatever others did.
func TestPendingNegativeAtTheEnd(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1", "gw-2"}
		x.negative(x.signal("s", "bob", "a"), "gw-2", wire.Refused)
		x.after(outcomeTimeout - 1)
		x.hasOutcome("a", 0)
		x.after(1 + expiryTick)
		x.hasOutcome("a", wire.Unknown)
	})
}

// A user who has just come to gw-2 has left gw-1, whose answer is the quicker one; presence shows neither yet.
func TestPendingPositiveAfterNegative(t *testing.T) {
	for _, shown := range [][]string{nil, {"gw-1"}} {
		inTable(t, func(x *table) {
			x.holds["bob"] = shown
			a := x.signal("s", "bob", "a")
			x.negative(a, "gw-1", wire.Offline)
			x.after(gatherTime + 10*time.Millisecond)
			x.positive(a, wire.Delivered)
			x.after(2 * outcomeTimeout)
			x.hasOutcome("a", wire.Delivered)
		})
	}
}

func TestPendingRetry(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		a := x.signal("s", "bob", "a")
		x.noResponders(a)
		x.after(retryAfter - 1)
		x.hasOutcome("a", 0)
		x.hasPublished("a")
		x.after(1)
		x.hasPublished("a", "a")
		x.positive(a, wire.Delivered)
		x.hasOutcome("a", wire.Delivered)

		// Only once.
		b := x.signal("s", "bob", "b")
		x.noResponders(b)
		x.after(retryAfter)
		x.noResponders(b)
		x.hasOutcome("b", wire.Offline)
		x.after(2 * outcomeTimeout)
		x.hasPublished("a", "a", "b", "b")

		// Not when NATS has gone away meanwhile.
		x.noResponders(x.signal("s", "bob", "c"))
		x.fail(ErrAway)
		x.after(retryAfter)
		x.hasOutcome("c", wire.Unavailable)
	})
}

// The pair's later signals wait, those of other pairs do not.
func TestPendingOrderAcrossARetry(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		a := x.signal("s", "bob", "a")
		x.noResponders(a)
		b, c := x.signal("s", "bob", "b"), x.signal("s", "bob", "c")
		x.signal("other", "bob", "d")
		x.signal("s", "eve", "e")
		x.hasPublished("a", "d", "e")
		x.after(retryAfter)
		x.hasPublished("a", "d", "e", "a", "b", "c")
		x.signal("s", "bob", "f") // nothing waits now
		x.hasPublished("a", "d", "e", "a", "b", "c", "f")
		for _, n := range []uint64{a, b, c} {
			x.positive(n, wire.Delivered)
		}
	})
}

// Signals that were under way when the first of them failed join it, in the order in which they were sent.
func TestPendingOrderOfFailures(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		a, b := x.signal("s", "bob", "a"), x.signal("s", "bob", "b")
		x.noResponders(a)
		x.signal("s", "bob", "c")
		x.after(retryAfter / 2)
		x.noResponders(b)
		x.hasPublished("a", "b")
		x.after(retryAfter / 2)
		x.hasPublished("a", "b", "a", "b", "c")
		x.hasOutcome("a", 0)
	})
}

// Those that waited may fail in their turn, and wait again: each is tried twice.
func TestPendingSecondRound(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		a := x.signal("s", "bob", "a")
		x.noResponders(a)
		b, c := x.signal("s", "bob", "b"), x.signal("s", "bob", "c")
		x.after(retryAfter)
		x.hasPublished("a", "a", "b", "c")
		x.noResponders(a)
		x.hasOutcome("a", wire.Offline)
		x.noResponders(b)
		x.noResponders(c)
		x.signal("s", "bob", "d")
		x.hasPublished("a", "a", "b", "c")
		x.after(retryAfter)
		x.hasPublished("a", "a", "b", "c", "b", "c", "d")
		x.noResponders(b)
		x.hasOutcome("b", wire.Offline)
		x.positive(c, wire.Delivered)
		x.hasOutcome("c", wire.Delivered)
	})
}

// While a backlog is being sent more may come, and some of it may fail already.
func TestPendingChangesWhileItIsSent(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		a := x.signal("s", "bob", "a")
		x.noResponders(a)
		b := x.signal("s", "bob", "b")
		x.on(func(name string) {
			switch name {
			case "a":
				x.signal("s", "bob", "c")
				x.positive(a, wire.Delivered)
			case "c":
				x.signal("s", "bob", "d")
				x.noResponders(b)
			}
		})
		x.after(retryAfter)
		x.hasPublished("a", "a", "b", "c")
		x.after(retryAfter - 1)
		x.hasPublished("a", "a", "b", "c")
		x.after(1)
		x.hasOutcome("b", wire.Offline) // c may have arrived
		x.hasPublished("a", "a", "b", "c", "d")
	})
}

// What somebody received must not be followed by something older.
func TestPendingOvertaken(t *testing.T) {
	type answer func(x *table, n uint64)
	for name, later := range map[string]answer{
		"delivered":        func(x *table, n uint64) { x.positive(n, wire.Delivered) },
		"refused":          func(x *table, n uint64) { x.negative(n, "gw-1", wire.Refused) },
		"not yet heard of": func(*table, uint64) {},
	} {
		t.Run(name, func(t *testing.T) {
			inTable(t, func(x *table) {
				x.holds["bob"] = []string{"gw-1"}
				a, b := x.signal("s", "bob", "a"), x.signal("s", "bob", "b")
				x.noResponders(a) // and then the user came
				x.signal("s", "bob", "c")
				later(x, b)
				x.after(retryAfter)
				x.hasOutcome("a", wire.Offline)
				x.hasPublished("a", "b", "c")
			})
		})
	}
}

// A signal may have its outcome, or run out of time, while it waits to be tried again.
func TestPendingEndsWhileItWaits(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		a := x.signal("s", "bob", "a")
		x.noResponders(a)
		x.signal("s", "bob", "b")
		x.positive(a, wire.Delivered) // somebody else's answer, for all we know
		x.after(retryAfter)
		x.hasPublished("a", "b")

		x.after(3 * outcomeTimeout)
		c := x.signal("s", "bob", "c")
		x.after(outcomeTimeout + expiryTick - retryAfter/2)
		x.hasOutcome("c", wire.Unknown)
		x.noResponders(c)
		x.after(retryAfter)
		x.hasPublished("a", "b", "c")
	})
}

func TestPendingBacklogIsBounded(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		x.noResponders(x.signal("s", "bob", "first"))
		want := []string{"first", "first"}
		for i := range backlogMost - 1 {
			name := fmt.Sprint(i)
			x.signal("s", "bob", name)
			x.hasOutcome(name, 0)
			want = append(want, name)
		}
		x.signal("s", "bob", "too much")
		x.hasOutcome("too much", wire.Slow)
		x.signal("other", "bob", "of others")
		x.hasOutcome("of others", 0)
		x.after(retryAfter)
		x.hasPublished(slices.Insert(want, 1, "of others")...)
		x.signal("s", "bob", "again")
		x.hasOutcome("again", 0)
	})
}

func TestPendingAbandon(t *testing.T) {
	inTable(t, func(x *table) {
		x.holds["bob"] = []string{"gw-1"}
		x.signal("s", "bob", "a")
		x.noResponders(x.signal("s", "bob", "b"))
		x.signal("s", "bob", "c") // waits
		d := x.signal("s", "eve", "d")
		x.negative(d, "gw-1", wire.Slow)
		x.abandon()
		for _, name := range []string{"a", "b", "c"} {
			x.hasOutcome(name, wire.Unknown)
		}
		x.hasOutcome("d", wire.Slow)
		x.signal("s", "bob", "e")
		x.hasOutcome("e", wire.Unavailable)
		x.after(2 * outcomeTimeout)
		x.hasPublished("a", "b", "d")
	})
}
