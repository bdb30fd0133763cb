package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"beckon/local/proc"
)

// way is how messages go: through which servers, and by which door.
type way struct {
	name     string
	door     *door
	gateways int // 0 for the Node server
}

// ways are all there are.
var ways = []way{
	{"one gateway, native", native, 1},
	{"one gateway, Socket.IO WebSocket", overWebSocket, 1},
	{"one gateway, Socket.IO polling", overPolling, 1},
	{"two gateways, native", native, 2},
	{"two gateways, Socket.IO WebSocket", overWebSocket, 2},
	{"two gateways, Socket.IO polling", overPolling, 2},
	{"Node, Socket.IO WebSocket", overWebSocket, 0},
	{"Node, Socket.IO polling", overPolling, 0},
}

// Only is which ways to measure.
type Only struct {
	Only string `help:"Only those whose name has this text, in letters of either case: node, polling, two gateways." placeholder:"TEXT"`
}

func (o Only) choose(all []way) (chosen []way, err error) {
	for _, w := range all {
		if strings.Contains(strings.ToLower(w.name), strings.ToLower(o.Only)) {
			chosen = append(chosen, w)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("--only: %q is in no name", o.Only)
	}
	return chosen, nil
}

// programs are those that ways need.
type programs struct {
	beckon *proc.Programs // nil if no way needs them
	node   *nodeServer    // nil as well
}

// prepare builds and installs what the ways need. Call remove.
func prepare(ctx context.Context, chosen []way, log *slog.Logger) (p programs, err error) {
	for _, w := range chosen {
		switch {
		case w.gateways == 0 && p.node == nil:
			p.node, err = findNode(ctx, log)
		case w.gateways > 0 && p.beckon == nil:
			p.beckon, err = build(ctx, log)
		}
		if err != nil {
			return programs{}, errors.Join(err, p.remove())
		}
	}
	return p, nil
}

func (p programs) remove() error {
	if p.beckon == nil {
		return nil
	}
	return p.beckon.Remove()
}
