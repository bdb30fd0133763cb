// Beckon in one process: NATS, presence and a gateway, to try it and to develop against.
package main

import (
	"context"
	"fmt"
	"os"

	"beckon/gateway"
	"beckon/local"
	"beckon/presence"
	"beckon/shared/service"
)

// config is the gateway's for clients, and presence's for NATS.
type config struct {
	service.Config `embed:"" set:"ops=127.0.0.1:9100"`

	Listen    service.Address `help:"Address for clients." default:"127.0.0.1:9000"`
	EmbedNATS service.Address `help:"Address for NATS clients: other gateways, backends, the nats tool." default:"127.0.0.1:4222" name:"embed-nats"`
}

func main() {
	os.Exit(service.Main("beckon", "NATS, presence and a gateway in one process.", run))
}

func run(ctx context.Context, cfg config) error {
	// The stack has a context of its own, so that it can end in order: Close lets the clients go first.
	stack, err := local.Start(context.WithoutCancel(ctx), local.Options{
		Presence: func(p *presence.Config) {
			p.EmbedNATS, p.Ops = cfg.EmbedNATS, ""
		},
		Gateway: func(_ int, g *gateway.Config) {
			g.Listen, g.Ops = cfg.Listen, cfg.Ops
		},
		Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	fmt.Printf("\nBeckon is ready.\n\n  clients    ws://%s/ws?user=alice\n  NATS       %s\n  operators  http://%s/readyz\n\n",
		stack.Gateways[0].Listen, stack.Presence.NATS, stack.Gateways[0].Ops)
	select {
	case <-stack.Ended():
	case <-ctx.Done():
	}
	return stack.Close()
}
