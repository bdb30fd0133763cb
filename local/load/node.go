package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"

	"beckon/local/npm"
	"beckon/local/proc"
)

// nodeServer is the common Node server with its packages installed.
type nodeServer struct {
	node   string // the path of Node.js
	script string
}

// findNode installs what the server needs. Like [proc.Build] it must be called somewhere in the workspace.
func findNode(ctx context.Context, log *slog.Logger) (*nodeServer, error) {
	log.Info("installing the Node server")
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("find Node.js, which the server for comparison runs in: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "beckon/local/load")
	var said bytes.Buffer
	cmd.Stderr = &said
	dir, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("find the Node server: %w\n%s", err, said.Bytes())
	}
	folder := filepath.Join(string(bytes.TrimSpace(dir)), "node")
	if err := npm.Install(ctx, folder); err != nil {
		return nil, err
	}
	return &nodeServer{node: node, script: filepath.Join(folder, "server.js")}, nil
}

// start starts the server with more arguments, those of Node.js itself first. Call stop on what it gives.
func (n *nodeServer) start(ctx context.Context, log *slog.Logger, forNode []string, forScript ...string) (*servers, error) {
	log.Info("starting the Node server")
	addr, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &servers{listen: []string{addr}}
	args := append(append(forNode, n.script, addr), forScript...)
	_, err = s.start(ctx, proc.Spec{Name: "Node", Path: n.node, Args: args, Ready: proc.Listening(addr)}, true)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// memoryOfNode collects the server's garbage, and looks.
func memoryOfNode(ctx context.Context, addr string) (memory, error) {
	var raw []byte
	for range 2 { // what a collection frees is given back behind its back
		var err error
		if raw, err = get(ctx, "http://"+addr+"/memory"); err != nil {
			return memory{}, fmt.Errorf("measure memory: %w", err)
		}
	}
	var m struct{ Resident, Live float64 }
	err := json.Unmarshal(raw, &m)
	if err == nil && (m.Resident <= 0 || m.Live <= 0) {
		err = errors.New("no figures")
	}
	if err != nil {
		return memory{}, fmt.Errorf("measure memory: %.200q: %w", raw, err)
	}
	return memory{m.Resident, m.Live}, nil
}
