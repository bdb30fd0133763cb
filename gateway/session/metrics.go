package session

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/shared/wire"
)

// Metrics counts what goes through a gateway's doors and hub.
type Metrics struct {
	signals [len(wire.Kinds) + 1][len(wire.AllOutcomes) + 1]prometheus.Counter // resolved once, by kind and outcome
	relay   prometheus.Histogram
	closed  *prometheus.CounterVec
	full    prometheus.Counter
	refused *prometheus.CounterVec
	turned  *prometheus.CounterVec

	reg prometheus.Registerer
}

// NewMetrics registers a gateway's metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	signals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "beckon_signals_total", Help: "Signals that sessions of this gateway sent, by kind and outcome.",
	}, []string{"kind", "outcome"})
	m := &Metrics{
		reg: reg,
		relay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "beckon_signal_seconds",
			Help: "Time from a signal's acceptance to its delivery being known here; " +
				"another gateway may gather such news for 4 ms.",
			Buckets: []float64{.0005, .001, .002, .004, .006, .008, .012, .02, .05, .1, .25, .5, 1},
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "beckon_connections_closed_total", Help: "Connections that this gateway ended, by reason.",
		}, []string{"reason"}),
		full: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "beckon_queue_full_total", Help: "Frames that found a session's queue full.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "beckon_frames_refused_total", Help: "Frames of clients that were not accepted, by error code.",
		}, []string{"code"}),
		turned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "beckon_handshakes_refused_total", Help: "Connections that were refused before they could log in, by reason.",
		}, []string{"reason"}),
	}
	for _, k := range wire.Kinds {
		for _, o := range wire.AllOutcomes {
			m.signals[k][o] = signals.WithLabelValues(k.String(), o.String())
		}
	}
	reg.MustRegister(signals, m.relay, m.closed, m.full, m.refused, m.turned)
	return m
}

// Closed counts a connection that the gateway ended.
func (m *Metrics) Closed(r Reason) { m.closed.WithLabelValues(r.String()).Inc() }

// QueueFull counts a frame that found a session's queue full.
func (m *Metrics) QueueFull() { m.full.Inc() }

// Refused counts a client's frame that was not accepted.
func (m *Metrics) Refused(code string) { m.refused.WithLabelValues(code).Inc() }

// TurnedAway counts a client that was refused before it could log in.
func (m *Metrics) TurnedAway(reason string) { m.turned.WithLabelValues(reason).Inc() }

func (m *Metrics) signal(k wire.Kind, o wire.Outcome, took time.Duration) {
	m.signals[k][o].Inc()
	if o == wire.Delivered {
		m.relay.Observe(took.Seconds())
	}
}

func (m *Metrics) watch(h *Hub) {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m.reg.MustRegister(
		gauge("beckon_sessions", "Sessions on this gateway.", h.Sessions),
		gauge("beckon_users", "Users with a session on this gateway.", h.Users),
	)
}
