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

func TestStorm(t *testing.T) {
	const users, full = 60, 40
	profiles := t.TempDir()
	report, err := Storm{
		Users: []int{users}, Full: full, Concurrency: 20, Timeout: 30 * time.Second, Profile: profiles, Log: slog.New(slog.DiscardHandler),
	}.run(t.Context(), testPrograms(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Storms) != 2 || report.Storms[0].Users != users || report.Storms[1].Users != full || !report.Storms[1].Full {
		t.Fatalf("%+v", report)
	}
	for _, s := range report.Storms {
		if s.Seconds <= 0 || s.Seconds < s.LoginSeconds || s.LoginsPerSecond <= 0 {
			t.Errorf("%d users: %v s, logged in after %v, %v a second", s.Users, s.Seconds, s.LoginSeconds, s.LoginsPerSecond)
		}
		// Each user's id reaches each client, and each client has a welcome and a list at least.
		if n := int64(s.Users); s.Bytes < n*n*int64(len(`"user-0000"`)) || s.Lists < n || s.Frames < s.Lists+n {
			t.Errorf("%d users: %d bytes, %d frames, %d lists", s.Users, s.Bytes, s.Frames, s.Lists)
		}
		if len(s.CPU) != 4 || s.CPU[2].Process != "gateway A" || s.Memory.Resident == 0 {
			t.Errorf("%d users: %+v, %+v", s.Users, s.CPU, s.Memory)
		}
	}
	for _, name := range []string{"storm-60", "full-storm-40"} {
		if info, err := os.Stat(filepath.Join(profiles, name+".cpu.pprof")); err != nil || info.Size() == 0 {
			t.Errorf("no profile: %v", err)
		}
	}
}

func TestStormEndsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	log := slog.New(&trigger{message: "logging in", fire: func() { cancel(enough) }})
	report, err := Storm{Users: []int{5000}, Concurrency: 10, Timeout: time.Minute, Log: log}.run(ctx, testPrograms(t))
	if !errors.Is(err, enough) {
		t.Errorf("%v, %v", report, err)
	}
}

func TestStormRefusesWhatItCannotDo(t *testing.T) {
	good := Storm{Users: []int{1}, Concurrency: 1, Timeout: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for flag, change := range map[string]func(*Storm){
		"--users: 15001":       func(s *Storm) { s.Users = []int{1, mostUsers + 1} },
		"--users: 0":           func(s *Storm) { s.Users = []int{0} },
		"--users: 11 storms":   func(s *Storm) { s.Users = make([]int, 11) },
		"--users: no storm":    func(s *Storm) { s.Users = nil },
		"--full: -1":           func(s *Storm) { s.Full = -1 },
		"--concurrency: 1001":  func(s *Storm) { s.Concurrency = mostConcurrency + 1 },
		"--timeout: 10m0.001s": func(s *Storm) { s.Timeout = mostStormTimeout + time.Millisecond },
	} {
		bad := good
		change(&bad)
		if _, err := bad.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestStormIsJudged(t *testing.T) {
	good := StormReport{Storms: []Surge{
		{Users: 1000, Seconds: .5, Bytes: 15e6},
		{Users: 10_000, Seconds: 5, Bytes: 1.5e9},
		{Users: 1000, Full: true, Seconds: 60, Bytes: 1e12},
		{Users: 500, Seconds: 60, Bytes: 1e12}, // without goals
	}}
	if err := good.Judge(); err != nil {
		t.Errorf("within the goals: %v", err)
	}
	bad := StormReport{Storms: []Surge{{Users: 1000, Seconds: .51, Bytes: 15e6 + 1e5}, {Users: 10_000, Seconds: 5.01, Bytes: 1.6e9}}}
	err := bad.Judge()
	for _, says := range []string{"1000 users took 0.51 s, more than 0.5", "15.1 MB, more than 15", "5.01 s", "1600.0 MB, more than 1500"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("no %q in: %v", says, err)
		}
	}
}

func TestStormReportReads(t *testing.T) {
	r := StormReport{Concurrency: 7, Storms: []Surge{
		{
			Users: 1000, Seconds: .31, LoginSeconds: .25, LoginsPerSecond: 4000, Bytes: 12_400_000, Frames: 2001, Lists: 1001,
			CPU: []Spent{{"NATS", .01}, {"gateway A", .21}}, Memory: Memory{20_000, 15_000}, Others: .04,
		},
		{Users: 10, Full: true},
	}}
	var out strings.Builder
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"7 at a time", "1000 users, changes", "after 0.31 s", "4000 logins a second", "12.4 MB in 2001 frames", "gateway A 0.21",
		"others 4%", "20.00 KB resident, 15.00 KB live", "10 users, whole lists", "9.9 s and 7.7 GB",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if err := r.Write(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("error of a broken writer: %v", err)
	}
}
