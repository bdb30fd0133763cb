// Package chaos breaks a running Beckon, each service a process of its own, and measures what its users notice.
//
// Every row of the table that a run ends with is a test. What must never happen is judged always. Sizes are small and
// times may be three times as long, unless the environment says BECKON_CHAOS=judge, as make chaos does.
package chaos

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/local/proc"
)

// patience bounds every wait that has no bound of its own.
const patience = 60 * time.Second

// judging is set when the figures are what the run is about.
var judging = os.Getenv("BECKON_CHAOS") == "judge"

// sized is the one number when figures are judged, and otherwise the other.
func sized[T any](judged, small T) T {
	if judging {
		return judged
	}
	return small
}

// bound is what a time may be that is to be at most d.
func bound(d time.Duration) time.Duration { return sized(d, 3*d) }

// programs are built once for all tests.
var programs *proc.Programs

func TestMain(m *testing.M) {
	if mode := os.Getenv("BECKON_CHAOS"); mode != "" && !judging {
		fmt.Fprintf(os.Stderr, "BECKON_CHAOS=%q: want judge, or nothing\n", mode)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var err error
	if programs, err = proc.Build(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := programs.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	printTable(os.Stdout)
	os.Exit(code)
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// pass lets time pass where that is the fault, or what the fault takes, and nothing can be heard that would say when it is
// over.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
