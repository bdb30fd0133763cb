package load

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSessions(t *testing.T) {
	profiles := t.TempDir()
	o := Sessions{Sessions: 200, Messages: 3, Rate: 1000, Profile: profiles, Log: slog.New(slog.DiscardHandler)}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	programs, chosen := testWays(t, "one gateway, native", "one gateway, Socket.IO WebSocket", "one gateway, Socket.IO polling",
		"Node, Socket.IO WebSocket", "Node, Socket.IO polling")
	report, err := o.run(t.Context(), programs, chosen)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range report.Ways {
		// What a session takes is some kilobytes; so few of them do not tell more, and nothing of what the kernel gives.
		const least, most = 1 << 10, 256 << 10
		if f.Way != chosen[i].name || f.Idle.Live < least || f.Idle.Live > most || f.Busy.Live < least || f.Busy.Live > most {
			t.Errorf("%+v", f)
		}
	}
	if len(report.Ways) != len(chosen) {
		t.Errorf("%d ways", len(report.Ways))
	}
	if files, err := filepath.Glob(filepath.Join(profiles, "one-gateway-*", "*.*.pprof")); len(files) != 3*4 || err != nil {
		t.Errorf("profiles %q, %v", files, err)
	}
}

func TestSessionsEndWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	log := slog.New(&trigger{message: "talking", fire: func() { cancel(enough) }})
	programs, chosen := testWays(t, "one gateway, native")
	report, err := Sessions{Sessions: 2, Messages: 1000, Rate: 50_000, Log: log}.run(ctx, programs, chosen)
	if !errors.Is(err, enough) {
		t.Errorf("%v, %v", report, err)
	}
}

func TestSessionsRefuseWhatTheyCannotDo(t *testing.T) {
	good := Sessions{Sessions: 2, Messages: 1, Rate: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for flag, change := range map[string]func(*Sessions){
		"--sessions: 9002": func(o *Sessions) { o.Sessions = mostSessions + 2 },
		"--sessions: 0":    func(o *Sessions) { o.Sessions = 0 },
		"--sessions: 3":    func(o *Sessions) { o.Sessions = 3 },
		"--messages":       func(o *Sessions) { o.Messages = 0 },
		"--rate: 0":        func(o *Sessions) { o.Rate = 0 },
		"--rate: with":     func(o *Sessions) { o.Messages = 301 },
		"--settle":         func(o *Sessions) { o.Settle = mostSettle + time.Second },
		"--only":           func(o *Sessions) { o.Only = Only{"two gateways"} },
	} {
		bad := good
		change(&bad)
		if _, err := bad.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestSessionsReportReads(t *testing.T) {
	r := SessionsReport{Sessions: 700, Messages: 21, Ways: []Footprint{
		{Way: "Node, Socket.IO polling", Idle: Memory{31_000, 11_500}, Busy: Memory{52_500, 12_000}},
	}}
	var out strings.Builder
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"700 sessions", "received 21 messages", "Node, Socket.IO polling 31.0 11.5 52.5 12.0"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if err := r.Write(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("error of a broken writer: %v", err)
	}
}
