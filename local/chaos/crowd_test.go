package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"beckon/local/client"
	"beckon/local/proc"
)

// logins is how many users log in at the same time.
const logins = 64

// crowd is everybody who is logged in, each user once: the truth that lists are held against.
type crowd struct {
	t       *testing.T
	members []*member
	users   *client.Set // of members
	left    []*client.Client
}

// member is a user of a crowd.
type member struct {
	*client.Client
	user string
	at   *gateway
}

// gather makes an empty crowd. When the test ends everybody must have heard nothing that breaks the protocol.
func gather(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{t: t, users: client.NewSet()}
	t.Cleanup(func() {
		for _, m := range c.members {
			c.left = append(c.left, m.Client)
		}
		for _, one := range c.left {
			one.Close()
			if err := one.Err(); errors.Is(err, client.ErrBroken) {
				t.Errorf("%s: %v", one.Welcome.UserID, err)
			}
		}
	})
	return c
}

// crowded is a crowd of n users, on all those gateways alike, whose lists are right.
func crowded(t *testing.T, n int, gateways ...*gateway) *crowd {
	t.Helper()
	c := gather(t)
	users := make(map[*gateway][]string)
	for i := range n {
		g := gateways[i%len(gateways)]
		users[g] = append(users[g], fmt.Sprintf("%s-user-%04d", g.name, i))
	}
	for _, g := range gateways {
		c.login(g, users[g]...)
	}
	c.right(c.members)
	return c
}

// login logs users in, and returns when each has been welcomed. A gateway may turn them away for a moment.
func (c *crowd) login(g *gateway, users ...string) []*member {
	c.t.Helper()
	ctx := limited(c.t)
	came := make([]*member, len(users))
	errs := make([]error, len(users))
	var all sync.WaitGroup
	slots := make(chan struct{}, logins) // taken by each while it logs in
	for i, user := range users {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = proc.Await(ctx, func(ctx context.Context) error {
				one, err := client.Dial(ctx, g.options(user))
				came[i] = &member{one, user, g}
				return err
			})
		})
	}
	all.Wait()
	for i, m := range came {
		if errs[i] == nil {
			c.members = append(c.members, m)
		}
	}
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
	c.users.Add(users...)
	return came
}

// leave ends a member's connection.
func (c *crowd) leave(m *member) {
	m.Close()
	c.forget(m)
}

// lose forgets the members that a gateway held which is gone, and says who they were.
func (c *crowd) lose(g *gateway) []string {
	var users []string
	for _, m := range c.at(g) {
		c.forget(m)
		users = append(users, m.user)
	}
	return users
}

func (c *crowd) forget(m *member) {
	c.members = slices.DeleteFunc(c.members, func(other *member) bool { return other == m })
	c.users.Remove(m.user)
	c.left = append(c.left, m.Client)
}

// at are the members on those gateways.
func (c *crowd) at(gateways ...*gateway) []*member {
	var some []*member
	for _, m := range c.members {
		if slices.Contains(gateways, m.at) {
			some = append(some, m)
		}
	}
	return some
}

// mark forgets who has left and joined anybody's list so far.
func (c *crowd) mark() {
	for _, m := range c.members {
		m.Mark()
	}
}

// right waits until the lists of those members show exactly the crowd.
func (c *crowd) right(members []*member) {
	c.t.Helper()
	c.show(members, c.users)
}

// show waits until the lists of those members show exactly those users.
func (c *crowd) show(members []*member, users *client.Set) {
	c.t.Helper()
	ctx := limited(c.t)
	for _, m := range members {
		if err := m.AwaitUsers(ctx, users); err != nil {
			c.t.Fatalf("%s on %s: %v%s", m.user, m.at.name, err, c.disconnected())
		}
	}
}

// disconnected tells of members whose connections have ended though nobody ended them, and who are not the truth then.
func (c *crowd) disconnected() string {
	var gone []string
	for _, m := range c.members {
		if err := m.Err(); err != nil {
			gone = append(gone, fmt.Sprintf("%s on %s: %v", m.user, m.at.name, err))
		}
	}
	if gone == nil {
		return ""
	}
	return fmt.Sprintf("; %d connections have ended: %.500q", len(gone), gone)
}

