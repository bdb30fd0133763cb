package gateway

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/shared/service"
)

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 30 * time.Second

// asMain makes this program a gateway's main that only says what it was told.
const asMain = "GATEWAY_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		os.Exit(service.Main("gateway", "Says what it was told.", func(_ context.Context, cfg Config) error {
			cfg.Log = nil
			_, err := fmt.Printf("%+v\n", cfg)
			return err
		}))
	}
	goleak.VerifyTestMain(m)
}
