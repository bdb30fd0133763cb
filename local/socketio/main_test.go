// Package socketio tells stories of the gateway's Socket.IO door whose clients are the real ones: npm's socket.io-client in
// Node.js, moved by driver.js, against the whole system.
package socketio

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/local"
)

// patience bounds every wait. It is no expectation: those are in the tests.
const patience = 40 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := servers.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs a stack for a test. Its log is part of the test's output.
func start(t *testing.T, o local.Options) *local.Stack {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	stack, err := local.Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return stack
}

// mode is a way for a client to connect.
type mode struct {
	name       string
	transports []string // that the client is told; nil for its default
	uses       []string // transports, one after the other
}

var modes = []mode{
	{name: "polling, then upgraded", uses: []string{"polling", "websocket"}},
	{name: "WebSocket", transports: []string{"websocket"}, uses: []string{"websocket"}},
	{name: "polling", transports: []string{"polling"}, uses: []string{"polling"}},
}

// each plays a story with clients of every mode, one after the other against one stack.
func each(t *testing.T, o local.Options, story func(t *testing.T, d *driver, stack *local.Stack)) {
	t.Helper()
	t.Parallel()
	stack := start(t, o)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { story(t, drive(t, m), stack) })
	}
}

type object = map[string]any
