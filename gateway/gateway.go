// Package gateway stands at the edge: it turns what clients say over WebSockets into NATS messages on signal.<user>, and
// what arrives on a user's subject into frames for that user's sockets.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/gateway/socketio"
	"beckon/gateway/ws"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/service"
	"beckon/shared/wire"
)

// Run runs a gateway until ctx ends, and then lets its clients go in good order: nil if it could. It fails at once when
// the configuration is wrong or an address cannot be had, and later only when NATS is lost beyond recovery.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	name, incarnation := cfg.Name, wire.NewID()
	if name == "" {
		name = "gw-" + wire.NewID()
	}
	log := cfg.Log.With("gateway", name)
	teardown := service.NewTeardown(log)
	defer func() { err = errors.Join(err, teardown.Run(context.WithoutCancel(ctx))) }()

	health := &service.Health{}
	metrics := service.NewRegistry()
	busOptions := bus.Options{URL: cfg.natsURL(), Name: "beckon gateway " + name, Creds: cfg.NATSCreds, Log: log}
	if len(cfg.Leaf) > 0 {
		leaf, err := embednats.Start(ctx, embednats.Options{
			Name: name, Hubs: cfg.Leaf, HubCreds: cfg.LeafCreds, HubCA: cfg.LeafCA, Log: log,
		})
		if err != nil {
			return err
		}
		teardown.Add("leaf", 2*time.Second, leaf.Shutdown)
		health.Optional("hub", service.Unless(leaf.HubLinked, "not linked to the hub; only users of this gateway can be reached"))
		metrics.MustRegister(linkedGauge(leaf))
		busOptions.InProcess = leaf
	}
	conn, err := bus.Connect(busOptions)
	if err != nil {
		return err
	}
	teardown.Add("NATS connection", 2*time.Second, conn.Close)
	metrics.MustRegister(conn.Collectors()...)
	health.Required("nats", service.Unless(conn.Up, "not connected to NATS"))

	// What this gateway holds is announced; who else is there is followed.
	announcer, err := bus.NewAnnouncer(conn, name, incarnation, log)
	if err != nil {
		return err
	}
	teardown.Add("announcer", time.Second, announcer.Close)
	lists, err := roster.New(roster.Options{
		Gateway: name, Conn: conn, Log: log,
		Limits: roster.Limits{ListUsers: cfg.RoomListLimit, WholeBytes: cfg.UserlistBudget},
	})
	if err != nil {
		return err
	}
	metrics.MustRegister(lists.Collectors()...)
	health.Required("presence", service.Unless(func() bool { return lists.Status().Ever }, "presence has not been heard yet"))
	health.Optional("presence", service.Unless(func() bool { s := lists.Status(); return s.Live || !s.Ever },
		"presence is not heard; user lists stand still"))
	following, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 2) // one place for each of the two that may fail, so that neither waits
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		if err := lists.Run(following); err != nil {
			failed <- err
		}
	}()
	teardown.Add("roster", time.Second, func(context.Context) error {
		stopFollowing()
		<-followed
		return nil
	})

	hubMetrics := session.NewMetrics(metrics)
	hub, err := session.NewHub(session.Options{
		Gateway: name, Incarnation: incarnation, Conn: conn, Roster: lists, Announcer: announcer,
		MaxSessions: cfg.MaxSessions, Metrics: hubMetrics, Log: log,
	})
	if err != nil {
		return err
	}
	teardown.Add("hub", time.Second, func(context.Context) error {
		hub.Close()
		return nil
	})
	health.Optional("sessions", service.Unless(func() bool { return !hub.Full() }, "full; new clients are sent away"))
	native := ws.New(ws.Options{
		Hub: hub, Origins: cfg.Origins, ICEServers: cfg.ICEServers,
		Rates: ws.Rates{Frames: cfg.RateFrames, Bytes: cfg.RateBytes}, Metrics: hubMetrics, Log: log,
	})
	var tutorial *socketio.Door
	if cfg.SocketIO {
		tutorial = socketio.New(socketio.Options{
			Hub: hub, Origins: cfg.Origins, Rates: socketio.Rates{Frames: cfg.RateFrames, Bytes: cfg.RateBytes},
			MaxSessions: cfg.MaxSessions, MaxHandshakes: cfg.MaxHandshakes, Metrics: hubMetrics, Log: log,
		})
		teardown.Add("Socket.IO door", 3*time.Second, func(context.Context) error {
			tutorial.Close()
			return nil
		})
		metrics.MustRegister(tutorial.Collectors()...)
	}

	server := &http.Server{
		Handler:           routes(native, tutorial, cfg.Page),
		ConnContext:       socket.Context,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // of a body; sockets and long polls have deadlines of their own
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       10 * time.Second, // less than polling clients are silent: they would keep a second connection for pongs
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          serverLog(log),
	}
	serve, scheme := server.Serve, "ws"
	if cfg.TLSCert != "" {
		if serve, err = overTLS(server, cfg, metrics, log); err != nil {
			return err
		}
		scheme = "wss"
	}
	listener, err := net.Listen("tcp", string(cfg.Listen))
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	sockets := socket.Listen(listener, readBudget(cfg), cfg.MaxHandshakes)
	metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "beckon_connections_turned_away_total",
		Help: "Connections closed at once because their address had too many that were no sessions yet.",
	}, func() float64 { return float64(sockets.TurnedAway()) }))
	served := make(chan struct{})
	go func() {
		defer close(served)
		failed <- serve(sockets)
	}()
	teardown.Add("client listener", 3*time.Second, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if tutorial != nil {
			tutorial.Close() // or its long polls would keep the server waiting
		}
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // on those who have connected and not yet said what they want
		}
		<-served
		native.Wait()
		return err
	})
	// Not before: until it knows every check it would say that we are ready.
	ops, err := service.StartOps(cfg.Ops, health, metrics, log)
	if err != nil {
		return err
	}
	teardown.Add("ops listener", time.Second, ops.Shutdown)
	// Runs first: while it does, everything above still works. The last to be told to go may take a moment for it.
	teardown.Add("sessions", cfg.Drain+2*time.Second, func(ctx context.Context) error {
		health.Drain()
		return hub.Drain(ctx, cfg.Drain)
	})

	log.Info("gateway listening", "url", scheme+"://"+listener.Addr().String()+"/ws")
	if cfg.OnReady != nil {
		cfg.OnReady(Addresses{Name: name, Listen: listener.Addr().String(), Ops: ops.Addr()})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	case <-conn.Broken():
		return errors.New("the NATS connection was closed for ever")
	}
}

// readBudget is what one connection may make the gateway read: well above what its session may send, which is told so in a
// frame, and low enough that what never becomes a frame does no harm.
func readBudget(cfg Config) socket.Budget {
	return socket.Budget{Bytes: 2*cfg.RateBytes + wire.MaxFrame, Reads: 10*cfg.RateFrames + 1000}
}

func linkedGauge(leaf *embednats.Server) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "beckon_hub_linked", Help: "1 while the leaf of this gateway is linked to the hub.",
	}, func() float64 {
		if leaf.HubLinked() {
			return 1
		}
		return 0
	})
}
