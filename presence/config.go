package presence

import (
	"cmp"
	"errors"
	"fmt"

	"beckon/shared/bus"
	"beckon/shared/service"
)

// Config is what a replica of presence is told, by flags or by the environment.
type Config struct {
	service.Config `embed:"" set:"ops=127.0.0.1:9101"`

	NATS          string          `help:"URL of NATS, or several separated by commas; nats://127.0.0.1:4222 unless told otherwise." xor:"nats" name:"nats" placeholder:"URL"`
	NATSCreds     string          `help:"NATS credentials file." type:"path" name:"nats-creds"`
	EmbedNATS     service.Address `help:"Run NATS inside this process, with this address for its clients, the gateways." xor:"nats" name:"embed-nats" placeholder:"HOST:PORT"`
	EmbedNATSLeaf service.Address `help:"Address for gateways at the edge, which run a leaf of the NATS inside this process. Needs --embed-nats." name:"embed-nats-leaf" placeholder:"HOST:PORT"`

	// OnReady is told where everything listens, once it does. The view is not complete then.
	OnReady func(Addresses) `kong:"-"`
}

// Addresses tell where a replica can be found, with the ports that port 0 has become.
type Addresses struct {
	View string // the replica's name in NATS subjects
	Ops  string // host:port; empty if there is no such listener
	NATS string // the URL for NATS clients
	Leaf string // the URL for NATS leaf nodes; empty if there is no such listener
}

// natsURL is where the NATS is that others run. The flag has no default, or it could never be left out for --embed-nats.
func (c *Config) natsURL() string { return cmp.Or(c.NATS, "nats://127.0.0.1:4222") }

// Validate says what is wrong with a configuration; flags are checked by it before Run is.
func (c *Config) Validate() error {
	if c.EmbedNATS != "" {
		if c.NATSCreds != "" {
			return errors.New("--nats-creds are for a NATS elsewhere, not for --embed-nats")
		}
		return nil
	}
	if c.EmbedNATSLeaf != "" {
		return errors.New("--embed-nats-leaf needs --embed-nats")
	}
	if err := bus.CheckURL(c.natsURL()); err != nil {
		return fmt.Errorf("--nats: %w", err)
	}
	return nil
}
