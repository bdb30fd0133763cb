// Package local runs the whole of Beckon on one machine.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"beckon/gateway"
	"beckon/presence"
	"beckon/shared/service"
)

// startTimeout is how long a service may take to come up.
const startTimeout = 20 * time.Second

// Options of a stack. The zero value, with a Log, is NATS, presence and one gateway on free ports.
type Options struct {
	// Gateways is how many there are; 0 stands for 1.
	Gateways int
	// Edge makes each gateway the leaf of the hub that runs beside presence.
	Edge bool
	// Presence and Gateway change the services' configurations, if they are not nil, before they start.
	Presence func(*presence.Config)
	Gateway  func(i int, cfg *gateway.Config)
	Log      *slog.Logger
}

// Stack is a running system: the very same Run functions as in production, in this process.
type Stack struct {
	Presence presence.Addresses
	Gateways []gateway.Addresses

	services []*running
	ended    chan struct{} // closed when the first service has ended
	once     sync.Once     // of that
}

// running is a service that was started.
type running struct {
	name string
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
	err  error         // after done
}

// Start starts a stack and returns when everything serves. ctx ends the start and the stack. Close it in any case.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{ended: make(chan struct{})}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, o Options) error {
	var cfg presence.Config
	if err := service.SetDefaults(&cfg); err != nil {
		return err
	}
	cfg.EmbedNATS, cfg.EmbedNATSLeaf, cfg.Ops, cfg.Log = "127.0.0.1:0", "", "127.0.0.1:0", o.Log
	if o.Edge {
		cfg.EmbedNATSLeaf = "127.0.0.1:0"
	}
	if o.Presence != nil {
		o.Presence(&cfg)
	}
	ready := make(chan presence.Addresses, 1) // filled once
	cfg.OnReady = func(a presence.Addresses) { ready <- a }
	var err error
	s.Presence, err = launch(ctx, s, "presence", ready, func(ctx context.Context) error { return presence.Run(ctx, cfg) })
	if err != nil {
		return err
	}
	for i := range max(o.Gateways, 1) {
		if err := s.addGateway(ctx, o, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) addGateway(ctx context.Context, o Options, i int) error {
	var cfg gateway.Config
	if err := service.SetDefaults(&cfg); err != nil {
		return err
	}
	cfg.Listen, cfg.Ops, cfg.NATS, cfg.Log = "127.0.0.1:0", "127.0.0.1:0", s.Presence.NATS, o.Log
	if o.Edge {
		cfg.Leaf = []string{s.Presence.Leaf}
	}
	if o.Gateway != nil {
		o.Gateway(i, &cfg)
	}
	ready := make(chan gateway.Addresses, 1) // filled once
	cfg.OnReady = func(a gateway.Addresses) { ready <- a }
	a, err := launch(ctx, s, fmt.Sprintf("gateway %d", i), ready, func(ctx context.Context) error {
		return gateway.Run(ctx, cfg)
	})
	if err != nil {
		return err
	}
	s.Gateways = append(s.Gateways, a)
	return nil
}

// launch runs a service and waits until it says where it is.
func launch[A any](ctx context.Context, s *Stack, name string, ready <-chan A, run func(context.Context) error) (A, error) {
	ctx, stop := context.WithCancel(ctx)
	r := &running{name: name, stop: stop, done: make(chan struct{})}
	s.services = append(s.services, r)
	go func() {
		r.err = run(ctx)
		s.once.Do(func() { close(s.ended) })
		close(r.done)
	}()
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	var none A
	select {
	case a := <-ready:
		return a, nil
	case <-r.done:
		s.services = s.services[:len(s.services)-1] // its end is told here, not by Close
		if r.err == nil {
			return none, fmt.Errorf("%s ended: %w", name, context.Cause(ctx))
		}
		return none, fmt.Errorf("%s: %w", name, r.err)
	case <-limit.C:
		return none, fmt.Errorf("%s is not ready after %v", name, startTimeout)
	}
}

// Ended is closed when a service has ended, whether it was told to or failed. Close says how.
func (s *Stack) Ended() <-chan struct{} { return s.ended }

// Close ends the stack: the gateways first, which let their clients go in good order, all at once.
func (s *Stack) Close() error {
	var errs []error
	end := func(services []*running) {
		for _, r := range services {
			r.stop()
		}
		for _, r := range services {
			<-r.done
			if r.err != nil && !errors.Is(r.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("%s: %w", r.name, r.err))
			}
		}
	}
	if len(s.services) > 0 {
		end(s.services[1:])
		end(s.services[:1])
	}
	return errors.Join(errs...)
}
