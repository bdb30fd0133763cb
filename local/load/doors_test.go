package load

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testWays are some ways with the programs that they need; Node.js for one, without which the test is skipped.
func testWays(t *testing.T, names ...string) (programs, []way) {
	t.Helper()
	var chosen []way
	for _, w := range ways {
		for _, name := range names {
			if w.name == name {
				chosen = append(chosen, w)
			}
		}
	}
	if len(chosen) != len(names) {
		t.Fatalf("%d ways for %q", len(chosen), names)
	}
	return programs{beckon: testPrograms(t), node: testNode(t)}, chosen
}

func TestDoors(t *testing.T) {
	profiles := t.TempDir()
	o := Doors{Pairs: 4, Duration: time.Second, Rate: 400, Profile: profiles, Log: slog.New(slog.DiscardHandler)}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	programs, chosen := testWays(t, "two gateways, Socket.IO WebSocket", "two gateways, Socket.IO polling",
		"Node, Socket.IO WebSocket", "Node, Socket.IO polling")
	report, err := o.run(t.Context(), programs, chosen)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range report.Ways {
		if p.Way != chosen[i].name || p.Sent != p.Received || p.Paced.Messages != 400 || p.Sent < p.Closed.Messages+p.Paced.Messages {
			t.Errorf("%s: sent %d, received %d, %d in calls, %d paced", p.Way, p.Sent, p.Received, p.Closed.Messages, p.Paced.Messages)
		}
		for name, phase := range map[string]Phase{"closed": p.Closed, "paced": p.Paced} {
			if l := phase.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || phase.RelayCPU <= 0 {
				t.Errorf("%s, %s: CPU %v, latency %+v", p.Way, name, phase.RelayCPU, l)
			}
		}
	}
	if len(report.Ways) != len(chosen) {
		t.Errorf("%d ways", len(report.Ways))
	}
	for _, file := range []string{
		"two-gateways-socketio-websocket/gateway-b.cpu.pprof", "two-gateways-socketio-polling/gateway-a.allocs.pprof",
	} {
		if info, err := os.Stat(filepath.Join(profiles, file)); err != nil || info.Size() == 0 {
			t.Errorf("no profile: %v", err)
		}
	}
	if strange, err := filepath.Glob(filepath.Join(profiles, "node*")); len(strange) > 0 || err != nil {
		t.Errorf("profiles of the Node server: %q, %v", strange, err)
	}
}

func TestDoorsRefuseWhatTheyCannotDo(t *testing.T) {
	for says, o := range map[string]Doors{
		"--pairs: ":   {Duration: time.Second, Rate: 1},
		"--rate: ":    {Pairs: 1, Duration: time.Second},
		`--only: "x"`: {Pairs: 1, Duration: time.Second, Rate: 1, Only: Only{"x"}},
	} {
		if _, err := o.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s %v", says, err)
		}
	}
}

func TestWaysAreChosen(t *testing.T) {
	for text, want := range map[string]int{"": 8, "node": 2, "POLLING": 3, "two gateways": 3, "one gateway, native": 1} {
		if chosen, err := (Only{text}).choose(ways); len(chosen) != want || err != nil {
			t.Errorf("%q: %d ways, %v", text, len(chosen), err)
		}
	}
}

func TestDoorsReportReads(t *testing.T) {
	r := DoorsReport{Pairs: 3, Rate: 700, Ways: []Passage{{
		Way: "one gateway, native", Sent: 1234, Received: 1230,
		Closed: Phase{
			PerSecond: 5678, CPU: []Cost{{"NATS", 5.25}, {"presence", 9}, {"gateway A", 7.5}}, RelayCPU: 12.75,
			Latency: Latency{P50: 250, P99: 1500, P999: 2500, Max: 3500}, Others: .04,
		},
		Paced: Phase{PerSecond: 699},
	}}}
	var out strings.Builder
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"3 pairs", "paced, 700 messages a second", "one gateway, native 5678 7.50 5.25 12.75 0.25 1.50 2.50 3.50 4%",
		"one gateway, native 699 ", "1234 sent, 1230 received once and in order, 4 lost",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if err := r.Write(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("error of a broken writer: %v", err)
	}
}
