package load

import (
	"errors"
	"strings"
	"testing"
	"time"

	"beckon/local/proc"
)

func TestPhaseSumsUp(t *testing.T) {
	s := &servers{relaying: []bool{true, false, true, true}}
	for _, name := range []string{"NATS", "presence", "gateway A", "gateway B"} {
		s.processes = append(s.processes, proc.New(proc.Spec{Name: name}))
	}
	begin := time.Now()
	ms := func(values ...int) (all []time.Duration) {
		for _, v := range values {
			all = append(all, time.Duration(v)*time.Millisecond)
		}
		return all
	}
	from := reading{at: begin, cpu: ms(1000, 1000, 1000, 1000, 1000)}
	to := reading{at: begin.Add(2 * time.Second), cpu: ms(1500, 1010, 1700, 1800, 1200), machine: 10 * time.Second}
	p := s.phase(from, to, 100_000, new(histogram))
	want := []Cost{{"NATS", 5}, {"presence", .1}, {"gateway A", 7}, {"gateway B", 8}, {"load generator", 2}}
	for i, cost := range p.CPU {
		if cost.Process != want[i].Process || !near(cost.Micros, want[i].Micros) {
			t.Errorf("%+v, want %+v", cost, want[i])
		}
	}
	if len(p.CPU) != len(want) || !near(p.RelayCPU, 20) || !near(p.Seconds, 2) || !near(p.PerSecond, 50_000) || p.Others <= 0 {
		t.Errorf("%+v", p)
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func TestJudge(t *testing.T) {
	report := func(cpu float64, p99 time.Duration) *Report {
		return &Report{Closed: Phase{RelayCPU: cpu}, Paced: Phase{RelayCPU: 99, Latency: Latency{P99: micros(p99)}}}
	}
	if err := report(GoalCPU, GoalP99-1).Judge(); err != nil {
		t.Errorf("within the goals: %v", err)
	}
	err := report(GoalCPU+.1, GoalP99).Judge()
	if err == nil || !strings.Contains(err.Error(), "25.1 µs") || !strings.Contains(err.Error(), "3.00 ms") {
		t.Errorf("both goals missed: %v", err)
	}
	late := report(0, 0)
	late.Unknown = 1
	if late.Judge() == nil {
		t.Error("an unknown outcome was no fault")
	}
}

func TestReportReads(t *testing.T) {
	late := Latency{Max: 1500}
	r := Report{
		Pairs: 3, Acks: true, Sent: 1234, Acked: 1234,
		Closed: Phase{Messages: 1000, Seconds: 2, PerSecond: 500, CPU: []Cost{{"NATS", 5.25}}, RelayCPU: 5.25},
		Paced:  Phase{Lag: &late},
	}
	var out strings.Builder
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"3 pairs", "all 1234 messages arrived once", "all 1234 acks", "without presence",
		"closed loop: 1000 messages in 2.0 s, 500 a second", "NATS               5.25", "max 1.50 ms",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if err := r.Write(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("error of a broken writer: %v", err)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
