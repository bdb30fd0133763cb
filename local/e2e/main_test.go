// Package e2e tells Beckon's stories from socket to socket: each file is a chapter of docs/protocol.md, played against the
// whole system in this process, with real sockets and an embedded NATS.
package e2e

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/local"
	"beckon/local/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait. It is no expectation: those are in the tests.
const patience = 60 * time.Second

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

// dial logs in to the ith gateway. The client is closed before the stack is.
func dial(t *testing.T, stack *local.Stack, i int, o client.Options) *client.Client {
	t.Helper()
	o.Address = stack.Gateways[i].Listen
	c, err := client.Dial(limited(t), o)
	if err != nil {
		t.Fatalf("log in as %q: %v", o.User, err)
	}
	t.Cleanup(c.Close)
	return c
}

// outcome sends a signal and checks what becomes of it.
func outcome(t *testing.T, c *client.Client, event string, data any, want string) {
	t.Helper()
	got, err := c.Outcome(limited(t), event, data)
	if err != nil || got != want {
		t.Fatalf("%s %v: outcome %q, error %v, want %q", event, data, got, err, want)
	}
}

// event waits for an event.
func event(t *testing.T, c *client.Client, name string) client.Frame {
	t.Helper()
	f, err := c.Event(limited(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shows waits until a client's list has exactly these users, in this order.
func shows(t *testing.T, c *client.Client, users ...string) {
	t.Helper()
	err := c.AwaitList(limited(t), func(l client.List) bool { return slices.Equal(l.Users, users) })
	if err != nil {
		t.Fatalf("%s: want %q: %v", c.Welcome.UserID, users, err)
	}
}

// sorted is for what comes in no particular order.
func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

type object = map[string]any
