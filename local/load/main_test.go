package load

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"beckon/local/proc"
)

// servers built by the first test that needs them, for all that do not build their own.
var built struct {
	sync.Mutex
	programs *proc.Programs
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built.programs != nil {
			_ = built.programs.Remove()
		}
		os.Exit(code)
	}))
}

func testPrograms(t *testing.T) *proc.Programs {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.programs == nil {
		programs, err := build(context.WithoutCancel(t.Context()), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		built.programs = programs
	}
	return built.programs
}
