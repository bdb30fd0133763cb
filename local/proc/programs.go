package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"beckon/shared/embednats"
)

// Programs are the servers of the system, built from the source at hand.
type Programs struct{ dir string }

// Build builds gateway, presence and nats-server into a new directory; see [Programs.Remove]. It must be called
// somewhere in the workspace, whose go command decides what is built.
func Build(ctx context.Context) (_ *Programs, err error) {
	dir, err := os.MkdirTemp("", "beckon-")
	if err != nil {
		return nil, fmt.Errorf("build the servers: %w", err)
	}
	p := &Programs{dir}
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

// NATS is a nats-server that serves clients on addr.
func (p *Programs) NATS(addr string) (Spec, error) {
	file, err := os.CreateTemp(p.dir, "nats-*.conf")
	if err != nil {
		return Spec{}, fmt.Errorf("configure nats-server: %w", err)
	}
	_, err = fmt.Fprintf(file, "listen: %q\nmax_payload: %d\n", addr, embednats.MaxPayload)
	if err := errors.Join(err, file.Close()); err != nil {
		return Spec{}, fmt.Errorf("configure nats-server: %w", err)
	}
	return Spec{
		Name: "NATS", Path: filepath.Join(p.dir, "nats-server"), Args: []string{"--config", file.Name()},
		Ready: Listening(addr),
	}, nil
}

// Presence is a replica of presence. nats is host:port of NATS, ops that of the replica's ops listener.
func (p *Programs) Presence(nats, ops string, args ...string) Spec {
	return Spec{
		Name: "presence", Path: filepath.Join(p.dir, "presence"),
		Args:  append([]string{"--nats", "nats://" + nats, "--ops", ops}, args...),
		Ready: OK("http://" + ops + "/readyz"),
	}
}

// Gateway is a gateway of that name. nats is host:port of NATS, listen that of the gateway's listener for clients, ops
// that of its ops listener. It is ready when it has heard presence.
func (p *Programs) Gateway(name, nats, listen, ops string, args ...string) Spec {
	return Spec{
		Name: "gateway " + name, Path: filepath.Join(p.dir, "gateway"),
		Args:  append([]string{"--name", name, "--nats", "nats://" + nats, "--listen", listen, "--ops", ops}, args...),
		Ready: OK("http://" + ops + "/readyz"),
	}
}

// Hub is a replica of presence that runs NATS inside: nats and leaves are host:port for its clients and for leaf nodes.
func (p *Programs) Hub(nats, leaves, ops string) Spec {
	return Spec{
		Name: "hub", Path: filepath.Join(p.dir, "presence"),
		Args:  []string{"--embed-nats", nats, "--embed-nats-leaf", leaves, "--ops", ops},
		Ready: OK("http://" + ops + "/readyz"),
	}
}

// Edge is a gateway with NATS inside, a leaf of the hub whose leaf nodes connect to hub, host:port. It is ready when it
// has heard presence.
func (p *Programs) Edge(name, hub, listen, ops string) Spec {
	return Spec{
		Name: "edge " + name, Path: filepath.Join(p.dir, "gateway"),
		Args:  []string{"--name", name, "--leaf", "nats-leaf://" + hub, "--listen", listen, "--ops", ops},
		Ready: OK("http://" + ops + "/readyz"),
	}
}
