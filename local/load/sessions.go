package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"time"
)

// Sessions measures what a session takes of a server's memory: through each door of a gateway, and at the common Node
// server. Each kind has a new server. No session has a list worth mentioning: at the gateway each has a room of its own, and
// the Node server is told to send none.
type Sessions struct {
	Sessions int           `help:"Sessions of each kind." default:"2000"`
	Messages int           `help:"Messages that each session sends, and receives, before it counts as busy." default:"10"`
	Rate     int           `help:"Messages a second, of all sessions together." default:"1000"`
	Settle   time.Duration `help:"Time for which sessions are idle before they are measured." default:"6s"`
	Profile  string        `help:"Directory for profiles of the gateways' memory and goroutines." type:"path" placeholder:"DIR"`
	Only     `embed:""`

	// Log is told what the run is about to do. Required.
	Log *slog.Logger `kong:"-"`
}

const (
	// mostSessions keeps a server and this process, which have two connections for a session that polls, below 20,000 file
	// descriptors each.
	mostSessions = 9000
	mostMessages = 1000
	mostSettle   = time.Minute
	mostTalk     = 10 * time.Minute
	// pioneers log in, talk and leave before anything is measured, so that what a server makes once, for the first session or
	// the first message, is none of the others'.
	pioneers = 20
)

// Validate says what is wrong with the settings.
func (o *Sessions) Validate() error {
	switch {
	case o.Sessions < 2 || o.Sessions > mostSessions || o.Sessions%2 != 0:
		return fmt.Errorf("--sessions: %d is no even number between 2 and %d", o.Sessions, mostSessions)
	case o.Messages < 1 || o.Messages > mostMessages:
		return fmt.Errorf("--messages: %d is not between 1 and %d", o.Messages, mostMessages)
	case o.Rate < 1 || o.Rate > mostRate:
		return fmt.Errorf("--rate: %d is not between 1 and %d", o.Rate, mostRate)
	case o.Settle < 0 || o.Settle > mostSettle:
		return fmt.Errorf("--settle: %v is not between 0s and %v", o.Settle, mostSettle)
	}
	if talk := o.conversation(o.Sessions); talk > mostTalk {
		return fmt.Errorf("--rate: with %d messages a second they would take %v, more than %v", o.Rate, talk, mostTalk)
	}
	_, err := o.choose(sessionWays())
	return err
}

// sessionWays are those that tell sessions apart: with a second gateway they would be the same.
func sessionWays() (some []way) {
	for _, w := range ways {
		if w.gateways < 2 {
			some = append(some, w)
		}
	}
	return some
}

// conversation is how long the messages of so many sessions take.
func (o *Sessions) conversation(sessions int) time.Duration {
	return time.Duration(int64(sessions) * int64(o.Messages) * int64(time.Second) / int64(o.Rate))
}

// Run builds and installs the servers, and measures one kind of session after the other. It fails when a message is lost,
// comes twice, out of order or changed, and when a server or a session ends.
func (o Sessions) Run(ctx context.Context) (report *SessionsReport, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	chosen, _ := o.choose(sessionWays())
	ctx, cancel := context.WithTimeout(ctx, overhead+time.Duration(len(chosen))*(2*time.Minute+o.conversation(o.Sessions+pioneers)+2*o.Settle))
	defer cancel()
	programs, err := prepare(ctx, chosen, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, programs.remove()) }()
	return o.run(ctx, programs, chosen)
}

func (o Sessions) run(ctx context.Context, programs programs, chosen []way) (*SessionsReport, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	report := &SessionsReport{Sessions: o.Sessions, Messages: o.Messages}
	for _, w := range chosen {
		o.Log.Info("measuring", "way", w.name)
		footprint, err := o.footprint(ctx, programs, w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		o.Log.Info("measured", "way", w.name, "idle", footprint.Idle, "busy", footprint.Busy)
		report.Ways = append(report.Ways, footprint)
	}
	return report, nil
}

// footprint measures one kind of session.
func (o Sessions) footprint(ctx context.Context, programs programs, w way) (_ Footprint, err error) {
	var s *servers
	var look func() (memory, error)
	if w.gateways == 0 {
		s, err = programs.node.start(ctx, o.Log, []string{"--expose-gc"}, "--no-lists")
		look = func() (memory, error) { return memoryOfNode(ctx, s.listen[0]) }
	} else {
		s, err = startServers(ctx, programs.beckon, relayLayout(w.gateways, true), o.Log)
		look = func() (memory, error) { return memoryOf(ctx, s.ops[0]) }
	}
	if err != nil {
		return Footprint{}, err
	}
	defer func() { err = s.finish(ctx, err) }()

	first := party{door: w.door, servers: s.ends(), pairs: pioneers / 2, rooms: true}
	t, err := connect(ctx, first)
	if err != nil {
		return Footprint{}, err
	}
	_, _, err = t.openLoop(o.Rate, o.conversation(pioneers))
	t.close()
	if err != nil {
		return Footprint{}, err
	}
	if err := pause(ctx, o.Settle); err != nil {
		return Footprint{}, err
	}
	empty, err := look()
	if err != nil {
		return Footprint{}, err
	}

	all := first
	all.pairs = o.Sessions / 2
	o.Log.Info("logging in", "sessions", o.Sessions)
	if t, err = connect(ctx, all); err != nil {
		return Footprint{}, err
	}
	defer t.close()
	if err := t.wait(o.Settle); err != nil {
		return Footprint{}, err
	}
	idle, err := look()
	if err != nil {
		return Footprint{}, err
	}
	if err := o.profile(ctx, s, w, "idle"); err != nil {
		return Footprint{}, err
	}
	o.Log.Info("talking", "duration", o.conversation(o.Sessions))
	if _, _, err := t.openLoop(o.Rate, o.conversation(o.Sessions)); err != nil {
		return Footprint{}, err
	}
	busy, err := look()
	if err != nil {
		return Footprint{}, err
	}
	if err := o.profile(ctx, s, w, "busy"); err != nil {
		return Footprint{}, err
	}
	if err := context.Cause(t.ctx); err != nil { // some session has ended after all
		return Footprint{}, err
	}
	return Footprint{Way: w.name, Idle: idle.less(empty).each(o.Sessions), Busy: busy.less(empty).each(o.Sessions)}, nil
}

// profile writes what a gateway has right now, if that is asked for, as DIR/WAY/idle.heap.pprof and so on.
func (o Sessions) profile(ctx context.Context, s *servers, w way, state string) error {
	if o.Profile == "" || w.gateways == 0 {
		return nil
	}
	for _, kind := range []string{"heap", "goroutine"} {
		file := filepath.Join(o.Profile, w.fileName(), state+"."+kind+".pprof")
		if err := fetchProfile(ctx, "http://"+s.ops[0]+"/debug/pprof/"+kind, file, profileGrace); err != nil {
			return err
		}
	}
	return nil
}
