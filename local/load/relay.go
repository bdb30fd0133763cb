// Package load puts load on the system as its users would, and measures what that takes.
//
// A run checks all it counts: every message must arrive once, in order and as it was sent, or the run fails.
package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Relay measures how signals are relayed between clients of two gateways: at the speed at which the system carries calls
// (closed loop), and at a given rate (paced).
type Relay struct {
	Pairs    int           `help:"Pairs of clients, each across both gateways." default:"100"`
	Warmup   time.Duration `help:"Time for which calls are played before anything is measured." default:"2s"`
	Duration time.Duration `help:"Time for which each phase is measured." default:"10s"`
	Rate     int           `help:"Messages a second in the paced phase." default:"10000"`
	Acks     bool          `help:"Give every frame an id, so that its sender is told the outcome."`
	Presence bool          `help:"Run presence too; it takes no part in relaying." default:"true" negatable:""`
	Profile  string        `help:"Directory for profiles of the gateways in the closed loop: processor time and allocations." type:"path" placeholder:"DIR"`

	// Log is told what the run is about to do. Required.
	Log *slog.Logger `kong:"-"`
}

const (
	// mostPairs keeps this process, which has two sockets a pair, well below 20,000 file descriptors.
	mostPairs    = 5000
	mostDuration = time.Minute // and an ops listener gives no longer profile than two
	mostRate     = 200_000
	// overhead is time for building, starting, logging in and stopping.
	overhead = 10 * time.Minute
	// gcPercent makes this process, whose heap is small, collect garbage so seldom that latencies do not show it.
	gcPercent = 1000
)

// Validate says what is wrong with the settings.
func (o *Relay) Validate() error {
	switch {
	case o.Pairs < 1 || o.Pairs > mostPairs:
		return fmt.Errorf("--pairs: %d is not between 1 and %d", o.Pairs, mostPairs)
	case o.Warmup < 0 || o.Warmup > mostDuration:
		return fmt.Errorf("--warmup: %v is not between 0s and %v", o.Warmup, mostDuration)
	case o.Duration <= 0 || o.Duration > mostDuration:
		return fmt.Errorf("--duration: %v is not between 0s and %v", o.Duration, mostDuration)
	case o.Rate < 1 || o.Rate > mostRate:
		return fmt.Errorf("--rate: %d is not between 1 and %d", o.Rate, mostRate)
	case o.Profile != "" && o.Duration < time.Second:
		return errors.New("--profile: takes a --duration of at least 1s")
	}
	return nil
}

// relayLayout is so many gateways, two at most, without the limits of a session and of an address, which load from a few
// sessions on one machine would reach, and which let go of sessions at once.
func relayLayout(gateways int, presence bool) layout {
	return layout{
		presence: presence, gateways: []string{"A", "B"}[:gateways],
		args: []string{"--rate-frames=1000000", "--rate-bytes=1073741824", "--max-handshakes=1000000", "--drain=0s"},
	}
}

// Run builds and starts the servers, puts load on them and stops them, whatever happens. It fails when a message is lost,
// comes twice, out of order or changed, and when a server ends.
func (o Relay) Run(ctx context.Context) (report *Report, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overhead+o.Warmup+2*o.Duration)
	defer cancel()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	programs, err := build(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, programs.Remove()) }()
	s, err := startServers(ctx, programs, relayLayout(2, o.Presence), o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = s.finish(ctx, err) }()

	o.Log.Info("logging in", "clients", 2*o.Pairs)
	t, err := connect(ctx, party{door: native, servers: s.ends(), pairs: o.Pairs, acks: o.Acks})
	if err != nil {
		return nil, err
	}
	defer t.close()

	report = &Report{Pairs: o.Pairs, Acks: o.Acks, Presence: o.Presence}
	o.Log.Info("playing calls", "warmup", o.Warmup, "duration", o.Duration)
	if report.Closed, err = o.closedLoop(t, s); err != nil {
		return nil, fmt.Errorf("closed loop: %w", err)
	}
	o.Log.Info("sending at a steady rate", "rate", o.Rate, "duration", o.Duration)
	if report.Paced, err = o.paced(t, s); err != nil {
		return nil, fmt.Errorf("paced: %w", err)
	}
	report.Sent, report.Acked = t.totals()
	report.Unknown = t.unknown.Load()
	return report, nil
}

func (o Relay) closedLoop(t *traffic, s *servers) (Phase, error) {
	var from, to reading
	var profiles *profiler
	begin := func() (err error) {
		if o.Profile != "" {
			profiles = startProfiles(t.ctx, s.ops, o.Profile, o.Duration)
		}
		from, err = s.read()
		return err
	}
	end := func() (err error) {
		to, err = s.read()
		return err
	}
	latency, err := t.closedLoop(o.Warmup, o.Duration, begin, end)
	if profiles != nil {
		err = errors.Join(err, profiles.wait())
	}
	if err != nil {
		return Phase{}, err
	}
	return s.phase(from, to, latency.count(), latency), nil
}

func (o Relay) paced(t *traffic, s *servers) (Phase, error) {
	from, err := s.read()
	if err != nil {
		return Phase{}, err
	}
	latency, lag, err := t.openLoop(o.Rate, o.Duration)
	if err != nil {
		return Phase{}, err
	}
	to, err := s.read()
	if err != nil {
		return Phase{}, err
	}
	phase := s.phase(from, to, latency.count(), latency)
	late := lag.latency()
	phase.Lag = &late
	return phase, nil
}
