package presence

import (
	"github.com/prometheus/client_golang/prometheus"

	"beckon/presence/roster"
)

// collectors are the replica's metrics.
func (r *replica) collectors() []prometheus.Collector {
	gauge := func(name, help string, value func(roster.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "beckon_presence_" + name, Help: help},
			func() float64 { return float64(value(r.stats())) })
	}
	counter := func(name, help string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "beckon_presence_" + name, Help: help},
			func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		gauge("gateways", "Gateways in the view.", func(s roster.Stats) int { return s.Gateways }),
		gauge("sessions", "Sessions in the view.", func(s roster.Stats) int { return s.Sessions }),
		gauge("users", "Users in the view.", func(s roster.Stats) int { return s.Users }),
		gauge("rooms", "Rooms with somebody in them.", func(s roster.Stats) int { return s.Rooms }),
		gauge("complete", "Whether the view may be followed: every gateway has been heard whole, and the replica does not doubt itself.", func(s roster.Stats) int {
			if s.Complete {
				return 1
			}
			return 0
		}),
		gauge("doubts", "Whether so many gateways have fallen silent at once that the replica doubts itself.", func(s roster.Stats) int {
			if s.Doubts {
				return 1
			}
			return 0
		}),
		counter("deltas_total", "Changes of the view that were published.", func() uint64 { return r.stats().Version }),
		counter("requests_total", "Requests to gateways: for snapshots, and whether they are there.", func() uint64 { return r.stats().Asked }),
		counter("contested_total", "Times that two gateways of one name took it from each other.",
			func() uint64 { return r.stats().Contested }),
		counter("not_understood_total", "Messages that were not understood.", r.malformed.Load),
		counter("dropped_total", "Messages that were dropped because this replica was too slow.", r.dropped.Load),
	}
}
