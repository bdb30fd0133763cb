// Package chaos breaks a running Beckon, each service a process of its own, and measures what its users notice.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/local/client"
	"beckon/local/proc"
)

// patience bounds every wait that has no bound of its own.
const patience = 60 * time.Second

// programs are built once for all tests.
var programs *proc.Programs

func TestMain(m *testing.M) {
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
	os.Exit(code)
}

// system is NATS, presence and two gateways, each a process.
type system struct {
	nats, presence *proc.Process
	gateways       [2]*proc.Process
	addresses      [2]string // of the gateways, for clients
}

func start(t *testing.T) *system {
	t.Helper()
	ctx := limited(t)
	address := func() string {
		a, err := proc.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	run := func(spec proc.Spec) *proc.Process {
		p := proc.New(spec)
		t.Cleanup(func() {
			p.Kill()
			if t.Failed() {
				t.Logf("%s said:\n%s", p.Name(), p.Output())
			}
		})
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		return p
	}
	nats := address()
	spec, err := programs.NATS(nats)
	if err != nil {
		t.Fatal(err)
	}
	s := &system{nats: run(spec)}
	s.presence = run(programs.Presence(nats, address()))
	for i := range s.gateways {
		s.addresses[i] = address()
		s.gateways[i] = run(programs.Gateway(fmt.Sprintf("gw-%d", i), nats, s.addresses[i], address()))
	}
	return s
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// crowd logs n users in, every other one on each gateway, and waits until each sees all.
func (s *system) crowd(t *testing.T, n int) []*client.Client {
	t.Helper()
	clients := make([]*client.Client, n)
	var all sync.WaitGroup
	ctx := limited(t)
	errs := make([]error, n)
	for i := range n {
		all.Go(func() {
			clients[i], errs[i] = client.Dial(ctx, client.Options{Address: s.addresses[i%2], User: fmt.Sprintf("user-%03d", i)})
		})
	}
	all.Wait()
	t.Cleanup(func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	everybody(t, clients, n)
	return clients
}

// everybody waits until each client's list has n users.
func everybody(t *testing.T, clients []*client.Client, n int) {
	t.Helper()
	ctx := limited(t)
	for _, c := range clients {
		if err := c.AwaitList(ctx, func(l client.List) bool { return len(l.Users) == n }); err != nil {
			t.Fatalf("%s: want %d users: %v", c.Welcome.UserID, n, err)
		}
	}
}

// nobodyLeft fails if any user ever left any client's list.
func nobodyLeft(t *testing.T, clients []*client.Client) {
	t.Helper()
	for _, c := range clients {
		if l := c.List(); len(l.Left) > 0 {
			t.Errorf("%s saw %d users leave: %.200q", c.Welcome.UserID, len(l.Left), l.Left)
		}
	}
}

// connected fails if a client has been disconnected.
func connected(t *testing.T, clients []*client.Client) {
	t.Helper()
	for _, c := range clients {
		if f, err := c.Ask(limited(t), "sync", nil); err != nil || f.Event != "ack" {
			t.Errorf("%s is not served: %s %v", c.Welcome.UserID, f.Data, err)
		}
	}
}

// signal sends a message and says what became of it, and after how long.
func signal(t *testing.T, from *client.Client, to string) (outcome string, took time.Duration) {
	t.Helper()
	began := time.Now()
	outcome, err := from.Outcome(limited(t), "message", map[string]any{"to": to, "data": "hello"})
	if err != nil {
		t.Fatal(err)
	}
	return outcome, time.Since(began)
}
