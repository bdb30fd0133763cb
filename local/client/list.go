package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// List is a user list as a client holds it.
type List struct {
	Users   []string
	Version uint64
	Frames  int      // list frames that have arrived
	Left    []string // everybody who ever left it, in order
}

// List is the list as it is now.
func (c *Client) List() List {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list.clone()
}

// AwaitList waits until good likes the list. The error has the list as it was last.
func (c *Client) AwaitList(ctx context.Context, good func(List) bool) error {
	err := c.await(ctx, func() bool { return good(c.list.clone()) })
	if err != nil {
		list := c.List()
		return fmt.Errorf("wait for a list: %w; it has %d users: %.300q", err, len(list.Users), list.Users)
	}
	return nil
}

func (l *List) clone() List {
	return List{slices.Clone(l.Users), l.Version, l.Frames, slices.Clone(l.Left)}
}

func (l *List) replace(f Frame) error {
	var data struct {
		Version  *uint64  `json:"version"`
		UserList []string `json:"userList"`
	}
	if err := f.Into(&data); err != nil {
		return err
	}
	switch {
	case data.Version == nil || data.UserList == nil:
		return fmt.Errorf("protocol broken: %s without version or userList", f.Event)
	case *data.Version < l.Version:
		return fmt.Errorf("protocol broken: version %d after %d", *data.Version, l.Version)
	}
	for _, user := range l.Users {
		if !slices.Contains(data.UserList, user) {
			l.Left = append(l.Left, user)
		}
	}
	l.Users, l.Version = data.UserList, *data.Version
	l.Frames++
	return l.check()
}

func (l *List) change(f Frame) error {
	var data struct {
		From, Version uint64
		Joined, Left  []string
		At            []int
	}
	if err := f.Into(&data); err != nil {
		return err
	}
	if data.From != l.Version || data.Version <= data.From {
		return fmt.Errorf("protocol broken: delta from %d to %d at %d", data.From, data.Version, l.Version)
	}
	for _, user := range data.Left {
		i := slices.Index(l.Users, user)
		if i < 0 {
			return fmt.Errorf("protocol broken: %q left who was not there", user)
		}
		l.Users = slices.Delete(l.Users, i, i+1)
		if !slices.Contains(data.Joined, user) { // or has only changed places
			l.Left = append(l.Left, user)
		}
	}
	if data.At != nil && len(data.At) != len(data.Joined) {
		return errors.New("protocol broken: at and joined differ in length")
	}
	for i, user := range data.Joined {
		at := len(l.Users)
		if data.At != nil {
			at = data.At[i]
		}
		if at < 0 || at > len(l.Users) || data.At != nil && i > 0 && at <= data.At[i-1] {
			return fmt.Errorf("protocol broken: %q joins at %d of %v in a list of %d", user, at, data.At, len(l.Users))
		}
		l.Users = slices.Insert(l.Users, at, user)
	}
	l.Version = data.Version
	l.Frames++
	return l.check()
}

// check finds a user who stands twice in a list that is small enough to look.
func (l *List) check() error {
	if len(l.Users) > 1000 {
		return nil
	}
	seen := make(map[string]bool, len(l.Users))
	for _, user := range l.Users {
		if seen[user] {
			return fmt.Errorf("protocol broken: %q stands twice in the list", user)
		}
		seen[user] = true
	}
	return nil
}
