package chaos

import (
	"testing"

	"beckon/local/client"
	"beckon/local/proc"
)

// The two services start in either order, the gateway with its NATS elsewhere or, at the edge, inside. The gateway's
// readiness says what is missing until the other is there.
func TestStartInEitherOrder(t *testing.T) {
	address := func() string {
		a, err := proc.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	nats, leaves := address(), address()
	hub := proc.New(programs.Hub(nats, leaves, address()))
	for _, tc := range []struct {
		name string
		spec func(listen, ops string) proc.Spec
	}{
		{"near", func(listen, ops string) proc.Spec { return programs.Gateway("near", nats, listen, ops) }},
		{"edge", func(listen, ops string) proc.Spec { return programs.Edge("edge", leaves, listen, ops) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Cleanup(hub.Kill)
			listen, ops := address(), address()
			spec := tc.spec(listen, ops)
			ready := spec.Ready
			spec.Ready = proc.Listening(ops) // it cannot be ready yet
			gateway := proc.New(spec)
			t.Cleanup(gateway.Kill)
			if err := gateway.Start(limited(t)); err != nil {
				t.Fatal(err)
			}
			if err := ready(limited(t)); err == nil {
				t.Error("the gateway is ready without NATS and presence")
			} else {
				t.Logf("without presence: %v", err)
			}

			if err := hub.Start(limited(t)); err != nil {
				t.Fatal(err)
			}
			if err := proc.Await(limited(t), ready); err != nil {
				t.Fatal(err)
			}
			alice, err := client.Dial(limited(t), client.Options{Address: listen, User: "alice"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(alice.Close)
			if err := alice.AwaitUsers(limited(t), client.NewSet("alice")); err != nil {
				t.Fatal(err)
			}
			if outcome, _ := signal(t, &member{Client: alice, user: "alice"}, "nobody"); outcome != "offline" {
				t.Errorf("a signal to nobody: %s", outcome)
			}
			if err := gateway.Stop(limited(t)); err != nil {
				t.Error(err)
			}
		})
	}
}
