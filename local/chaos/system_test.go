package chaos

import (
	"fmt"
	"net"
	"regexp"
	"testing"

	"beckon/local/client"
	"beckon/local/proc"
)

// site is a place where processes run, with the NATS that they use.
type site struct {
	t        *testing.T
	programs *proc.Programs
	host     string           // their listeners' address
	dial     proc.DialContext // reaches them; nil if they share this process' network
	nats     *proc.Process
	natsAt   string
}

// here is a site on this machine's own network, its NATS running.
func here(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, programs: programs, host: "127.0.0.1"}
	s.startNATS()
	return s
}

// address is host:port for a listener.
func (s *site) address() string {
	s.t.Helper()
	a, err := proc.FreeAddress()
	if err != nil {
		s.t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(a)
	if err != nil {
		s.t.Fatal(err)
	}
	return net.JoinHostPort(s.host, port)
}

// run starts a process that ends with the test.
func (s *site) run(spec proc.Spec) *proc.Process {
	s.t.Helper()
	p := proc.New(spec)
	s.t.Cleanup(func() {
		p.Kill()
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", p.Name(), p.Output())
		}
	})
	if err := p.Start(limited(s.t)); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// startNATS starts the site's NATS, with that configuration besides the usual.
func (s *site) startNATS(more ...string) {
	s.t.Helper()
	s.natsAt = s.address()
	spec, err := s.programs.NATS(s.natsAt, append(natsTempo, more...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.nats = s.run(spec)
}

// natsTempo is how NATS is to be set up for Beckon: who died without a word is known in six seconds.
var natsTempo = []string{
	"ping_interval: 2s", "ping_max: 2", "write_deadline: 5s", "no_fast_producer_stall: true",
}

// presence starts a replica.
func (s *site) presence() *proc.Process {
	s.t.Helper()
	return s.run(s.programs.Presence(s.natsAt, s.address()))
}

// gateway is one that runs, or did.
type gateway struct {
	*proc.Process
	site    *site
	name    string
	address string // for clients
}

// gateway starts a gateway.
func (s *site) gateway(name string, args ...string) *gateway {
	s.t.Helper()
	g := &gateway{site: s, name: name, address: s.address()}
	g.Process = s.run(s.programs.Gateway(name, s.natsAt, g.address, s.address(), args...))
	return g
}

// gateways starts n of them.
func (s *site) gateways(n int, args ...string) []*gateway {
	s.t.Helper()
	all := make([]*gateway, n)
	for i := range all {
		all[i] = s.gateway(fmt.Sprintf("gw-%d", i), args...)
	}
	return all
}

// options are those of a client of that gateway.
func (g *gateway) options(user string) client.Options {
	return client.Options{Address: g.address, User: user, Dial: g.site.dial}
}

// again starts a process that ran before.
func (s *site) again(p *proc.Process) {
	s.t.Helper()
	if err := p.Start(limited(s.t)); err != nil {
		s.t.Fatal(err)
	}
}

// What the services' logs say of views.
var (
	ownView   = regexp.MustCompile(`msg="presence started".* view=(\S+)`)
	otherView = regexp.MustCompile(`msg="following a view".* view=(\S+)`)
)

// view is the last that a process has named so in its log.
func view(t *testing.T, p *proc.Process, names *regexp.Regexp) string {
	t.Helper()
	all := names.FindAllStringSubmatch(p.Output(), -1)
	if len(all) == 0 {
		t.Fatalf("%s names no view in its log:\n%s", p.Name(), p.Output())
	}
	return all[len(all)-1][1]
}
