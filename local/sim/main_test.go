package sim

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // schedules leave much behind, and little lives long
	goleak.VerifyTestMain(m)
}
