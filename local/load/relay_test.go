package load

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRelay(t *testing.T) {
	profiles := filepath.Join(t.TempDir(), "profiles")
	report, err := Relay{
		Pairs: 4, Duration: time.Second, Rate: 500, Acks: true, Presence: true, Profile: profiles, Log: slog.New(slog.DiscardHandler),
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Sent == 0 || report.Acked != report.Sent {
		t.Errorf("%d of %d messages were acked", report.Acked, report.Sent)
	}
	if report.Closed.Messages == 0 || report.Closed.Messages > report.Sent || report.Paced.Messages != 500 {
		t.Errorf("%d messages in calls and %d paced, of %d", report.Closed.Messages, report.Paced.Messages, report.Sent)
	}
	for name, phase := range map[string]Phase{"closed": report.Closed, "paced": report.Paced} {
		if l := phase.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
			t.Errorf("%s: latency %+v", name, l)
		}
		if len(phase.CPU) != 5 || phase.RelayCPU <= 0 {
			t.Errorf("%s: CPU %+v, in sum %v", name, phase.CPU, phase.RelayCPU)
		}
	}
	files, err := filepath.Glob(filepath.Join(profiles, "*"))
	if len(files) != 4 || err != nil {
		t.Errorf("profiles %q, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			t.Errorf("%s is empty: %v", file, err)
		}
	}
}

func TestRelayEndsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	log := slog.New(&trigger{message: "playing calls", fire: func() { cancel(enough) }})
	report, err := Relay{Pairs: 2, Warmup: time.Minute, Duration: time.Minute, Rate: 1, Presence: true, Log: log}.Run(ctx)
	if !errors.Is(err, enough) {
		t.Errorf("%v, %v", report, err)
	}
}

func TestRelayNoticesThatAServerDied(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := startServers(t.Context(), testPrograms(t), relayLayout(2, false), log)
	if err != nil {
		t.Fatal(err)
	}
	traffic, err := connect(t.Context(), party{door: native, servers: s.ends(), pairs: 2})
	if err != nil {
		t.Fatal(errors.Join(err, s.stop(t.Context())))
	}
	kill := func() error {
		s.processes[len(s.processes)-1].Kill()
		return nil
	}
	if _, err := traffic.closedLoop(0, time.Minute, kill, func() error { return nil }); err == nil {
		t.Error("a gateway's death went unnoticed")
	}
	traffic.close()
	if err := s.stop(t.Context()); err == nil || !strings.Contains(err.Error(), "gateway B ended: signal: killed") {
		t.Errorf("stop: %v", err)
	}
}

// trigger is a log that does something at a message.
type trigger struct {
	message string
	fire    func()
}

func (h *trigger) Enabled(context.Context, slog.Level) bool { return true }
func (h *trigger) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *trigger) WithGroup(string) slog.Handler            { return h }

func (h *trigger) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.fire()
	}
	return nil
}

func TestRelayRefusesWhatItCannotDo(t *testing.T) {
	good := Relay{Pairs: 1, Duration: time.Second, Rate: 1, Profile: "profiles"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for flag, change := range map[string]func(*Relay){
		"--pairs":    func(r *Relay) { r.Pairs = mostPairs + 1 },
		"--warmup":   func(r *Relay) { r.Warmup = -1 },
		"--duration": func(r *Relay) { r.Duration = 0 },
		"--rate":     func(r *Relay) { r.Rate = 0 },
		"--profile":  func(r *Relay) { r.Duration = time.Second - 1 },
	} {
		bad := good
		change(&bad)
		if _, err := bad.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
