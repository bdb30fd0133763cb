// Package presence tracks who is logged in, on every gateway: it hears what the gateways announce, merges it into one view
// (package roster), and publishes that view to the gateways that follow it and to anybody who asks.
//
// A process is one replica. There may be any number, they know nothing of each other, and none keeps anything: one that
// starts asks the gateways.
package presence

import (
	"context"
	"errors"
	"time"

	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/service"
	"beckon/shared/wire"
)

// Run runs a replica until ctx ends: nil if it could. It fails at once when the configuration is wrong or an address
// cannot be had, and later only when NATS is lost beyond recovery.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	at := Addresses{View: wire.NewID(), NATS: cfg.natsURL()}
	log := cfg.Log.With("view", at.View)
	teardown := service.NewTeardown(log)
	defer func() { err = errors.Join(err, teardown.Run(context.WithoutCancel(ctx))) }()

	busOptions := bus.Options{URL: at.NATS, Name: "beckon presence " + at.View, Creds: cfg.NATSCreds, Log: log}
	if cfg.EmbedNATS != "" {
		server, err := embednats.Start(ctx, embednats.Options{
			Name: "presence", Listen: string(cfg.EmbedNATS), LeafListen: string(cfg.EmbedNATSLeaf), Log: log,
		})
		if err != nil {
			return err
		}
		teardown.Add("NATS", 2*time.Second, server.Shutdown)
		at.NATS, at.Leaf = server.ClientURL(), server.LeafURL()
		busOptions.InProcess = server
	}
	conn, err := bus.Connect(busOptions)
	if err != nil {
		return err
	}
	teardown.Add("NATS connection", 2*time.Second, conn.Close)

	replica, err := newReplica(ctx, conn, at.View, intakeDepth, log)
	if err != nil {
		return err
	}
	if cfg.EmbedNATS != "" {
		replica.roster.NATSBegan(time.Now().UnixMilli())
	}
	health := &service.Health{}
	health.Required("nats", service.Unless(conn.Up, "not connected to NATS"))
	health.Required("view", service.Unless(func() bool { return replica.stats().Complete }, "not every gateway has been heard whole; if half of them have fallen silent at once this replica doubts itself"))
	metrics := service.NewRegistry()
	metrics.MustRegister(conn.Collectors()...)
	metrics.MustRegister(replica.collectors()...)
	ops, err := service.StartOps(cfg.Ops, health, metrics, log)
	if err != nil {
		return err
	}
	teardown.Add("ops listener", time.Second, ops.Shutdown)
	at.Ops = ops.Addr()

	replica.start()
	teardown.Add("replica", 2*time.Second, replica.stop)
	log.Info("presence started")
	if cfg.OnReady != nil {
		cfg.OnReady(at)
	}

	// Whoever asks gets the whole truth or is told that nobody can answer.
	complete := replica.complete
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-conn.Broken():
			return errors.New("the NATS connection was closed for ever")
		case <-complete:
			complete = nil
			service, err := addService(conn, replica, log)
			if err != nil {
				return err
			}
			teardown.Add("micro service", time.Second, func(context.Context) error { return service.Stop() })
		}
	}
}
