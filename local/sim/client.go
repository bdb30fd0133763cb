package sim

import (
	"slices"
	"time"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// client is a session and the page that shows its room: it applies what it is sent and believes nothing else.
type client struct {
	g     *gateway
	login wire.Login
	full  bool // it understands whole lists only, as the tutorial's clients

	users    []string
	version  uint64
	shown    bool // it has a list
	counted  bool // it has a count instead
	count    int
	since    time.Time // when it got the first of these
	degraded bool

	busy   bool // it has no room for updates
	behind bool // it has missed something, or asked for all anew
}

// Userlist takes an update, or has no room for it.
func (c *client) Userlist(u *roster.Update) bool {
	if c.busy {
		c.behind = c.behind || u.Kind != roster.Standing
		return false
	}
	if c.g.w.tracing() {
		c.g.w.notef("%s is told: %s", c.login.Session, describe(u))
	}
	if u.Kind == roster.Standing {
		if c.degraded == u.Degraded {
			c.failf("it is told twice that degraded is %v", u.Degraded)
		}
		c.degraded = u.Degraded
		return true
	}
	if u.Room != c.login.Room {
		c.failf("it is told about room %s", u.Room)
	}
	if u.Version < c.version {
		c.failf("version %d after %d", u.Version, c.version)
	}
	if !c.shown && !c.counted {
		c.since = c.g.w.now
	}
	switch u.Kind {
	case roster.Whole:
		c.replace(u)
	case roster.Delta:
		c.change(u)
	case roster.Count:
		c.shown, c.counted, c.count, c.users = false, true, u.Count, nil
		c.behind = false
	}
	c.version = u.Version
	return true
}

func (c *client) replace(u *roster.Update) {
	before := c.users
	c.users = slices.Clone(u.Users)
	c.once(u)
	for _, user := range before {
		if !slices.Contains(c.users, user) {
			c.lost(user)
		}
	}
	c.shown, c.counted, c.behind = true, false, false
}

// change applies a delta as a client does, and finds fault with whatever does not fit.
func (c *client) change(u *roster.Update) {
	switch {
	case !c.shown || c.behind || c.full:
		c.failf("it is sent a delta: it has a list: %v, it missed something: %v, it wants whole lists: %v", c.shown, c.behind, c.full)
	case u.From != c.version || u.Version <= u.From:
		c.failf("it has version %d and is sent a delta from %d to %d", c.version, u.From, u.Version)
	case u.At != nil && len(u.At) != len(u.Joined):
		c.failf("%d users join at %d places", len(u.Joined), len(u.At))
	}
	for _, user := range u.Left {
		i := slices.Index(c.users, user)
		if i < 0 {
			c.failf("%s leaves, who is not in %v", user, c.users)
		}
		c.users = slices.Delete(c.users, i, i+1)
		if !slices.Contains(u.Joined, user) {
			c.lost(user)
		}
	}
	for i, user := range u.Joined {
		at := len(c.users)
		if u.At != nil {
			at = u.At[i]
		}
		if at > len(c.users) {
			c.failf("%s joins at %d of %d", user, at, len(c.users))
		}
		c.users = slices.Insert(c.users, at, user)
	}
	c.once(u)
}

// once checks that nobody stands in the list twice.
func (c *client) once(u *roster.Update) {
	for i, user := range c.users {
		if slices.Contains(c.users[:i], user) {
			c.failf("%s stands twice in %v after %s", user, c.users, describe(u))
		}
	}
}

// lost checks that whoever leaves a list of which nobody may be lost has really gone.
func (c *client) lost(user string) {
	if !c.g.w.kind.mayLose() && c.g.there(user, c.login.Room) {
		c.failf("%s leaves the list, who is there", user)
	}
}

func (c *client) failf(format string, args ...any) {
	c.g.w.failf("client "+c.login.Session+" on "+c.g.name+": "+format, args...)
}
