package load

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestPresence(t *testing.T) {
	report, err := Presence{
		Users: 500, Gateways: 3, Rate: 200, Duration: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}.run(t.Context(), testPrograms(t))
	if err != nil {
		t.Fatal(err)
	}
	if report.FillSeconds <= 0 || report.Seconds < .49 || report.RebuildSeconds <= 0 {
		t.Errorf("filled after %v s, measured for %v s, rebuilt after %v s", report.FillSeconds, report.Seconds, report.RebuildSeconds)
	}
	if len(report.CPU) != 3 || report.CPU[1].Process != "presence" || report.PresenceCPU != report.CPU[1].Seconds/report.Seconds {
		t.Errorf("CPU %+v, of presence %v", report.CPU, report.PresenceCPU)
	}
}

func TestPresenceEndsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	log := slog.New(&trigger{message: "letting users come and go", fire: func() { cancel(enough) }})
	report, err := Presence{Users: 10, Gateways: 2, Rate: 1, Duration: time.Minute, Log: log}.run(ctx, testPrograms(t))
	if !errors.Is(err, enough) {
		t.Errorf("%v, %v", report, err)
	}
}

// A replica that does not say the truth must not pass.
func TestFleetKnowsTheTruth(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := startServers(t.Context(), testPrograms(t), layout{presence: true}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop(t.Context())
	f, err := newFleet(s.nats, 2, log)
	if err != nil {
		t.Fatal(err)
	}
	f.fill(5)
	view, err := f.await(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.ask(t.Context()); err != nil {
		t.Error(err)
	}
	for range 7 {
		f.comeBack()
	}
	if again, err := f.await(t.Context(), ""); err != nil || again != view {
		t.Errorf("view %s after %s: %v", again, view, err)
	}

	limited, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond) // two beats
	defer cancel()
	f.digest++
	if _, err := f.await(limited, ""); err == nil || !strings.Contains(err.Error(), "it has 5, complete: true") {
		t.Errorf("another digest: %v", err)
	}
	f.digest--
	f.users = f.users[:4]
	if err := f.ask(t.Context()); err == nil || !strings.Contains(err.Error(), "5 users in 5 sessions, not 4") {
		t.Errorf("another count: %v", err)
	}
	if err := f.close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPresenceRefusesWhatItCannotDo(t *testing.T) {
	good := Presence{Users: 1, Gateways: 1, Rate: 1, Duration: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for flag, change := range map[string]func(*Presence){
		"--users":    func(p *Presence) { p.Users = 0 },
		"--gateways": func(p *Presence) { p.Gateways = mostGateways + 1 },
		"--rate":     func(p *Presence) { p.Rate = 0 },
		"--duration": func(p *Presence) { p.Duration = mostDuration + 1 },
	} {
		bad := good
		change(&bad)
		if _, err := bad.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestPresenceIsJudged(t *testing.T) {
	good := PresenceReport{Memory: Memory{Resident: GoalUserBytes}, PresenceCPU: GoalReplicaCPU, RebuildSeconds: GoalRebuild}
	if err := good.Judge(); err != nil {
		t.Errorf("within the goals: %v", err)
	}
	bad := PresenceReport{Rate: 5000, Memory: Memory{Resident: 9999}, PresenceCPU: .99, RebuildSeconds: 9.87}
	err := bad.Judge()
	for _, says := range []string{"9999 bytes", "5000 logins a second take 99%", "9.87 s"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("no %q in: %v", says, err)
		}
	}
}

func TestPresenceReportReads(t *testing.T) {
	r := PresenceReport{
		Users: 100_000, Gateways: 20, Rate: 5000, Memory: Memory{860, 210}, PresenceCPU: .144, RebuildSeconds: 1.5, Seconds: 10,
		CPU: []Spent{{"presence", 1.44}},
	}
	var out strings.Builder
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100000 users on 20 gateways", "0.86 KB resident", "14.4% of a processor", "presence 1.44", "after 1.50 s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if err := r.Write(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("error of a broken writer: %v", err)
	}
}
