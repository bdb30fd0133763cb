package load

import (
	"fmt"
	"io"
	"strings"
)

// DoorsReport is what [Doors.Run] measured.
type DoorsReport struct {
	Pairs int       `json:"pairs"`
	Rate  int       `json:"rate"` // messages a second in the paced phases
	Ways  []Passage `json:"ways"`
}

// Passage is what was measured of one way.
type Passage struct {
	Way      string `json:"way"`
	Sent     int64  `json:"sent"`     // over all, warm-up included
	Received int64  `json:"received"` // each once, in order
	Closed   Phase  `json:"closed_loop"`
	Paced    Phase  `json:"paced"`
}

// Write writes the report as tables for people.
func (r *DoorsReport) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d pairs, %d-byte descriptions, %d candidates each way; CPU in µs a message, of the processes that relay it\n",
		r.Pairs, sdpBytes, candidates)
	b.WriteString("\nclosed loop, as many messages as the machine carries, the clients included\n")
	r.table(&b, func(p *Passage) *Phase { return &p.Closed })
	fmt.Fprintf(&b, "\npaced, %d messages a second\n", r.Rate)
	r.table(&b, func(p *Passage) *Phase { return &p.Paced })
	b.WriteString("\nmessages\n")
	for _, p := range r.Ways {
		fmt.Fprintf(&b, "  %-34s %9d sent, %9d received once and in order, %d lost\n", p.Way, p.Sent, p.Received, p.Sent-p.Received)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *DoorsReport) table(b *strings.Builder, of func(*Passage) *Phase) {
	fmt.Fprintf(b, "  %-34s %9s %7s %6s %6s  %8s %8s %8s %8s %7s\n", "",
		"a second", "servers", "NATS", "in all", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "others")
	for i := range r.Ways {
		p := of(&r.Ways[i])
		nats := 0.0
		for _, c := range p.CPU {
			if c.Process == "NATS" {
				nats = c.Micros
			}
		}
		l := p.Latency
		fmt.Fprintf(b, "  %-34s %9.0f %7.2f %6.2f %6.2f  %8.2f %8.2f %8.2f %8.2f %6.0f%%\n", r.Ways[i].Way, p.PerSecond,
			p.RelayCPU-nats, nats, p.RelayCPU, l.P50/1e3, l.P99/1e3, l.P999/1e3, l.Max/1e3, 100*p.Others)
	}
}
