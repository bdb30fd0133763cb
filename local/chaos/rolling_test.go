package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/local/client"
)

// Three gateways are restarted one after the other, as an upgrade does it, under users who come back at once, to a gateway
// that is ready: each is back, and none leaves a list and joins it more than once, however many gateways went away under
// him.
func TestGatewaysRolled(t *testing.T) {
	gatewaysRolled.try(t)
	s := here(t)
	s.presence()
	gateways := s.gateways(3, sized("--drain=5s", "--drain=1s"))
	c := crowded(t, sized(1000, 200), gateways...)
	c.mark()

	r := &rolling{ready: make([]atomic.Bool, len(gateways)), gateways: gateways}
	for i := range r.ready {
		r.ready[i].Store(true)
	}
	ctx, stop := context.WithTimeout(t.Context(), patience+time.Minute)
	defer stop()
	people := make([]*person, len(c.members))
	errs := make([]error, len(people))
	var living sync.WaitGroup
	for i, m := range c.members {
		people[i] = &person{user: m.user, now: m}
		living.Go(func() { errs[i] = r.live(ctx, people[i]) })
	}
	began := time.Now()
	for i, g := range gateways {
		r.ready[i].Store(false)
		if err := g.Stop(ctx); err != nil {
			t.Error(err)
		}
		s.again(g.Process)
		r.ready[i].Store(true)
	}
	took, ready := time.Since(began), time.Now()
	for _, p := range people {
		for { // who is between two connections will have another
			m := p.current()
			if err := m.AwaitUsers(ctx, c.users); err == nil {
				break
			} else if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	back := time.Since(ready)
	stop()
	living.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}

	hits := make(map[int]int)
	byName := make(map[string]*person)
	c.members = nil
	for _, p := range people {
		p.over()
		hits[p.hits]++
		byName[p.user] = p
		c.members, c.left = append(c.members, p.now), append(c.left, p.before...)
	}
	seen := make(map[string]bool)
	for _, p := range people {
		for what, users := range map[string][]string{"leave": p.left, "join": p.joined} {
			times := make(map[string]int)
			for _, user := range users {
				if times[user]++; times[user] > 1 {
					t.Fatalf("%s saw %s %s %d times, who was on %d gateways that went away", p.user, user, what, times[user], byName[user].hits)
				}
				seen[user] = true
			}
		}
	}
	c.ordered()
	gatewaysRolled.measured("%d users in %s, hit once %d, twice %d, three times %d; lists right %s after the last gateway was ready; %d users were seen to leave",
		len(people), seconds(took), hits[1], hits[2], hits[3], seconds(back), len(seen))
	if hits[0] > 0 {
		t.Errorf("%d users were never hit", hits[0])
	}
}

// rolling is what the users know of the gateways.
type rolling struct {
	gateways []*gateway
	ready    []atomic.Bool
}

// person is a user over several connections.
type person struct {
	user         string
	hits         int // connections that a gateway's end has ended
	left, joined []string
	before       []*client.Client // connections that have ended

	mu  sync.Mutex
	now *member // guarded by mu
}

func (p *person) current() *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// over remembers what the present connection was told of others.
func (p *person) over() {
	moves := p.now.Moves()
	p.left, p.joined = append(p.left, moves.Left...), append(p.joined, moves.Joined...)
}

// live has a person come back whenever his gateway goes, until ctx ends.
func (r *rolling) live(ctx context.Context, p *person) error {
	for {
		err := p.now.Ended(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			return fmt.Errorf("%s: the connection ended with %w, want close code 1012", p.user, err)
		}
		p.hits++
		p.over()
		p.before = append(p.before, p.now.Client)
		next, err := r.login(ctx, p.user)
		if err != nil {
			return fmt.Errorf("%s: log in again: %w", p.user, err)
		}
		p.mu.Lock()
		p.now = next
		p.mu.Unlock()
	}
}

// login logs a user in on some gateway that is ready, after a little jitter.
func (r *rolling) login(ctx context.Context, user string) (*member, error) {
	for {
		jitter := time.NewTimer(rand.N(200 * time.Millisecond))
		select {
		case <-jitter.C:
		case <-ctx.Done():
			jitter.Stop()
			return nil, ctx.Err()
		}
		i := rand.N(len(r.gateways))
		if !r.ready[i].Load() {
			continue
		}
		one, err := client.Dial(ctx, r.gateways[i].options(user))
		if err == nil {
			return &member{one, user, r.gateways[i]}, nil
		}
		if refused := new(client.Refusal); errors.As(err, &refused) || ctx.Err() == nil {
			continue // it has just been told to stop
		}
		return nil, err
	}
}
