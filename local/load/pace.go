package load

import "time"

// paceLead is how long before the first message of an open loop its schedule is made.
const paceLead = 10 * time.Millisecond

// schedule says when the messages of an open loop are due: evenly, and independent of how those before fared.
type schedule struct {
	start time.Duration // by the load's clock
	rate  int           // messages a second
}

// due is when message i is, counted from 0. It is computed from i, not from the one before, so that rounding does not add
// up.
func (s schedule) due(i int) time.Duration {
	return s.start + time.Duration(int64(i)*int64(time.Second)/int64(s.rate))
}

// within is how many messages are due in a time from the start.
func (s schedule) within(d time.Duration) int {
	return int((int64(d)*int64(s.rate) + int64(time.Second) - 1) / int64(time.Second))
}

// run sends n messages when they are due. After a delay it sends all that have become due meanwhile at once, with the times
// at which they were due.
func (s schedule) run(n int, now func() time.Duration, sleep func(time.Duration), send func(i int, due time.Duration) error) error {
	for i := range n {
		due := s.due(i)
		for wait := due - now(); wait > 0; wait = due - now() {
			sleep(wait)
		}
		if err := send(i, due); err != nil {
			return err
		}
	}
	return nil
}
