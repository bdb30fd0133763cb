package wire

import (
	"math"
	"slices"
	"testing"
)

func TestOutcomes(t *testing.T) {
	for _, o := range AllOutcomes {
		if got, ok := ParseOutcome(o.String()); !ok || got != o {
			t.Errorf("%q is outcome %d, want %d", o, got, o)
		}
		if want := o == Delivered || o == Held; o.Positive() != want {
			t.Errorf("%s positive: %v", o, o.Positive())
		}
	}
	for o := range Outcome(math.MaxUint8) {
		if !slices.Contains(AllOutcomes[:], o) && o.String() != "" {
			t.Errorf("outcome %d, which is none, is called %q", o, o)
		}
	}
	for _, name := range []string{"", "Delivered", "slow ", "lost"} {
		if o, ok := ParseOutcome(name); ok || o != 0 {
			t.Errorf("%q is taken for outcome %d", name, o)
		}
	}
}

func TestTheWorstOutcomeIsTold(t *testing.T) {
	for _, c := range []struct {
		o, than Outcome
		worse   bool
	}{
		{Slow, Offline, true},
		{Refused, Slow, true},
		{Refused, Offline, true},
		{Offline, Slow, false},
		{Slow, Refused, false},
		{Slow, Slow, false},
		{Offline, Unknown, true}, // no gateway answers so, but one may
	} {
		if got := c.o.Worse(c.than); got != c.worse {
			t.Errorf("%s worse than %s: %v", c.o, c.than, got)
		}
	}
}

func TestGathered(t *testing.T) {
	for _, delivered := range [][]uint64{{}, {1}, {16, 17, 18}, {0, math.MaxUint64}} {
		m := Gathered{Gateway: "gw-2", Delivered: delivered}
		want, err := Encode(&m)
		if err != nil {
			t.Fatal(err)
		}
		got := AppendGathered([]byte("before "), "gw-2", delivered)
		if string(got) != "before "+string(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
