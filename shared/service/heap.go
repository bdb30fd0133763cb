package service

import (
	"math"
	"runtime"
	"runtime/debug"
)

// heapFloor is how much the garbage collector takes for live that is not.
const heapFloor = 64 << 20

// withHeapFloor runs f with a heap that the garbage collector takes for larger than it is. The collector runs whenever the
// heap has doubled; a service with a few megabytes of live data and a hundred of garbage a second would collect dozens of
// times a second, a fifth of its CPU. The floor is never written, so that it costs addresses and no memory; what it does
// cost is up to as much garbage again before a collection. Where GOMEMLIMIT says how much there may be, there is no floor.
func withHeapFloor(f func()) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		f()
		return
	}
	floor := make([]byte, heapFloor)
	f()
	runtime.KeepAlive(floor)
}
