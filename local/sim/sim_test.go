package sim

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seed      = flag.Uint64("seed", 0, "run the schedule of this seed only, and print its trace; 0 for many")
	schedules = flag.Int("schedules", 3000, "how many schedules TestSimulation runs")
	from      = flag.Uint64("from", 1, "the seed of the first")
)

// Whatever goes wrong: no list ever lies about its gateway's, and when the faults have ended all is true.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		if report, err := Run(*seed); err != nil {
			t.Fatal(err)
		} else {
			t.Logf("seed %d: %+v", *seed, report)
		}
		return
	}
	began := time.Now()
	var (
		next    atomic.Uint64
		failed  atomic.Bool
		mu      sync.Mutex
		reports = make(map[string][]Report)
		first   error
		at      uint64
		workers sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if n >= uint64(*schedules) {
					return
				}
				report, err := Run(*from + n)
				mu.Lock()
				reports[report.Kind] = append(reports[report.Kind], report)
				if err != nil && (first == nil || n < at) {
					first, at = err, n
					failed.Store(true)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if first != nil {
		t.Fatalf("schedule %d: %v", at+1, first)
	}
	took := time.Since(began)
	t.Logf("%d schedules in %v: %.0f a second", *schedules, took.Round(time.Millisecond), float64(*schedules)/took.Seconds())
	for kind, all := range reports {
		slowest := make(map[time.Duration]time.Duration)
		for _, r := range all {
			slowest[r.Bound] = max(slowest[r.Bound], r.Settled)
		}
		t.Logf("%s: %d schedules, slowest to settle %v", kind, len(all), slowest)
	}
}

// A schedule is a function of its seed: whatever the order of maps is this time, the same happens.
func TestDeterministic(t *testing.T) {
	for seed := range uint64(20) {
		play := func() []string {
			w := newWorld(seed)
			w.trace.most = 1 << 20
			w.play()
			return w.trace.lines
		}
		first, again := play(), play()
		for i := range min(len(first), len(again)) {
			if first[i] != again[i] {
				t.Fatalf("seed %d, event %d: first %s, then %s", seed, i, first[i], again[i])
			}
		}
		if len(first) != len(again) {
			t.Fatalf("seed %d: first %d events, then %d", seed, len(first), len(again))
		}
	}
}
