// Beckon in one process: NATS, presence and a gateway, to try it and to develop against.
package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/lan"
	"beckon/presence"
	"beckon/shared/service"
)

// config is the gateway's for clients, and presence's for NATS.
type config struct {
	service.Config `embed:"" set:"ops=127.0.0.1:9100"`

	Listen    service.Address `help:"Address for clients." default:"127.0.0.1:9000"`
	LAN       bool            `help:"Let phones and others in the same network in: listen for clients on every interface, at the port of --listen, by https with a certificate of our own making."`
	TLSCert   string          `help:"PEM file with a certificate for clients and its chain, in place of one of our own making." type:"path"`
	TLSKey    string          `help:"PEM file with the key of that certificate." type:"path"`
	EmbedNATS service.Address `help:"Address for NATS clients: other gateways, backends, the nats tool." default:"127.0.0.1:4222" name:"embed-nats"`
}

func main() {
	os.Exit(service.Main("beckon", "NATS, presence and a gateway in one process.", run))
}

func run(ctx context.Context, cfg config) error {
	var addresses []netip.Addr
	selfMade := cfg.LAN && cfg.TLSCert == ""
	if cfg.LAN {
		var err error
		if addresses, err = lan.Addresses(); err != nil {
			return fmt.Errorf("--lan: %w", err)
		}
		if selfMade {
			if cfg.TLSCert, err = certificate(addresses); err != nil {
				return fmt.Errorf("--lan: %w", err)
			}
			cfg.TLSKey = cfg.TLSCert // the same file
		}
		_, port, err := net.SplitHostPort(string(cfg.Listen))
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		cfg.Listen = service.Address(":" + port)
	}
	// The stack has a context of its own, so that it can end in order: Close lets the clients go first.
	stack, err := local.Start(context.WithoutCancel(ctx), local.Options{
		Presence: func(p *presence.Config) {
			p.EmbedNATS, p.Ops = cfg.EmbedNATS, ""
		},
		Gateway: func(_ int, g *gateway.Config) {
			g.Listen, g.Ops, g.TLSCert, g.TLSKey = cfg.Listen, cfg.Ops, cfg.TLSCert, cfg.TLSKey
		},
		Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	w := where{
		clients: service.Address(stack.Gateways[0].Listen), nats: stack.Presence.NATS,
		ops: service.Address(stack.Gateways[0].Ops), lan: addresses,
		https: cfg.TLSCert != "", selfMade: selfMade,
	}
	fmt.Print(w.message(isTerminal(os.Stdout)))
	select {
	case <-stack.Ended():
	case <-ctx.Done():
	}
	return stack.Close()
}

// certificate is one for these addresses, of our own making, that outlives this process, so that a phone has to be told but
// once that it is good.
func certificate(addresses []netip.Addr) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the certificate: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // the certificate does without
	}
	return lan.Certificate(filepath.Join(cache, "beckon"), host, addresses)
}

// isTerminal reports whether somebody may look at what is written to f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
