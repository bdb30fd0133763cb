// Package readme proves the README: every command in it is run here, or is one that something else runs.
package readme

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
