package load

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantilesAreExactToOnePart128(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// As many short durations as long ones: a generator of numbers alone prefers the ends of its range.
		durations := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
			return rapid.Int64Range(0, int64(1)<<rapid.IntRange(0, mostBits).Draw(t, "bits")-1).Draw(t, "ns")
		}), 1, 300).Draw(t, "durations")
		q := rapid.Float64Range(0, 1).Draw(t, "q")

		var h histogram
		for _, d := range durations {
			h.add(time.Duration(d))
		}
		slices.Sort(durations)
		if got := int64(h.max()); got != durations[len(durations)-1] {
			t.Errorf("max %d, want %d", got, durations[len(durations)-1])
		}
		if got := h.count(); got != int64(len(durations)) {
			t.Errorf("count %d, want %d", got, len(durations))
		}
		exact := durations[max(0, int(math.Ceil(q*float64(len(durations))))-1)]
		if got := int64(h.quantile(q)); got < exact || got > exact+exact/fine {
			t.Errorf("quantile %v is %d, want %d or up to 1/%d more", q, got, exact, fine)
		}
	})
}

func TestBucketsFollowEachOther(t *testing.T) {
	next := int64(0)
	for i := range buckets {
		if got := bucket(next); got != i {
			t.Fatalf("%d is in bucket %d, want %d", next, got, i)
		}
		if got := bucket(highest(i)); got != i {
			t.Fatalf("%d is in bucket %d, want %d", highest(i), got, i)
		}
		next = highest(i) + 1
	}
	if next != 1<<mostBits {
		t.Errorf("the last bucket ends before %d, want 2^%d", next, mostBits)
	}
}

func TestHistogramTakesWhatDoesNotFit(t *testing.T) {
	var h histogram
	if h.quantile(.5) != 0 || h.max() != 0 || h.count() != 0 {
		t.Error("an empty histogram is not empty")
	}
	h.add(-time.Second)
	if h.quantile(1) != 0 || h.count() != 1 {
		t.Error("a negative duration is not counted as 0")
	}
	h.add(time.Hour)
	if got := h.max(); got != time.Hour {
		t.Errorf("max %v, want an hour", got)
	}
	if got := h.quantile(1); got != 1<<mostBits-1 {
		t.Errorf("the quantile is %v, want the end of the last bucket", got)
	}
}

func TestHistogramIsForMany(t *testing.T) {
	const adders, each = 8, 1000
	var h histogram
	var done sync.WaitGroup
	for i := range adders {
		done.Go(func() {
			for j := range each {
				h.add(time.Duration(i*each + j))
			}
		})
	}
	done.Wait()
	if h.count() != adders*each || h.max() != adders*each-1 {
		t.Errorf("count %d, max %d", h.count(), h.max())
	}
}
