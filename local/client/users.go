package client

import (
	"slices"
	"sync"
)

// Thousands of clients in one process show thousands of users each. So each user id that any of them has heard of gets a
// number, lists are made of numbers, and sets of bits.
var known = users{numbers: make(map[string]uint32)}

type users struct {
	mu      sync.RWMutex
	numbers map[string]uint32
	ids     []string // by number
}

// number gives each id its number.
func (u *users) number(ids []string) []uint32 {
	numbers := make([]uint32, len(ids))
	var news []int // places in ids
	u.mu.RLock()
	for i, id := range ids {
		n, ok := u.numbers[id]
		if !ok {
			news = append(news, i)
		}
		numbers[i] = n
	}
	u.mu.RUnlock()
	if news == nil {
		return numbers
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, i := range news {
		n, ok := u.numbers[ids[i]]
		if !ok {
			n = uint32(len(u.ids))
			u.numbers[ids[i]] = n
			u.ids = append(u.ids, ids[i])
		}
		numbers[i] = n
	}
	return numbers
}

// names is the inverse of number.
func (u *users) names(numbers []uint32) []string {
	u.mu.RLock()
	defer u.mu.RUnlock()
	ids := make([]string, len(numbers))
	for i, n := range numbers {
		ids[i] = u.ids[n]
	}
	return ids
}

// Set is a set of users, to hold lists against. It is for one goroutine at a time.
type Set struct {
	bits  []uint64 // by number; no zeros at the end
	count int
}

// NewSet is the set of these users.
func NewSet(users ...string) *Set {
	s := new(Set)
	s.Add(users...)
	return s
}

// Add puts users in.
func (s *Set) Add(users ...string) {
	for _, n := range known.number(users) {
		s.add(n)
	}
}

// Remove takes users out.
func (s *Set) Remove(users ...string) {
	for _, n := range known.number(users) {
		s.remove(n)
	}
}

// Has reports that a user is in the set.
func (s *Set) Has(user string) bool { return s.has(known.number([]string{user})[0]) }

// Len is the number of users.
func (s *Set) Len() int { return s.count }

// Equal reports that both sets have the same users.
func (s *Set) Equal(other *Set) bool {
	return s.count == other.count && slices.Equal(s.bits, other.bits)
}

// Users are those in the set, in no particular order.
func (s *Set) Users() []string { return known.names(s.members()) }

// Without are the users who are in this set and not in the other.
func (s *Set) Without(other *Set) []string {
	return known.names(slices.DeleteFunc(s.members(), other.has))
}

func (s *Set) members() []uint32 {
	members := make([]uint32, 0, s.count)
	for n := range uint32(len(s.bits) * 64) {
		if s.has(n) {
			members = append(members, n)
		}
	}
	return members
}

func (s *Set) has(n uint32) bool {
	return int(n/64) < len(s.bits) && s.bits[n/64]&(1<<(n%64)) != 0
}

// add reports that n was not in yet.
func (s *Set) add(n uint32) bool {
	if s.has(n) {
		return false
	}
	for int(n/64) >= len(s.bits) {
		s.bits = append(s.bits, 0)
	}
	s.bits[n/64] |= 1 << (n % 64)
	s.count++
	return true
}

// remove reports that n was in.
func (s *Set) remove(n uint32) bool {
	if !s.has(n) {
		return false
	}
	s.bits[n/64] &^= 1 << (n % 64)
	for len(s.bits) > 0 && s.bits[len(s.bits)-1] == 0 {
		s.bits = s.bits[:len(s.bits)-1]
	}
	s.count--
	return true
}

// Clone is a copy.
func (s *Set) Clone() *Set { return &Set{slices.Clone(s.bits), s.count} }
