package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"beckon/shared/embednats"
)

// Programs are the servers of the system, built from the source at hand.
type Programs struct {
	dir   string
	place Place
}

// Place is where programs run, if it is not where this process does: a network of their own.
type Place struct {
	Command []string    // that enters the place and there becomes the program behind it, such as ip netns exec NAME
	Dialer  DialContext // reaches the place's network from here
}

// In are the same programs elsewhere. Addresses are then those of that network. Remove them where they were built.
func (p *Programs) In(place Place) *Programs { return &Programs{p.dir, place} }

// spec is that of one of the programs.
func (p *Programs) spec(name, program string, ready func(context.Context) error, args ...string) Spec {
	command := slices.Concat(p.place.Command, []string{filepath.Join(p.dir, program)}, args)
	return Spec{Name: name, Path: command[0], Args: command[1:], Ready: ready}
}

func (p *Programs) ready(ops string) func(context.Context) error {
	return OKOver(p.place.Dialer, "http://"+ops+"/readyz")
}

// Build builds gateway, presence and nats-server into a new directory; see [Programs.Remove]. It must be called
// somewhere in the workspace, whose go command decides what is built.
func Build(ctx context.Context) (_ *Programs, err error) {
	dir, err := os.MkdirTemp("", "beckon-")
	if err != nil {
		return nil, fmt.Errorf("build the servers: %w", err)
	}
	p := &Programs{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Remove())
		}
	}()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator),
		"beckon/gateway/cmd/gateway", "beckon/presence/cmd/presence", "github.com/nats-io/nats-server/v2")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build the servers: %w\n%s", err, output.Bytes())
	}
	return p, nil
}

// Remove deletes the executables.
func (p *Programs) Remove() error {
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("remove the servers: %w", err)
	}
	return nil
}

// NATS is a nats-server that serves clients on addr. more is configuration besides that and the longest payload.
func (p *Programs) NATS(addr string, more ...string) (Spec, error) {
	file, err := os.CreateTemp(p.dir, "nats-*.conf")
	if err != nil {
		return Spec{}, fmt.Errorf("configure nats-server: %w", err)
	}
	_, err = fmt.Fprintf(file, "listen: %q\nmax_payload: %d\n%s\n", addr, embednats.MaxPayload, strings.Join(more, "\n"))
	if err := errors.Join(err, file.Close()); err != nil {
		return Spec{}, fmt.Errorf("configure nats-server: %w", err)
	}
	return p.spec("NATS", "nats-server", ListeningOver(p.place.Dialer, addr), "--config", file.Name()), nil
}

// Presence is a replica of presence. nats is host:port of NATS, ops that of the replica's ops listener.
func (p *Programs) Presence(nats, ops string, args ...string) Spec {
	return p.spec("presence", "presence", p.ready(ops), append([]string{"--nats", "nats://" + nats, "--ops", ops}, args...)...)
}

// Gateway is a gateway of that name. nats is host:port of NATS, listen that of the gateway's listener for clients, ops
// that of its ops listener. It is ready when it has heard presence.
func (p *Programs) Gateway(name, nats, listen, ops string, args ...string) Spec {
	return p.spec("gateway "+name, "gateway", p.ready(ops),
		append([]string{"--name", name, "--nats", "nats://" + nats, "--listen", listen, "--ops", ops}, args...)...)
}

// Hub is a replica of presence that runs NATS inside: nats and leaves are host:port for its clients and for leaf nodes.
func (p *Programs) Hub(nats, leaves, ops string) Spec {
	return p.spec("hub", "presence", p.ready(ops), "--embed-nats", nats, "--embed-nats-leaf", leaves, "--ops", ops)
}

// Edge is a gateway with NATS inside, a leaf of the hub whose leaf nodes connect to hub, host:port. It is ready when it
// has heard presence.
func (p *Programs) Edge(name, hub, listen, ops string, args ...string) Spec {
	return p.spec("edge "+name, "gateway", p.ready(ops),
		append([]string{"--name", name, "--leaf", "nats-leaf://" + hub, "--listen", listen, "--ops", ops}, args...)...)
}
