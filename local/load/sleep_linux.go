package load

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// withPreciseSleep calls f with a sleep that is late by microseconds. Go's own is up to a millisecond late when the
// process has nothing else to do, because it waits in epoll_wait, and Linux adds 50 µs for a thread that does not say it
// minds. So this sleeps in nanosleep(2) on a thread of its own.
func withPreciseSleep(f func(sleep func(time.Duration)) error) error {
	// Unlocked before the goroutine may end: a locked goroutine takes its thread with it, and the kernel kills the servers
	// when the thread that started them ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("read the timer slack: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set the timer slack: %w", err)
	}
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)

	// The thread keeps its processor (GOMAXPROCS) for a while when it sleeps in the kernel; the readers get another one.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	defer func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1) }()
	return f(func(d time.Duration) {
		spec := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&spec, nil) // the caller looks at the clock, so an interruption does no harm
	})
}
