package client

import (
	"context"
	"fmt"
	"slices"
)

// List is a user list as a client holds it.
type List struct {
	Users   []string
	Version uint64
	Frames  int      // about the list that have arrived
	Left    []string // everybody who ever left it, in order, since Mark
	Joined  []string // everybody who ever joined it after the first list, in order, since Mark
}

// List is the list as it is now.
func (c *Client) List() List {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list.export()
}

// Moves is List without its users, for large crowds.
func (c *Client) Moves() List {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list.moves()
}

// Mark forgets who has left and joined so far.
func (c *Client) Mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list.left, c.list.joined = nil, nil
}

// AwaitList waits until good likes the list. The error has the list as it was last.
func (c *Client) AwaitList(ctx context.Context, good func(List) bool) error {
	err := c.await(ctx, func() bool { return good(c.list.export()) })
	if err != nil {
		list := c.List()
		return fmt.Errorf("wait for a list: %w; it has %d users: %.300q", err, len(list.Users), list.Users)
	}
	return nil
}

// AwaitUsers waits until the list shows exactly these users. The error has the difference.
func (c *Client) AwaitUsers(ctx context.Context, users *Set) error {
	err := c.await(ctx, func() bool { return c.list.is(users) })
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("wait for %d users: %w; the list has %d, too many are %.200q, missing are %.200q", users.Len(), err,
			c.list.set.Len(), c.list.set.Without(users), users.Without(&c.list.set))
	}
	return nil
}

// SameOrder reports that both clients show the same users in the same order.
func (c *Client) SameOrder(other *Client) bool {
	c.mu.Lock()
	mine := slices.Clone(c.list.users)
	c.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	return slices.Equal(mine, other.list.users)
}

// list is what the frames of one connection have made of it. Each must follow from the ones before: versions only grow, a
// delta applies to what is there, nobody stands twice.
type list struct {
	users        []uint32 // by their numbers
	set          Set      // of users
	version      uint64
	frames       int
	shown        bool // a list was sent, and no mere count since then
	left, joined []uint32
}

func (l *list) export() List {
	list := l.moves()
	list.Users = known.names(l.users)
	return list
}

func (l *list) moves() List {
	return List{Version: l.version, Frames: l.frames, Left: known.names(l.left), Joined: known.names(l.joined)}
}

func (l *list) is(users *Set) bool { return l.shown && l.set.Equal(users) }

// tell takes a count, which stands for the list until the next whole list.
func (l *list) tell(f Frame) error {
	var data struct {
		Version *uint64 `json:"version"`
		Count   *int    `json:"count"`
	}
	if err := f.Into(&data); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	switch {
	case data.Version == nil || data.Count == nil || *data.Count < 0:
		return fmt.Errorf("%w: %s without version or count", ErrBroken, f.Event)
	case *data.Version < l.version:
		return fmt.Errorf("%w: version %d after %d", ErrBroken, *data.Version, l.version)
	}
	l.users, l.set, l.shown = nil, Set{}, false
	l.version = *data.Version
	l.frames++
	return nil
}

func (l *list) replace(f Frame) error {
	var data struct {
		Version  *uint64  `json:"version"`
		UserList []string `json:"userList"`
	}
	if err := f.Into(&data); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	switch {
	case data.Version == nil || data.UserList == nil:
		return fmt.Errorf("%w: %s without version or userList", ErrBroken, f.Event)
	case *data.Version < l.version:
		return fmt.Errorf("%w: version %d after %d", ErrBroken, *data.Version, l.version)
	}
	users := known.number(data.UserList)
	if l.shown && *data.Version == l.version && !slices.Equal(users, l.users) {
		return fmt.Errorf("%w: version %d again, with another list", ErrBroken, l.version)
	}
	var set Set
	for i, n := range users {
		if !set.add(n) {
			return fmt.Errorf("%w: %q stands twice in the list", ErrBroken, data.UserList[i])
		}
	}
	if l.shown {
		for _, n := range l.users {
			if !set.has(n) {
				l.left = append(l.left, n)
			}
		}
		for _, n := range users {
			if !l.set.has(n) {
				l.joined = append(l.joined, n)
			}
		}
	}
	l.users, l.set, l.version, l.shown = users, set, *data.Version, true
	l.frames++
	return nil
}

func (l *list) change(f Frame) error {
	var data struct {
		From, Version uint64
		Joined, Left  []string
		At            []int
	}
	if err := f.Into(&data); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	switch {
	case !l.shown || data.From != l.version || data.Version <= data.From:
		return fmt.Errorf("%w: delta from %d to %d at %d", ErrBroken, data.From, data.Version, l.version)
	case data.At != nil && len(data.At) != len(data.Joined):
		return fmt.Errorf("%w: at and joined differ in length", ErrBroken)
	}
	left, joined := known.number(data.Left), known.number(data.Joined)
	var leaving Set
	for i, n := range left {
		if !l.set.remove(n) {
			return fmt.Errorf("%w: %q left who was not there", ErrBroken, data.Left[i])
		}
		leaving.add(n)
	}
	if len(left) > 0 {
		l.users = slices.DeleteFunc(l.users, leaving.has)
	}
	for i, n := range joined {
		at := len(l.users)
		if data.At != nil {
			at = data.At[i]
		}
		switch {
		case at < 0 || at > len(l.users) || data.At != nil && i > 0 && at <= data.At[i-1]:
			return fmt.Errorf("%w: %q joins at %d of %v in a list of %d", ErrBroken, data.Joined[i], at, data.At, len(l.users))
		case !l.set.add(n):
			return fmt.Errorf("%w: %q stands twice in the list", ErrBroken, data.Joined[i])
		}
		l.users = slices.Insert(l.users, at, n)
		if !leaving.has(n) { // or has only changed places
			l.joined = append(l.joined, n)
		}
	}
	for _, n := range left {
		if !l.set.has(n) {
			l.left = append(l.left, n)
		}
	}
	l.version = data.Version
	l.frames++
	return nil
}
