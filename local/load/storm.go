package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"time"

	"beckon/local/proc"
)

// Storm lets many users log in to one room of one gateway, as fast as it takes them, and measures what it takes until
// every one of them holds everybody. Each number of users is a storm of its own, with new servers.
type Storm struct {
	Users       []int         `help:"Users who log in, each number in a storm of its own." default:"1000,10000"`
	Full        int           `help:"Users in a last storm in which everybody asks for whole lists instead of changes; 0 for none." default:"1000"`
	Concurrency int           `help:"Logins under way at a time." default:"1000"`
	Timeout     time.Duration `help:"Time that one storm may take." default:"2m"`
	Profile     string        `help:"Directory for profiles of the gateway's processor time, in the first seconds of each storm." type:"path" placeholder:"DIR"`

	// Log is told what the run is about to do. Required.
	Log *slog.Logger `kong:"-"`
}

const (
	// mostUsers keeps the clients and the gateway below 20,000 file descriptors each.
	mostUsers  = 15_000
	mostStorms = 10
	// mostConcurrency is how many connections that are no sessions yet a gateway takes from one address.
	mostConcurrency  = 1000
	mostStormTimeout = 10 * time.Minute
	// profilePart is how many users log in in a second of a profile.
	profilePart = 2000
)

// Validate says what is wrong with the settings.
func (o *Storm) Validate() error {
	if len(o.Users) > mostStorms {
		return fmt.Errorf("--users: %d storms are more than %d", len(o.Users), mostStorms)
	}
	for _, n := range o.Users {
		if n < 1 || n > mostUsers {
			return fmt.Errorf("--users: %d is not between 1 and %d", n, mostUsers)
		}
	}
	switch {
	case o.Full < 0 || o.Full > mostUsers:
		return fmt.Errorf("--full: %d is not between 0 and %d", o.Full, mostUsers)
	case o.Full == 0 && len(o.Users) == 0:
		return fmt.Errorf("--users: no storm at all")
	case o.Concurrency < 1 || o.Concurrency > mostConcurrency:
		return fmt.Errorf("--concurrency: %d is not between 1 and %d", o.Concurrency, mostConcurrency)
	case o.Timeout <= 0 || o.Timeout > mostStormTimeout:
		return fmt.Errorf("--timeout: %v is not between 0s and %v", o.Timeout, mostStormTimeout)
	}
	return nil
}

// Run builds the servers and runs the storms, one after the other. It fails when a server or a connection ends, when a
// client is sent a list that is not true or does not follow from the one before, and when a storm does not end in time.
func (o Storm) Run(ctx context.Context) (report *StormReport, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	storms := len(o.Users) + 1
	ctx, cancel := context.WithTimeout(ctx, overhead+time.Duration(storms)*(o.Timeout+time.Minute))
	defer cancel()
	programs, err := build(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, programs.Remove()) }()
	return o.run(ctx, programs)
}

func (o Storm) run(ctx context.Context, programs *proc.Programs) (*StormReport, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	report := &StormReport{Concurrency: o.Concurrency}
	for _, n := range o.Users {
		surge, err := o.surge(ctx, programs, n, false)
		if err != nil {
			return nil, fmt.Errorf("%d users: %w", n, err)
		}
		report.Storms = append(report.Storms, surge)
	}
	if o.Full > 0 {
		surge, err := o.surge(ctx, programs, o.Full, true)
		if err != nil {
			return nil, fmt.Errorf("%d users who want whole lists: %w", o.Full, err)
		}
		report.Storms = append(report.Storms, surge)
	}
	return report, nil
}

// stormLayout is one gateway that sends lists to everybody in a room of n, and lets go of sessions at once.
func stormLayout(n int) layout {
	return layout{
		presence: true, gateways: []string{"A"},
		args: []string{fmt.Sprintf("--room-list-limit=%d", n+1), "--drain=0s"},
	}
}

// surge is one storm.
func (o Storm) surge(ctx context.Context, programs *proc.Programs, n int, full bool) (_ Surge, err error) {
	s, err := startServers(ctx, programs, stormLayout(n), o.Log)
	if err != nil {
		return Surge{}, err
	}
	defer func() { err = s.finish(ctx, err) }()
	empty, err := memoryOf(ctx, s.ops[0])
	if err != nil {
		return Surge{}, err
	}

	o.Log.Info("logging in", "users", n, "whole_lists", full)
	stormy, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	c := newCrowd(stormy, s.listen[0], n, full)
	defer c.close()
	var profile *profiler
	if o.Profile != "" {
		name := fmt.Sprintf("storm-%d.cpu.pprof", n)
		if full {
			name = "full-" + name
		}
		profile = startProfile(ctx, s.ops[0], filepath.Join(o.Profile, name), time.Duration(1+n/profilePart)*time.Second)
	}
	from, err := s.read()
	if err != nil {
		return Surge{}, err
	}
	took, err := c.login(o.Concurrency)
	if err != nil {
		return Surge{}, err
	}
	to, err := s.read()
	if err != nil {
		return Surge{}, err
	}
	bytes, frames, lists := c.totals()
	if profile != nil {
		if err := profile.wait(); err != nil {
			return Surge{}, err
		}
	}
	crowded, err := memoryOf(ctx, s.ops[0])
	if err != nil {
		return Surge{}, err
	}
	if err := context.Cause(c.ctx); err != nil { // somebody was sent away after all
		return Surge{}, err
	}
	surge := Surge{
		Users: n, Full: full, Seconds: took.Seconds(), LoginSeconds: c.in().Seconds(), Bytes: bytes, Frames: frames, Lists: lists,
		Memory: crowded.less(empty).each(n),
	}
	surge.LoginsPerSecond = float64(n) / surge.LoginSeconds
	surge.CPU, surge.Others = s.spent(from, to)
	return surge, nil
}
