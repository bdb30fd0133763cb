package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"beckon/local/proc"
)

// Presence measures one replica of presence that hears of many users from many gateways: its memory, its processor time
// while users come and go, and how long it takes to know them all again after it was killed. The gateways are simulated
// by this process, which runs no clients.
type Presence struct {
	Users    int           `help:"Users, all in one room." default:"100000"`
	Gateways int           `help:"Gateways that hold them." default:"20"`
	Rate     int           `help:"Logins a second, each with a logout, while processor time is measured." default:"5000"`
	Duration time.Duration `help:"Time for which that is measured." default:"10s"`

	// Log is told what the run is about to do. Required.
	Log *slog.Logger `kong:"-"`
}

const (
	mostReplicaUsers = 1_000_000
	mostGateways     = 200
	mostLogins       = 50_000
	// replicaTimeout is how long a replica may take to know what it was told.
	replicaTimeout = time.Minute
)

// Validate says what is wrong with the settings.
func (o *Presence) Validate() error {
	switch {
	case o.Users < 1 || o.Users > mostReplicaUsers:
		return fmt.Errorf("--users: %d is not between 1 and %d", o.Users, mostReplicaUsers)
	case o.Gateways < 1 || o.Gateways > mostGateways:
		return fmt.Errorf("--gateways: %d is not between 1 and %d", o.Gateways, mostGateways)
	case o.Rate < 1 || o.Rate > mostLogins:
		return fmt.Errorf("--rate: %d is not between 1 and %d", o.Rate, mostLogins)
	case o.Duration <= 0 || o.Duration > mostDuration:
		return fmt.Errorf("--duration: %v is not between 0s and %v", o.Duration, mostDuration)
	}
	return nil
}

// Run builds and starts the servers, lets everybody in, lets users come and go, kills the replica and starts it again. It
// fails when presence's view is not the truth in the end: by its count, its digest, and its answer to a question.
func (o Presence) Run(ctx context.Context) (report *PresenceReport, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overhead+o.Duration)
	defer cancel()
	programs, err := build(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, programs.Remove()) }()
	return o.run(ctx, programs)
}

func (o Presence) run(ctx context.Context, programs *proc.Programs) (report *PresenceReport, err error) {
	s, err := startServers(ctx, programs, layout{presence: true}, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = s.finish(ctx, err) }()
	f, err := newFleet(s.nats, o.Gateways, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		err = errors.Join(err, f.close(ctx))
	}()

	report = &PresenceReport{Users: o.Users, Gateways: o.Gateways, Rate: o.Rate}
	view, err := f.await(ctx, "")
	if err != nil {
		return nil, err
	}
	empty, err := memoryOf(ctx, s.presenceOps)
	if err != nil {
		return nil, err
	}
	o.Log.Info("letting everybody in", "users", o.Users, "gateways", o.Gateways)
	start := time.Now()
	f.fill(o.Users)
	if _, err := f.await(ctx, ""); err != nil {
		return nil, err
	}
	report.FillSeconds = time.Since(start).Seconds()
	full, err := memoryOf(ctx, s.presenceOps)
	if err != nil {
		return nil, err
	}
	report.Memory = full.less(empty).each(o.Users)

	o.Log.Info("letting users come and go", "rate", o.Rate, "duration", o.Duration)
	if err := o.churn(ctx, s, f, report); err != nil {
		return nil, err
	}
	o.Log.Info("killing the replica")
	if report.RebuildSeconds, err = rebuild(ctx, s.presence, f, view); err != nil {
		return nil, err
	}
	return report, nil
}

// churn has users come back at the rate, and measures what that takes.
func (o Presence) churn(ctx context.Context, s *servers, f *fleet, report *PresenceReport) error {
	from, err := s.read()
	if err != nil {
		return err
	}
	begin := time.Now()
	now := func() time.Duration { return time.Since(begin) }
	steady := schedule{rate: o.Rate}
	err = steady.run(steady.within(o.Duration), now, time.Sleep, func(int, time.Duration) error {
		f.comeBack()
		return ctx.Err()
	})
	if err != nil {
		return context.Cause(ctx)
	}
	to, err := s.read()
	if err != nil {
		return err
	}
	report.Seconds = to.at.Sub(from.at).Seconds()
	report.CPU, report.Others = s.spent(from, to)
	for i, p := range s.processes {
		if p == s.presence {
			report.PresenceCPU = report.CPU[i].Seconds / report.Seconds
		}
	}
	if _, err := f.await(ctx, ""); err != nil {
		return err
	}
	return f.ask(ctx)
}

// rebuild kills the replica as kill -9 does and starts it again. It gives the seconds from its start until it answers and
// its view is complete and true.
func rebuild(ctx context.Context, replica *proc.Process, f *fleet, view string) (seconds float64, err error) {
	replica.Kill()
	start := time.Now()
	if err := replica.Start(ctx); err != nil {
		return 0, err
	}
	if err := f.ask(ctx); err != nil {
		return 0, err
	}
	if _, err := f.await(ctx, view); err != nil {
		return 0, err
	}
	return time.Since(start).Seconds(), nil
}
