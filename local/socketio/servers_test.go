package socketio

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"beckon/local/proc"
)

// servers are the programs, built when the first test needs them.
var servers builder

type builder struct {
	once sync.Once
	all  *proc.Programs // nil if it failed
	err  error
}

// buildTimeout is for a machine that has nothing of them yet.
const buildTimeout = 10 * time.Minute

func (b *builder) built(t *testing.T) *proc.Programs {
	t.Helper()
	b.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
		defer cancel()
		b.all, b.err = proc.Build(ctx)
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.all
}

func (b *builder) remove() error {
	if b.all == nil {
		return nil
	}
	return b.all.Remove()
}

// run starts a process that ends with the test.
func run(t *testing.T, spec proc.Spec) *proc.Process {
	t.Helper()
	p := proc.New(spec)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.Name(), p.Output())
		}
	})
	if err := p.Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

func address(t *testing.T) string {
	t.Helper()
	a, err := proc.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// system is NATS inside presence, and gateways with these arguments, each a process of its own. The addresses are where the
// gateways serve clients.
func system(t *testing.T, gateways int, args ...string) (processes []*proc.Process, addresses []string) {
	t.Helper()
	programs, nats := servers.built(t), address(t)
	run(t, programs.Hub(nats, address(t), address(t)))
	for i := range gateways {
		addresses = append(addresses, address(t))
		processes = append(processes, run(t, programs.Gateway(fmt.Sprintf("gw-%d", i), nats, addresses[i], address(t), args...)))
	}
	return processes, addresses
}
