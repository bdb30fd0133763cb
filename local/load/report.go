package load

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The goals of a relay: what a message that crosses both gateways may cost, and how late it may be at the paced rate.
const (
	GoalCPU = 25.0                 // µs of both gateways and NATS, in the closed loop
	GoalP99 = 3 * time.Millisecond // in the paced phase
)

// Report is what [Relay.Run] measured.
type Report struct {
	Pairs    int   `json:"pairs"`
	Acks     bool  `json:"acks"`
	Presence bool  `json:"presence"`
	Sent     int64 `json:"sent"` // over all, warm-up included; each was received once, in order
	Acked    int64 `json:"acked"`
	Unknown  int64 `json:"unknown"` // outcomes that a gateway did not learn within a second, all messages having arrived
	Closed   Phase `json:"closed_loop"`
	Paced    Phase `json:"paced"`
}

// Phase is what was measured under one kind of load.
type Phase struct {
	Seconds   float64  `json:"seconds"`
	Messages  int64    `json:"messages"` // relayed
	PerSecond float64  `json:"messages_per_second"`
	Latency   Latency  `json:"latency"`                 // from a message's time to its arrival at the other client
	Lag       *Latency `json:"generator_lag,omitempty"` // how late it was sent, which is part of its latency
	CPU       []Cost   `json:"cpu"`
	RelayCPU  float64  `json:"relay_cpu_us"` // the sum over both gateways and NATS
	// Others is what share of the machine's processors others used. What is measured beside much else is worth little.
	Others float64 `json:"others"`
}

// Cost is the processor time of one process for each message relayed.
type Cost struct {
	Process string  `json:"process"`
	Micros  float64 `json:"us"`
}

// phase makes the sums of a phase in which so many messages were relayed between two readings.
func (s *servers) phase(from, to reading, messages int64, latency *histogram) Phase {
	seconds := to.at.Sub(from.at).Seconds()
	p := Phase{
		Seconds: seconds, Messages: messages, PerSecond: float64(messages) / seconds, Latency: latency.latency(),
	}
	spent, others := s.spent(from, to)
	p.Others = others
	for i, used := range spent {
		cost := Cost{used.Process, 1e6 * used.Seconds / float64(max(1, messages))}
		if i < len(s.relaying) && s.relaying[i] {
			p.RelayCPU += cost.Micros
		}
		p.CPU = append(p.CPU, cost)
	}
	return p
}

// Judge says which goals were missed; nil if none was.
func (r *Report) Judge() error {
	var errs []error
	if r.Closed.RelayCPU > GoalCPU {
		errs = append(errs, fmt.Errorf("a message costs %.1f µs, more than %.0f", r.Closed.RelayCPU, GoalCPU))
	}
	if r.Paced.Latency.P99 >= micros(GoalP99) {
		errs = append(errs, fmt.Errorf("p99 is %.2f ms at the paced rate, not under %v", r.Paced.Latency.P99/1e3, GoalP99))
	}
	if r.Unknown > 0 {
		errs = append(errs, fmt.Errorf("%d outcomes were unknown", r.Unknown))
	}
	return errors.Join(errs...)
}

// Write writes the report as a table for people.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	with := func(on bool) string {
		if on {
			return "with"
		}
		return "without"
	}
	fmt.Fprintf(&b, "%d pairs across two gateways, %d-byte descriptions, %d candidates each way; %s acks, %s presence\n",
		r.Pairs, sdpBytes, candidates, with(r.Acks), with(r.Presence))
	fmt.Fprintf(&b, "all %d messages arrived once, in order", r.Sent)
	if r.Acks {
		fmt.Fprintf(&b, "; all %d acks did, once", r.Acked)
	}
	if r.Unknown > 0 {
		fmt.Fprintf(&b, "; %d outcomes came too late to be known", r.Unknown)
	}
	b.WriteString("\n")
	for _, phase := range [...]struct {
		name string
		Phase
	}{{"closed loop", r.Closed}, {"paced", r.Paced}} {
		fmt.Fprintf(&b, "\n%s: %d messages in %.1f s, %.0f a second\n", phase.name, phase.Messages, phase.Seconds, phase.PerSecond)
		fmt.Fprintf(&b, "  %-16s %s\n", "latency", phase.Latency)
		if phase.Lag != nil {
			fmt.Fprintf(&b, "  %-16s %s\n", "generator's lag", *phase.Lag)
		}
		b.WriteString("  CPU µs a message\n")
		for _, c := range phase.CPU {
			fmt.Fprintf(&b, "    %-16s %6.2f\n", c.Process, c.Micros)
		}
		fmt.Fprintf(&b, "    %-16s %6.2f\n", "gateways + NATS", phase.RelayCPU)
		fmt.Fprintf(&b, "  others used %.0f%% of the machine\n", 100*phase.Others)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
