package chaos

import (
	"slices"
	"sync"
	"testing"
	"time"

	"beckon/local/client"
)

// jitter is by how much one frame may take longer to arrive than another.
const jitter = 20 * time.Millisecond

// One client logs in and out 50 times a second: the others, on its gateway and elsewhere, hear of it in few frames.
func TestUserFlapping(t *testing.T) {
	userFlapping.try(t)
	const each, in = 20 * time.Millisecond, 8 * time.Millisecond
	lasting := sized(10*time.Second, 4*time.Second)
	s := here(t)
	s.presence()
	gateways := s.gateways(2)
	c := crowded(t, 20, gateways...)

	// Two that watch closely, too.
	watchers := make([]*frames, len(gateways))
	for i, g := range gateways {
		watchers[i] = new(frames)
		o := g.options("watcher-" + g.name)
		o.OnList = watchers[i].arrived
		one, err := client.Dial(limited(t), o)
		if err != nil {
			t.Fatal(err)
		}
		c.members = append(c.members, &member{one, o.User, g})
		c.users.Add(o.User)
	}
	c.right(c.members)
	before := make([]int, len(c.members))
	for i, m := range c.members {
		before[i] = m.Moves().Frames
	}

	ctx := limited(t)
	began := time.Now()
	cycles := 0
	for ; time.Since(began) < lasting; cycles++ {
		pass(t, time.Until(began.Add(time.Duration(cycles)*each)))
		one, err := client.Dial(ctx, gateways[0].options("flapper"))
		if err != nil {
			t.Fatal(err)
		}
		pass(t, in)
		one.Close()
	}
	took := time.Since(began)
	pace := float64(cycles) / took.Seconds()
	if least := sized(45.0, 20.0); pace < least {
		t.Errorf("only %.0f logins a second, which is no such fault: want %.0f", pace, least)
	}
	most := 0
	for i, m := range c.members {
		most = max(most, m.Moves().Frames-before[i])
	}
	rate := float64(most-1) / took.Seconds() // the first comes at once
	worst := 0
	for _, w := range watchers {
		worst = max(worst, w.most(time.Second-jitter))
	}
	userFlapping.measured("%.0f logins and logouts a second, %.2f list frames a second at most, %d in the fullest second", pace, rate, worst)
	if rate > 4 {
		t.Errorf("%d list frames in %v, want 4 a second at most", most, took)
	}
	if most := sized(4, 5); worst > most {
		t.Errorf("%d list frames in one second, want %d at most", worst, most)
	}
	c.login(gateways[0], "flapper")
	c.right(c.members)
	c.connected()
}

// frames notes when frames arrive.
type frames struct {
	mu sync.Mutex
	at []time.Time
}

func (f *frames) arrived() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = append(f.at, time.Now())
}

// most is how many arrived in the fullest stretch of that length.
func (f *frames) most(length time.Duration) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	most := 0
	for i, first := range f.at {
		end := slices.IndexFunc(f.at[i:], func(at time.Time) bool { return at.Sub(first) >= length })
		if end < 0 {
			end = len(f.at) - i
		}
		most = max(most, end)
	}
	return most
}
