package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
)

// lists are the user lists of very many clients of one room. Each client holds a whole list, in order, and applies every
// frame that it gets to it; but equal frames are decoded once, and equal lists are held once, however many clients have
// them. A frame is equal to one before only if each of its bytes is, so nobody takes anything on trust.
type lists struct {
	users  []string          // who logs in, and nobody else
	number map[string]uint32 // of each user, from 0
	seed   maphash.Seed

	mu      sync.RWMutex
	updates map[uint64]*update // by a hash of their frames
	held    map[listKey]*list
}

// Nothing breaks when there are more than these: they are forgotten, and decoded or held once more.
const (
	mostUpdates = 256
	mostHeld    = 1024
)

// list is a user list as a client holds it. It never changes: applying a delta gives another one.
type list struct {
	version uint64
	users   []uint32 // their numbers, in order
	whole   bool     // it has everybody
}

// listKey is what tells lists apart, up to collisions.
type listKey struct{ version, hash uint64 }

// update is a decoded updateUserlist or userlistDelta.
type update struct {
	frame []byte
	full  *list // of an updateUserlist; nil for a delta

	from, version uint64
	left, joined  []uint32
	at            []int

	mu    sync.Mutex
	gives map[*list]*list // what the delta made of lists
}

// newLists is for clients of a room to which these users come.
func newLists(users []string) *lists {
	l := &lists{
		users: users, number: make(map[string]uint32, len(users)), seed: maphash.MakeSeed(),
		updates: make(map[uint64]*update), held: make(map[listKey]*list),
	}
	for i, user := range users {
		l.number[user] = uint32(i)
	}
	return l
}

// apply gives what a frame makes of the list that a client holds, nil if it has none yet. The frame is only lent.
func (l *lists) apply(held *list, frame []byte) (*list, error) {
	u, err := l.update(frame)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %.200q", err, frame)
	case u.full != nil:
		if held != nil && u.full.version < held.version {
			return nil, fmt.Errorf("version %d after %d", u.full.version, held.version)
		}
		return u.full, nil
	case held == nil:
		return nil, errors.New("a delta before the first list")
	case u.from != held.version || u.version <= u.from:
		return nil, fmt.Errorf("a delta from %d to %d at %d", u.from, u.version, held.version)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if next := u.gives[held]; next != nil {
		return next, nil
	}
	users, err := u.change(held.users, len(l.users))
	if err != nil {
		return nil, fmt.Errorf("the delta to %d: %w", u.version, err)
	}
	next, err := l.hold(u.version, users)
	if err != nil {
		return nil, fmt.Errorf("the delta to %d: %w", u.version, err)
	}
	if u.gives == nil {
		u.gives = make(map[*list]*list)
	}
	u.gives[held] = next
	return next, nil
}

// change applies a delta. Users have numbers below n.
func (u *update) change(before []uint32, n int) ([]uint32, error) {
	if u.at != nil && len(u.at) != len(u.joined) {
		return nil, errors.New("at and joined differ in length")
	}
	leaving := make([]bool, n)
	for _, user := range u.left {
		leaving[user] = true
	}
	stay := make([]uint32, 0, len(before)+len(u.joined))
	for _, user := range before {
		if !leaving[user] {
			stay = append(stay, user)
		}
	}
	if len(stay) != len(before)-len(u.left) {
		return nil, errors.New("somebody left who was not there")
	}
	if u.at == nil {
		return append(stay, u.joined...), nil
	}
	after := make([]uint32, 0, cap(stay))
	for i, user := range u.joined {
		more := u.at[i] - len(after)
		if more < 0 || more > len(stay) {
			return nil, fmt.Errorf("places %v in a list of %d", u.at, len(before))
		}
		after = append(append(after, stay[:more]...), user)
		stay = stay[more:]
	}
	return append(after, stay...), nil
}

// hold gives the list of a version with these users, which it keeps.
func (l *lists) hold(version uint64, users []uint32) (*list, error) {
	var h maphash.Hash
	h.SetSeed(l.seed)
	seen := make([]bool, len(l.users))
	for _, user := range users {
		if seen[user] {
			return nil, fmt.Errorf("%s stands twice in the list", l.users[user])
		}
		seen[user] = true
		maphash.WriteComparable(&h, user)
	}
	key := listKey{version, h.Sum64()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.held[key]; held != nil && slices.Equal(held.users, users) {
		return held, nil
	}
	if len(l.held) == mostHeld {
		clear(l.held)
	}
	held := &list{version: version, users: users, whole: len(users) == len(l.users)} // nobody twice, no strangers
	l.held[key] = held
	return held, nil
}

// update decodes a frame, or finds what it said the last time.
func (l *lists) update(frame []byte) (*update, error) {
	const front = 128 // has the version
	key := maphash.Bytes(l.seed, frame[:min(len(frame), front)]) + uint64(len(frame))
	l.mu.RLock()
	u := l.updates[key]
	l.mu.RUnlock()
	if u != nil && bytes.Equal(u.frame, frame) {
		return u, nil
	}
	u, err := l.decode(bytes.Clone(frame))
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.updates) == mostUpdates {
		clear(l.updates)
	}
	if other := l.updates[key]; other != nil && bytes.Equal(other.frame, frame) {
		return other, nil // somebody was faster
	}
	l.updates[key] = u
	return u, nil
}

func (l *lists) decode(frame []byte) (*update, error) {
	var said struct {
		Event string
		Data  struct {
			From, Version          *uint64
			UserList, Joined, Left []string
			At                     []int
		}
	}
	if err := json.Unmarshal(frame, &said); err != nil {
		return nil, err
	}
	data := &said.Data
	if data.Version == nil || (said.Event == "userlistDelta") != (data.From != nil) {
		return nil, errors.New("versions are missing")
	}
	u := &update{frame: frame, version: *data.Version, at: data.At}
	if data.From == nil {
		users, err := l.numbers(data.UserList)
		if err != nil {
			return nil, err
		}
		u.full, err = l.hold(u.version, users)
		return u, err
	}
	u.from = *data.From
	var err1, err2 error
	u.left, err1 = l.numbers(data.Left)
	u.joined, err2 = l.numbers(data.Joined)
	return u, errors.Join(err1, err2)
}

// numbers gives the users' numbers.
func (l *lists) numbers(users []string) ([]uint32, error) {
	numbers := make([]uint32, len(users))
	for i, user := range users {
		number, ok := l.number[user]
		if !ok {
			return nil, fmt.Errorf("%.100q is in the list, who does not log in", user)
		}
		numbers[i] = number
	}
	return numbers, nil
}
