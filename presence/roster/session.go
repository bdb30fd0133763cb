package roster

import (
	"cmp"
	"math"
	"strings"

	"github.com/google/btree"

	"beckon/shared/wire"
)

// session is one entry of the view. It never changes: when its login does, another takes its place.
type session struct {
	wire.Login
	gateway *gateway
}

// compareLogins orders sessions by the time of their login. It is total, so that nothing depends on the order of a map.
func compareLogins(a, b *session) int {
	if a.Since != b.Since {
		return cmp.Compare(a.Since, b.Since)
	}
	return comparePlaces(a, b)
}

// comparePlaces orders sessions by where they are.
func comparePlaces(a, b *session) int {
	if c := strings.Compare(a.gateway.name, b.gateway.name); c != 0 {
		return c
	}
	return strings.Compare(a.Session, b.Session)
}

// sessions are those of one user. Nearly everybody has one, but nothing gets slow when somebody has thousands.
type sessions struct {
	only *session                // if it is the only one
	many *btree.BTreeG[*session] // otherwise: by room, and in it by login
}

func byRoom(a, b *session) bool {
	if a.Room != b.Room {
		return a.Room < b.Room
	}
	return compareLogins(a, b) < 0
}

// any gives one of the sessions; nil if there is none.
func (s sessions) any() *session {
	if s.many != nil {
		first, _ := s.many.Min()
		return first
	}
	return s.only
}

// with gives the sessions with one more.
func (s sessions) with(one *session) sessions {
	switch {
	case s.many != nil:
		s.many.ReplaceOrInsert(one)
	case s.only != nil:
		s.many = btree.NewG(degree, byRoom)
		s.many.ReplaceOrInsert(s.only)
		s.many.ReplaceOrInsert(one)
		s.only = nil
	default:
		s.only = one
	}
	return s
}

// without gives the sessions without one of them.
func (s sessions) without(one *session) sessions {
	if s.many == nil {
		return sessions{}
	}
	s.many.Delete(one)
	if s.many.Len() == 1 {
		return sessions{only: s.any()}
	}
	return s
}

// in gives the session of a room that came first; nil if there is none.
func (s sessions) in(room string) (first *session) {
	if s.many == nil {
		if s.only != nil && s.only.Room == room {
			return s.only
		}
		return nil
	}
	beginning := &session{Login: wire.Login{Room: room, Since: math.MinInt64}, gateway: &gateway{}}
	s.many.AscendGreaterOrEqual(beginning, func(s *session) bool {
		if s.Room == room {
			first = s
		}
		return false
	})
	return first
}

// all gives the sessions in no order of use.
func (s sessions) all() []*session {
	if s.many == nil {
		if s.only == nil {
			return nil
		}
		return []*session{s.only}
	}
	all := make([]*session, 0, s.many.Len())
	s.many.Ascend(func(s *session) bool {
		all = append(all, s)
		return true
	})
	return all
}
