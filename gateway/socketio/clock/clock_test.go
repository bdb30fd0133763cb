package clock

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestAlarmsRingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		start := time.Now()
		var rang []time.Duration
		want := make([]time.Duration, 100)
		for i, n := range rand.Perm(len(want)) {
			want[i] = time.Duration(i+1) * time.Second
			c.Set(&Alarm{}, start.Add(time.Duration(n+1)*time.Second), func() { rang = append(rang, time.Since(start)) })
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !slices.Equal(rang, want) {
			t.Errorf("rang after %v", rang)
		}
	})
}

func TestAlarmIsMovedAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		start := time.Now()
		var moved, stopped, last Alarm
		var rang []string
		ring := func(name string) func() { return func() { rang = append(rang, name) } }
		c.Set(&last, start.Add(time.Minute), ring("last"))
		c.Set(&moved, start.Add(time.Second), ring("too early"))
		c.Set(&stopped, start.Add(2*time.Second), ring("stopped"))
		c.Set(&moved, start.Add(time.Hour), ring("moved back"))
		c.Set(&moved, start.Add(3*time.Second), ring("moved"))
		c.Stop(&stopped)
		c.Stop(&stopped)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if want := []string{"moved"}; !slices.Equal(rang, want) {
			t.Errorf("rang: %q, want %q", rang, want)
		}
		c.Set(&moved, time.Now(), ring("again"))
		synctest.Wait()
		if want := []string{"moved", "again"}; !slices.Equal(rang, want) {
			t.Errorf("rang: %q, want %q", rang, want)
		}
		c.Stop(&moved)
		time.Sleep(time.Hour)
		synctest.Wait()
		if want := []string{"moved", "again", "last"}; !slices.Equal(rang, want) {
			t.Errorf("rang: %q, want %q", rang, want)
		}
	})
}

// An alarm may set itself again, as a heartbeat does.
func TestAlarmRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		var a Alarm
		n := 0
		var ring func()
		ring = func() {
			n++
			c.Set(&a, time.Now().Add(time.Second), ring)
		}
		c.Set(&a, time.Now().Add(time.Second), ring)
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if n != 10 {
			t.Errorf("rang %d times", n)
		}
	})
}

func TestClosedClockIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		c.Set(&Alarm{}, time.Now().Add(time.Second), func() { t.Error("rang") })
		c.Close()
		c.Set(&Alarm{}, time.Now(), func() { t.Error("rang") })
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}
