package load

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScheduleIsEvenAndDoesNotDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{
			start: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start")),
			rate:  rapid.IntRange(1, mostRate).Draw(t, "rate"),
		}
		d := time.Duration(rapid.Int64Range(1, int64(mostDuration)).Draw(t, "duration"))
		n := s.within(d)
		if last := s.due(n-1) - s.start; last >= d {
			t.Errorf("message %d of %d is due %v after the start, not within %v", n-1, n, last, d)
		}
		if next := s.due(n) - s.start; next < d-1 { // due rounds down
			t.Errorf("message %d is due %v after the start, but not among those within %v", n, next, d)
		}
		i := rapid.IntRange(0, n).Draw(t, "i")
		exact := float64(s.start) + float64(i)*float64(time.Second)/float64(s.rate)
		if off := exact - float64(s.due(i)); off < -1 || off > 2 { // of ns; floats of that size have a little less than one
			t.Errorf("message %d is due %v ns off", i, off)
		}
	})
}

// slowClock is a time that passes only in sleeps and sends.
type slowClock struct{ now time.Duration }

func TestOpenLoopKeepsItsTimesAfterADelay(t *testing.T) {
	s := schedule{start: 5 * time.Millisecond, rate: 1000}
	var clock slowClock
	var due, sent []time.Duration
	err := s.run(10, func() time.Duration { return clock.now },
		func(d time.Duration) { clock.now += d/2 + 1 }, // wakes early, as an interrupted sleep does
		func(i int, at time.Duration) error {
			due, sent = append(due, at), append(sent, clock.now)
			if i == 2 {
				clock.now += 4500 * time.Microsecond // the network stands still
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	ms := func(values ...float64) (all []time.Duration) {
		for _, v := range values {
			all = append(all, time.Duration(v*float64(time.Millisecond)))
		}
		return all
	}
	if want := ms(5, 6, 7, 8, 9, 10, 11, 12, 13, 14); !slices.Equal(due, want) {
		t.Errorf("due at %v, want %v", due, want)
	}
	// Those that became due meanwhile go at once, and the rest at their times again.
	want := ms(5, 6, 7, 11.5, 11.5, 11.5, 11.5, 12, 13, 14)
	for i := range want {
		if late := sent[i] - want[i]; late < 0 || late > 10 {
			t.Errorf("message %d was sent at %v, want %v", i, sent[i], want[i])
		}
	}
}

func TestOpenLoopEndsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	sends := 0
	err := schedule{rate: 1000}.run(10, func() time.Duration { return time.Hour }, func(time.Duration) { t.Error("slept") },
		func(int, time.Duration) error {
			if sends++; sends == 3 {
				return broken
			}
			return nil
		})
	if !errors.Is(err, broken) || sends != 3 {
		t.Errorf("%v after %d messages", err, sends)
	}
}

func TestPreciseSleepSleeps(t *testing.T) {
	err := withPreciseSleep(func(sleep func(time.Duration)) error {
		start := time.Now()
		s := schedule{rate: 1000}
		return s.run(20, func() time.Duration { return time.Since(start) }, sleep, func(i int, due time.Duration) error {
			if early := due - time.Since(start); early > 0 {
				t.Errorf("message %d was sent %v early", i, early)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