// ordered waits until all lists, which are right, have the same order.
func (c *crowd) ordered() {
	c.t.Helper()
	for _, m := range c.members {
		if err := proc.Await(limited(c.t), func(context.Context) error {
			if !m.SameOrder(c.members[0].Client) {
				return fmt.Errorf("%s and %s show the same users in different orders", m.user, c.members[0].user)
			}
			return nil
		}); err != nil {
			c.t.Error(err)
			return
		}
	}
}

// nobodyLeft fails if since mark any user has left the list of one of those members, but for the users excused.
func (c *crowd) nobodyLeft(members []*member, excused ...string) {
	c.t.Helper()
	for _, m := range members {
		left := slices.DeleteFunc(m.Moves().Left, func(user string) bool { return slices.Contains(excused, user) })
		if len(left) > 0 {
			c.t.Errorf("%s on %s saw %d users leave: %.200q", m.user, m.at.name, len(left), left)
			return
		}
	}
}

// atMost fails if since mark any user has left or joined the list of one of those members more than so many times.
func (c *crowd) atMost(members []*member, times int) {
	c.t.Helper()
	for _, m := range members {
		moves := m.Moves()
		for what, users := range map[string][]string{"leave": moves.Left, "join": moves.Joined} {
			if user, n := mostOften(users); n > times {
				c.t.Errorf("%s on %s saw %s %s %d times", m.user, m.at.name, user, what, n)
				return
			}
		}
	}
}

func mostOften(users []string) (most string, times int) {
	counts := make(map[string]int)
	for _, user := range users {
		counts[user]++
		if counts[user] > times {
			most, times = user, counts[user]
		}
	}
	return most, times
}

// connected fails if a member has been disconnected.
func (c *crowd) connected() {
	c.t.Helper()
	ctx := limited(c.t)
	errs := make([]error, len(c.members))
	var all sync.WaitGroup
	slots := make(chan struct{}, logins) // taken by each while it asks
	for i, m := range c.members {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if f, err := m.Ask(ctx, "ping", nil); err != nil || f.Event != "ack" {
				errs[i] = fmt.Errorf("%s on %s is not served: %s %w", m.user, m.at.name, f.Data, err)
			}
		})
	}
	all.Wait()
	bad := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(bad) > 0 {
		c.t.Errorf("%d clients are not served, the first: %v", len(bad), bad[0])
	}
}

// calls fails unless a signal from each of those members to the next is delivered.
func (c *crowd) calls(members []*member) {
	c.t.Helper()
	for i, from := range members {
		to := members[(i+1)%len(members)]
		if outcome, _ := signal(c.t, from, to.user); outcome != "delivered" {
			c.t.Errorf("a signal from %s on %s to %s on %s: %s", from.user, from.at.name, to.user, to.at.name, outcome)
			return
		}
	}
}

// told waits until each of those members has been told how its gateway stands with presence, which must be so now.
func (c *crowd) told(members []*member, state string) {
	c.t.Helper()
	ctx := limited(c.t)
	for _, m := range members {
		f, err := m.Event(ctx, "presence")
		if err != nil {
			c.t.Fatalf("%s on %s: %v", m.user, m.at.name, err)
		}
		if got := f.Text("state"); got != state {
			c.t.Fatalf("%s on %s was told that presence is %q, want %q", m.user, m.at.name, got, state)
		}
	}
}

// nothingTold fails if any of those members has been told how its gateway stands with presence, and told has not taken it.
// Where times may be longer a gateway may have had reason to.
func (c *crowd) nothingTold(members []*member) {
	c.t.Helper()
	now, cancel := context.WithCancel(c.t.Context())
	cancel()
	for _, m := range members {
		for {
			f, err := m.Event(now, "presence")
			if err != nil {
				break
			}
			if judging {
				c.t.Errorf("%s on %s was told that presence is %s", m.user, m.at.name, f.Text("state"))
				return
			}
		}
	}
}

// signal sends a message and says what became of it, and after how long.
func signal(t *testing.T, from *member, to string) (outcome string, took time.Duration) {
	t.Helper()
	began := time.Now()
	outcome, err := from.Outcome(limited(t), "message", map[string]any{"to": to, "data": "hello"})
	if err != nil {
		t.Fatal(err)
	}
	return outcome, time.Since(began)
}
