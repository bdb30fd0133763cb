package local

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/gateway"
	"beckon/local/client"
	"beckon/local/proc"
	"beckon/presence"
	"beckon/shared/service"
)

// patience bounds every wait.
const patience = 30 * time.Second

func TestStackLeavesNothing(t *testing.T) {
	for name, o := range map[string]Options{
		"on NATS":               {Gateways: 2},
		"at the edge":           {Gateways: 2, Edge: true},
		"as small as it can be": {},
	} {
		t.Run(name, func(t *testing.T) {
			o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			o.Gateway = func(_ int, cfg *gateway.Config) { cfg.Drain = 100 * time.Millisecond }
			stack, err := Start(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if want := max(o.Gateways, 1); len(stack.Gateways) != want {
				t.Errorf("%d gateways, want %d", len(stack.Gateways), want)
			}
			addresses := []string{strings.TrimPrefix(stack.Presence.NATS, "nats://"), stack.Presence.Ops}
			var clients []*client.Client
			for _, g := range stack.Gateways {
				clients = append(clients, login(t, g.Listen))
				addresses = append(addresses, g.Listen, g.Ops)
			}
			select {
			case <-stack.Ended():
				t.Error("a service has ended that nobody told to")
			default:
			}
			if err := stack.Close(); err != nil {
				t.Error(err)
			}
			select {
			case <-stack.Ended():
			default:
				t.Error("the stack has not ended")
			}
			for _, c := range clients {
				c.Close()
			}
			nobodyListens(t, addresses...)
			goleak.VerifyNone(t)
			if err := stack.Close(); err != nil {
				t.Errorf("closed again: %v", err)
			}
		})
	}
}

func TestStackThatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := func() string {
		a, err := proc.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	nats, first := address(), address()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		o    Options
		want []string // of the error, which is one line
	}{
		"a gateway's port is taken": {
			ctx: t.Context(),
			o: Options{
				Gateways: 2,
				Presence: func(cfg *presence.Config) { cfg.EmbedNATS = service.Address(nats) },
				Gateway: func(i int, cfg *gateway.Config) {
					cfg.Listen = service.Address([]string{first, taken.Addr().String()}[i])
				},
			},
			want: []string{"gateway 1: listen for clients: ", taken.Addr().String(), "address already in use"},
		},
		"the port of NATS is taken": {
			ctx:  t.Context(),
			o:    Options{Presence: func(cfg *presence.Config) { cfg.EmbedNATS = service.Address(taken.Addr().String()) }},
			want: []string{"presence: start NATS server: ", taken.Addr().String(), "address already in use"},
		},
		"a bad flag": {
			ctx:  t.Context(),
			o:    Options{Gateway: func(_ int, cfg *gateway.Config) { cfg.Name = "a.b" }},
			want: []string{"gateway 0: --name: "},
		},
		"there is no time": {
			ctx:  over,
			want: []string{"presence", "context canceled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			stack, err := Start(tc.ctx, tc.o)
			if stack != nil || err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("stack %v, error %q; want none and one line", stack, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			nobodyListens(t, nats, first)
			goleak.VerifyNone(t)
		})
	}
}

// The end of the context is the end of the stack.
func TestStackEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stack, err := Start(ctx, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-stack.Ended():
	case <-time.After(patience):
		t.Error("nothing ends")
	}
	if err := stack.Close(); err != nil {
		t.Error(err)
	}
}

func login(t *testing.T, address string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func nobodyListens(t *testing.T, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		if conn, err := net.DialTimeout("tcp", a, patience); err == nil {
			t.Errorf("somebody still listens on %s", a)
			conn.Close()
		}
	}
}
