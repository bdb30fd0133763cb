package roster

import (
	"log/slog"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"beckon/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

var limits = Limits{ListUsers: 5000, WholeBytes: 16 << 20}

// offline makes a roster that is not connected to anything.
func offline(t testing.TB) *Roster {
	t.Helper()
	r, err := New(Options{Gateway: "here", Limits: limits, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func login(session, user, room string, since int64) wire.Login {
	return wire.Login{Session: session, User: user, Room: room, Since: since}
}

func entry(gateway, session, user string, since int64) wire.Entry {
	return wire.Entry{Gateway: gateway, Login: login(session, user, "lobby", since)}
}

// client makes of updates what the protocol says, and complains about those it could not apply.
type client struct {
	errorf func(string, ...any)

	mu       sync.Mutex
	full     bool // as it joined
	stalled  bool // it has no room for updates
	told     bool // it has the list, or the count
	users    []string
	version  uint64
	counted  bool // it has the count
	count    int
	updates  []*Update    // but for those of how the list stands
	standing []bool       // whether it was told to be degraded, each time
	news     chan *Update // nil, or gets every update; full: the test failed to read
}

// Userlist implements [Viewer].
func (c *client) Userlist(u *Update) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stalled {
		return false
	}
	if u.Kind == Standing {
		if last := len(c.standing) - 1; u.Degraded == (last >= 0 && c.standing[last]) {
			c.errorf("told again that degraded is %v", u.Degraded)
		}
		c.standing = append(c.standing, u.Degraded)
		return true
	}
	c.updates = append(c.updates, u)
	c.apply(u)
	if c.news != nil {
		select {
		case c.news <- u:
		default:
			c.errorf("more updates than expected")
		}
	}
	return true
}

func (c *client) apply(u *Update) {
	switch {
	case u.Kind == Whole:
		if c.told && u.Version < c.version {
			c.errorf("version %d after %d", u.Version, c.version)
		}
		c.users, c.counted = slices.Clone(u.Users), false
	case u.Kind == Count:
		if c.told && u.Version < c.version {
			c.errorf("version %d after %d", u.Version, c.version)
		}
		c.users, c.counted, c.count = nil, true, u.Count
	case c.counted:
		c.errorf("delta after a count")
	case !c.told:
		c.errorf("delta before a list")
	case c.full:
		c.errorf("delta to one who wants full lists")
	case u.From != c.version || u.Version != u.From+1:
		c.errorf("delta from %d to %d at version %d", u.From, u.Version, c.version)
	case len(u.Left) == 0 && len(u.Joined) == 0:
		c.errorf("empty delta")
	default:
		for _, user := range u.Left {
			i := slices.Index(c.users, user)
			if i < 0 {
				c.errorf("%s left and was not there", user)
				return
			}
			c.users = slices.Delete(c.users, i, i+1)
		}
		for i, user := range u.Joined {
			at := len(c.users)
			if u.At != nil {
				at = u.At[i]
			}
			if at > len(c.users) {
				c.errorf("%s joined at %d of %d", user, at, len(c.users))
				return
			}
			c.users = slices.Insert(c.users, at, user)
		}
	}
	c.told, c.version = true, u.Version
}

func (c *client) setStalled(stalled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = stalled
}

// taken gives the updates since the call before.
func (c *client) taken() []*Update {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.updates
	c.updates = nil
	return all
}

// stands gives what the client was told of how its list stands.
func (c *client) stands() []bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.standing)
}

func (c *client) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.users)
}
