package load

import (
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// fineBits sets the precision: a bucket is at most 1/128 of its values wide.
	fineBits = 7
	fine     = 1 << fineBits
	// mostBits bounds what is told apart: 2^40 ns are 18 minutes, longer than anything here may take.
	mostBits = 40
	buckets  = 2*fine + (mostBits-fineBits-1)*fine
)

// histogram counts durations in buckets whose width grows with their values. Many goroutines may add to it at a time.
// The zero value is empty.
type histogram struct {
	counts [buckets]atomic.Int64
	most   atomic.Int64 // the longest duration, exactly
}

// add counts a duration; a negative one as zero.
func (h *histogram) add(d time.Duration) {
	v := max(0, int64(d))
	h.counts[bucket(v)].Add(1)
	for {
		most := h.most.Load()
		if v <= most || h.most.CompareAndSwap(most, v) {
			return
		}
	}
}

func (h *histogram) count() int64 {
	var n int64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// quantile is the nearest-rank quantile: the least duration that at least a share q of all do not exceed, or up to 1/128
// more. 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(1, int64(math.Ceil(q*float64(h.count()))))
	var n int64
	for i := range h.counts {
		if n += h.counts[i].Load(); n >= rank {
			return time.Duration(min(highest(i), h.most.Load()))
		}
	}
	return 0
}

func (h *histogram) max() time.Duration { return time.Duration(h.most.Load()) }

// bucket is where v is counted: by itself below 2*fine, then in fine buckets for each doubling.
func bucket(v int64) int {
	if v < 2*fine {
		return int(v)
	}
	v = min(v, 1<<mostBits-1)
	shift := bits.Len64(uint64(v)) - fineBits - 1
	return shift*fine + int(v>>shift)
}

// highest is the greatest value that bucket i counts.
func highest(i int) int64 {
	if i < 2*fine {
		return int64(i)
	}
	shift := i/fine - 1
	return int64(fine+i%fine+1)<<shift - 1
}

// Latency sums durations up, in microseconds.
type Latency struct {
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
}

func (h *histogram) latency() Latency {
	return Latency{
		P50: micros(h.quantile(.5)), P99: micros(h.quantile(.99)), P999: micros(h.quantile(.999)), Max: micros(h.max()),
	}
}

func (l Latency) String() string {
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms", l.P50/1e3, l.P99/1e3, l.P999/1e3, l.Max/1e3)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
