package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"beckon/gateway/ice"
	"beckon/gateway/origin"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/service"
	"beckon/shared/wire"
)

// Config is what a gateway is told, by flags or by the environment.
type Config struct {
	service.Config `embed:"" set:"ops=127.0.0.1:9100"`

	Listen  service.Address `help:"Address for clients." default:"127.0.0.1:9000"`
	TLSCert string          `help:"PEM file with the certificate for clients and its chain, if they come by https and wss. What replaces it is taken within a second." type:"path"`
	TLSKey  string          `help:"PEM file with the key of that certificate." type:"path"`
	Name    string          `help:"Name of this gateway in NATS subjects, unique among all gateways: up to 64 of A-Z, a-z, 0-9, _ and -. Random if empty."`

	NATS      string   `help:"URL of NATS, or several separated by commas; nats://127.0.0.1:4222 unless told otherwise." xor:"nats" name:"nats" placeholder:"URL"`
	NATSCreds string   `help:"NATS credentials file." type:"path" name:"nats-creds"`
	Leaf      []string `help:"Run NATS inside this process, as a leaf of the hub at this URL (nats-leaf://host:7422), for a gateway at the edge. Several for several servers of one hub." xor:"nats"`
	LeafCreds string   `help:"NATS credentials file for the hub." type:"path"`
	LeafCA    string   `help:"PEM file of the authorities to trust for the hub." type:"path"`

	Origins    origin.Rules `help:"Origins, besides this gateway's own and this machine's, whose pages may connect, separated by commas; * for all."`
	ICEServers ice.Servers  `help:"STUN and TURN servers for clients: STUN URLs separated by commas, or a JSON array as RTCConfiguration.iceServers has it."`

	Page bool `help:"Serve the page at /, where people meet and call each other." default:"true" negatable:""`

	SocketIO bool `help:"Serve clients of Socket.IO 4 at /socket.io/." name:"socketio" default:"true" negatable:""`

	MaxSessions    int `help:"Sessions this gateway takes." default:"50000"`
	MaxHandshakes  int `help:"Connections, and clients of Socket.IO, that one address may have before they are sessions." default:"1000"`
	RateFrames     int `help:"Frames that one session may send a second; twice as many in a burst." default:"1000"`
	RateBytes      int `help:"Bytes that one session may send a second; twice as many in a burst." default:"4194304"`
	RoomListLimit  int `help:"Users of whom a room sends its list. With more it sends their number, and clients page." default:"5000"`
	UserlistBudget int `help:"Bytes of whole user lists to send a second, in all; the first list of each session does not count." default:"16777216"`

	Drain time.Duration `help:"Time over which to spread closing the sockets when told to stop, at most 7s." default:"5s"`

	// OnReady is told where the gateway listens, once it does.
	OnReady func(Addresses) `kong:"-"`
}

// Addresses are host:port, with the ports that port 0 has become.
type Addresses struct {
	Name   string // the gateway's
	Listen string
	Ops    string // empty if there is none
}

// mostDrain leaves time for the rest of the way out, within the ten seconds that service managers tend to give.
const mostDrain = 7 * time.Second

// natsURL is where the NATS is that others run. The flag has no default, or it could never be left out for --leaf.
func (c *Config) natsURL() string { return cmp.Or(c.NATS, "nats://127.0.0.1:4222") }

// mostOfAnything keeps the multiples of a bound that are made from it in range.
const mostOfAnything = 1 << 30

// Validate says what is wrong with a configuration; flags are checked by it before Run is.
func (c *Config) Validate() error {
	if c.Name != "" {
		if err := wire.CheckName(c.Name); err != nil {
			return fmt.Errorf("--name: %w", err)
		}
	}
	if len(c.Leaf) == 0 {
		if err := bus.CheckURL(c.natsURL()); err != nil {
			return fmt.Errorf("--nats: %w", err)
		}
	}
	for _, hub := range c.Leaf {
		if _, err := embednats.ParseHub(hub); err != nil {
			return fmt.Errorf("--leaf: %w", err)
		}
	}
	if c.Listen == "" {
		return fmt.Errorf("--listen: must not be empty")
	}
	switch {
	case c.TLSKey == "" && c.TLSCert != "":
		return errors.New("--tls-cert: needs --tls-key, too")
	case c.TLSCert == "" && c.TLSKey != "":
		return errors.New("--tls-key: needs --tls-cert, too")
	}
	if c.Drain < 0 || c.Drain > mostDrain {
		return fmt.Errorf("--drain: %v is not between 0s and %v", c.Drain, mostDrain)
	}
	for _, bound := range []struct {
		flag         string
		value, least int
	}{
		{"--max-sessions", c.MaxSessions, 1},
		{"--max-handshakes", c.MaxHandshakes, 1},
		{"--rate-frames", c.RateFrames, 1},
		{"--rate-bytes", c.RateBytes, wire.MaxFrame}, // or the longest frame could never pass
		{"--room-list-limit", c.RoomListLimit, 0},
		{"--userlist-budget", c.UserlistBudget, 1 << 10},
	} {
		if bound.value < bound.least || bound.value > mostOfAnything {
			return fmt.Errorf("%s: %d is not between %d and %d", bound.flag, bound.value, bound.least, mostOfAnything)
		}
	}
	return nil
}
