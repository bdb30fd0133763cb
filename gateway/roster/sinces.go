package roster

import "slices"

// sinces are the login times of one user's sessions in a room. The least is his place in the list, whatever way which gateway
// learned of the sessions: so all gateways come to the same order. Nearly everybody has one session.
type sinces struct {
	n     int
	least int64
	more  []int64 // the others, ascending
}

func (s *sinces) none() bool { return s.n == 0 }

// add reports whether the least is another than before.
func (s *sinces) add(since int64) bool {
	s.n++
	if s.n == 1 {
		s.least = since
		return true
	}
	changed := since < s.least
	if changed {
		since, s.least = s.least, since
	}
	i, _ := slices.BinarySearch(s.more, since)
	s.more = slices.Insert(s.more, i, since)
	return changed
}

// remove takes back an add, and reports whether the least is another than before, or there is none.
func (s *sinces) remove(since int64) bool {
	s.n--
	switch {
	case s.n == 0:
		s.more = nil
		return true
	case since == s.least:
		s.least = s.more[0]
		s.more = slices.Delete(s.more, 0, 1)
		return s.least != since
	}
	i, _ := slices.BinarySearch(s.more, since)
	s.more = slices.Delete(s.more, i, i+1)
	return false
}
