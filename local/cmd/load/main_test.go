package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"beckon/local/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCommandLine(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no time left"))
	for name, test := range map[string]struct {
		args []string
		code int
		says string // on either output
	}{
		"help":            {[]string{"relay", "--help"}, exitOK, "--pairs=100"},
		"no command":      {nil, exitUsage, "relay"},
		"unknown command": {[]string{"flood"}, exitUsage, "flood"},
		"no number":       {[]string{"relay", "--rate=fast"}, exitUsage, "--rate"},
		"out of bounds":   {[]string{"relay", "--pairs=0"}, exitUsage, "--pairs: 0 is not between 1 and 5000"},
		"a failed run":    {[]string{"relay"}, exitFailed, "build the servers"},

		"help of doors":          {[]string{"doors", "--help"}, exitOK, "--rate=2000"},
		"doors out of bounds":    {[]string{"doors", "--pairs=0"}, exitUsage, "--pairs: 0 is not between 1 and 500"},
		"no such door":           {[]string{"doors", "--only=window"}, exitUsage, `--only: "window" is in no name`},
		"no goals for doors":     {[]string{"doors", "--judge"}, exitUsage, "--judge"},
		"failed doors":           {[]string{"doors", "--only=two"}, exitFailed, "build the servers"},
		"help of sessions":       {[]string{"sessions", "--help"}, exitOK, "--sessions=2000"},
		"sessions out of bounds": {[]string{"sessions", "--sessions=3"}, exitUsage, "--sessions: 3 is no even number between 2 and 9000"},
		"failed sessions":        {[]string{"sessions"}, exitFailed, "build the servers"},
		"help of storm":          {[]string{"storm", "--help"}, exitOK, "--users=1000,10000"},
		"storm out of bounds":    {[]string{"storm", "--users=10,0"}, exitUsage, "--users: 0 is not between 1 and 15000"},
		"a failed storm":         {[]string{"storm"}, exitFailed, "build the servers"},
		"help of presence":       {[]string{"presence", "--help"}, exitOK, "--users=100000"},
		"presence out of bounds": {[]string{"presence", "--rate=0"}, exitUsage, "--rate: 0 is not between 1 and 50000"},
		"a failed presence":      {[]string{"presence"}, exitFailed, "build the servers"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run(over, test.args, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if said := stdout.String() + stderr.String(); !strings.Contains(said, test.says) {
				t.Errorf("no %q in:\n%s", test.says, said)
			}
		})
	}
}

func TestRelayWritesItsFigures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "figures.json")
	var stdout, stderr strings.Builder
	args := []string{"relay", "--pairs=2", "--warmup=0s", "--duration=200ms", "--rate=100", "--no-presence", "--json", file}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	if !strings.Contains(stdout.String(), "gateways + NATS") {
		t.Errorf("no table:\n%s", &stdout)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report load.Report
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	if report.Pairs != 2 || report.Paced.Messages != 20 || report.Closed.RelayCPU <= 0 {
		t.Errorf("%s", raw)
	}
}

func TestDoorsWriteTheirFigures(t *testing.T) {
	var report load.DoorsReport
	table := figuresOf(t, &report, "doors", "--only=two gateways, native", "--pairs=2", "--warmup=0s", "--duration=200ms", "--rate=100")
	if !strings.Contains(table, "two gateways, native") || !strings.Contains(table, " 0 lost") {
		t.Errorf("no table:\n%s", table)
	}
	if len(report.Ways) != 1 || report.Ways[0].Paced.Messages != 20 || report.Ways[0].Closed.RelayCPU <= 0 {
		t.Errorf("%+v", report)
	}
}

func TestSessionsWriteTheirFigures(t *testing.T) {
	var report load.SessionsReport
	table := figuresOf(t, &report, "sessions", "--only=native", "--sessions=10", "--messages=2", "--settle=0s")
	if !strings.Contains(table, "one gateway, native") {
		t.Errorf("no table:\n%s", table)
	}
	if len(report.Ways) != 1 || report.Sessions != 10 || report.Ways[0].Idle.Live == 0 {
		t.Errorf("%+v", report)
	}
}

// figuresOf runs a command, reads its figures as JSON and gives its table.
func figuresOf(t *testing.T, report any, args ...string) (table string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "figures.json")
	var stdout, stderr strings.Builder
	if code := run(t.Context(), append(args, "--json", file), &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, report); err != nil {
		t.Fatal(err)
	}
	return stdout.String()
}

func TestStormWritesItsFigures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "figures.json")
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"storm", "--users=10,20", "--full=0", "--judge", "--json", file}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	if !strings.Contains(stdout.String(), "20 users, changes") {
		t.Errorf("no table:\n%s", &stdout)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report load.StormReport
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Storms) != 2 || report.Storms[1].Users != 20 || report.Storms[1].Bytes == 0 {
		t.Errorf("%s", raw)
	}
}

func TestPresenceWritesItsFigures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "figures.json")
	var stdout, stderr strings.Builder
	args := []string{"presence", "--users=50", "--gateways=2", "--rate=100", "--duration=200ms", "--json", file}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	if !strings.Contains(stdout.String(), "50 users on 2 gateways") {
		t.Errorf("no table:\n%s", &stdout)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report load.PresenceReport
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	if report.Users != 50 || report.Rate != 100 || report.RebuildSeconds <= 0 {
		t.Errorf("%s", raw)
	}
}
