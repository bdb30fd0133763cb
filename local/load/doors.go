package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// Doors measures how the same calls are relayed in every way: through each door of one gateway, through each door with two
// gateways, each message crossing both, and through the common Node server. Each way has new servers.
type Doors struct {
	Pairs    int           `help:"Pairs of clients." default:"100"`
	Warmup   time.Duration `help:"Time for which calls are played before anything is measured." default:"2s"`
	Duration time.Duration `help:"Time for which each phase of each way is measured." default:"6s"`
	Rate     int           `help:"Messages a second in the paced phases." default:"2000"`
	Profile  string        `help:"Directory for profiles of the gateways in the closed loops: processor time and allocations." type:"path" placeholder:"DIR"`
	Only     `embed:""`

	// Log is told what the run is about to do. Required.
	Log *slog.Logger `kong:"-"`
}

// mostDoorPairs is how many log in to the Node server in reasonable time, whose lists grow with the square of its users.
const mostDoorPairs = 500

// Validate says what is wrong with the settings.
func (o *Doors) Validate() error {
	if o.Pairs < 1 || o.Pairs > mostDoorPairs {
		return fmt.Errorf("--pairs: %d is not between 1 and %d", o.Pairs, mostDoorPairs)
	}
	relay := o.relay()
	if err := relay.Validate(); err != nil {
		return err
	}
	_, err := o.choose(ways)
	return err
}

// relay is what is measured of each way.
func (o *Doors) relay() Relay {
	return Relay{Pairs: o.Pairs, Warmup: o.Warmup, Duration: o.Duration, Rate: o.Rate, Profile: o.Profile, Log: o.Log}
}

// Run builds and installs the servers, and measures one way after the other. It fails when a message is lost, comes twice,
// out of order or changed, and when a server ends.
func (o Doors) Run(ctx context.Context) (report *DoorsReport, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	chosen, _ := o.choose(ways)
	ctx, cancel := context.WithTimeout(ctx, overhead+time.Duration(len(chosen))*(time.Minute+o.Warmup+2*o.Duration))
	defer cancel()
	programs, err := prepare(ctx, chosen, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, programs.remove()) }()
	return o.run(ctx, programs, chosen)
}

func (o Doors) run(ctx context.Context, programs programs, chosen []way) (*DoorsReport, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	report := &DoorsReport{Pairs: o.Pairs, Rate: o.Rate}
	for _, w := range chosen {
		o.Log.Info("measuring", "way", w.name)
		passage, err := o.passage(ctx, programs, w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		o.Log.Info("measured", "way", w.name, "closed_loop_us", passage.Closed.RelayCPU, "paced_us", passage.Paced.RelayCPU)
		report.Ways = append(report.Ways, passage)
	}
	return report, nil
}

// passage measures one way.
func (o Doors) passage(ctx context.Context, programs programs, w way) (_ Passage, err error) {
	relay := o.relay()
	var s *servers
	if w.gateways == 0 {
		s, err = programs.node.start(ctx, o.Log, nil)
		relay.Profile = "" // it has none to offer
	} else {
		s, err = startServers(ctx, programs.beckon, relayLayout(w.gateways, true), o.Log)
		if o.Profile != "" {
			relay.Profile = filepath.Join(o.Profile, w.fileName())
		}
	}
	if err != nil {
		return Passage{}, err
	}
	defer func() { err = s.finish(ctx, err) }()
	t, err := connect(ctx, party{door: w.door, servers: s.ends(), pairs: o.Pairs})
	if err != nil {
		return Passage{}, err
	}
	defer t.close()
	p := Passage{Way: w.name}
	if p.Closed, err = relay.closedLoop(t, s); err != nil {
		return Passage{}, fmt.Errorf("closed loop: %w", err)
	}
	if p.Paced, err = relay.paced(t, s); err != nil {
		return Passage{}, fmt.Errorf("paced: %w", err)
	}
	p.Sent, _ = t.totals()
	p.Received = t.received()
	return p, nil
}

// fileName is the way's name as one of a file.
func (w way) fileName() string {
	return strings.ToLower(strings.NewReplacer(", ", "-", " ", "-", ".", "").Replace(w.name))
}
