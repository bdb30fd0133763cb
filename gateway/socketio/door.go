// Package socketio is the door for clients of Socket.IO 4, as a well-known tutorial teaches them: they connect unchanged.
// docs/socketio.md describes what they may say and hear.
//
// It stands on two layers that know nothing of Beckon: engineio carries messages over long polling and WebSocket, sio makes
// namespaces, events and acks of them. What is here are the tutorial's events on the session core.
package socketio

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/gateway/origin"
	"beckon/gateway/session"
	"beckon/gateway/socketio/engineio"
	"beckon/gateway/socketio/sio"
	"beckon/shared/wire"
)

// leastPackets is what a client may have to say at once that was away for a while.
const leastPackets = 1000

// Path is where the door is, as clients expect it.
const Path = "/socket.io/"

// Rates bound what one session may send a second, with as much again in a burst.
type Rates struct{ Frames, Bytes int }

// Options are what the door works with. All are required.
type Options struct {
	Hub     *session.Hub
	Origins origin.Rules
	Rates   Rates
	// MaxSessions is how many the hub takes; MaxHandshakes how many clients of one address may have come and not
	// logged in: one more sends the oldest away.
	MaxSessions, MaxHandshakes int
	Metrics                    *session.Metrics
	Log                        *slog.Logger
}

// Door is the Socket.IO door, an http.Handler for everything below [Path]. Close it.
type Door struct {
	o      Options
	log    *slog.Logger
	server *sio.Server
}

// New makes a door.
func New(o Options) *Door {
	d := &Door{o: o, log: o.Log.With("component", "socketio")}
	d.server = sio.New(sio.Options{
		Engine: engineio.Options{
			Path: Path, Origin: d.allows, Admit: d.admit, Log: d.log,
			MaxPending: o.MaxHandshakes, Evicted: func() { o.Metrics.TurnedAway("address") },
			// Of all packets: who sends so many more than the events that are allowed is beyond an answer.
			Packets: max(2*o.Rates.Frames, leastPackets), Bytes: 2*o.Rates.Bytes + wire.MaxFrame,
		},
		WithoutBinary: true,
		Connect:       d.connect,
		Event:         func(s *sio.Socket, e *sio.Event) error { return s.Data.(*conn).read(e) },
		Disconnect:    func(s *sio.Socket, why engineio.Reason) { s.Data.(*conn).left(why) },
	})
	return d
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.server.ServeHTTP(w, r) }

// Close ends the connections of those who are left, and returns when all have ended: within seconds.
func (d *Door) Close() { d.server.Close() }

// Collectors are the door's metrics.
func (d *Door) Collectors() []prometheus.Collector {
	return []prometheus.Collector{transports{d.server}}
}

// allows says whether a page's origin may connect.
func (d *Door) allows(r *http.Request) bool {
	if d.o.Origins.Allows(r) {
		return true
	}
	d.o.Metrics.TurnedAway("origin")
	return false
}

// admit sends away whom the gateway cannot take. Such clients try again by themselves.
func (d *Door) admit(*http.Request) *engineio.Refusal {
	reason, why := d.o.Hub.Closed()
	if why == "" && d.server.Len() >= d.o.MaxSessions+d.o.MaxHandshakes {
		reason, why = "full", "this gateway is full"
	}
	if why == "" {
		return nil
	}
	d.o.Metrics.TurnedAway(reason)
	return &engineio.Refusal{
		Status: http.StatusServiceUnavailable, Code: codeClosed, Message: why, RetryAfter: session.RetryAfter(),
	}
}

// codeClosed is in answers to clients that are sent away; the protocol has no code for that.
const codeClosed = 3

// connect logs a client in.
func (d *Door) connect(s *sio.Socket) {
	c := newConn(d, s)
	s.Data = c
	login, bad := readLogin(s.Auth)
	if bad != nil {
		d.o.Metrics.Refused(bad.code)
		s.Refuse(bad.message, map[string]string{"code": bad.code})
		return
	}
	logged, err := d.o.Hub.Login(c, login.user, login.room, true)
	switch {
	case err == nil:
		c.session.Store(logged)
	case errors.Is(err, session.ErrDraining):
		c.Close(session.Draining)
	default:
		d.log.Warn("login failed", "err", err)
		c.Close(session.NotReady)
	}
}

// transports counts sessions.
type transports struct{ server *sio.Server }

var transportsDesc = prometheus.NewDesc(
	"beckon_socketio_connections", "Clients of Socket.IO that have logged in, by transport.", []string{"transport"}, nil)

// Describe implements prometheus.Collector.
func (transports) Describe(descs chan<- *prometheus.Desc) { descs <- transportsDesc }

// Collect implements prometheus.Collector.
func (t transports) Collect(metrics chan<- prometheus.Metric) {
	polling, webSocket := t.server.Sessions()
	metrics <- prometheus.MustNewConstMetric(transportsDesc, prometheus.GaugeValue, float64(polling), "polling")
	metrics <- prometheus.MustNewConstMetric(transportsDesc, prometheus.GaugeValue, float64(webSocket), "websocket")
}
