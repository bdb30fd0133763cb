//go:build !linux

package load

import "time"

// withPreciseSleep calls f with the most precise sleep there is.
func withPreciseSleep(f func(sleep func(time.Duration)) error) error { return f(time.Sleep) }
