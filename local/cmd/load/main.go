// Load puts load on Beckon's servers, which it builds and starts itself, and says what they took.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"beckon/local/load"
)

// cli is the command line: a command for each kind of load.
type cli struct {
	Relay relay `cmd:"" help:"Relay signals between pairs of clients: what a message costs, and how long it takes."`
}

type relay struct {
	load.Relay `embed:""`

	JSON  string `help:"File for the figures as JSON." type:"path" placeholder:"FILE" name:"json"`
	Judge bool   `help:"Fail if a goal is missed."`
}

// Run is called by kong.
func (r *relay) Run(ctx context.Context, log *slog.Logger) error {
	r.Log = log
	report, err := r.Relay.Run(ctx)
	if err != nil {
		return err
	}
	if err := report.Write(os.Stdout); err != nil {
		return err
	}
	if r.JSON != "" {
		figures, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return fmt.Errorf("write the figures: %w", err)
		}
		if err := os.WriteFile(r.JSON, append(figures, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the figures: %w", err)
		}
	}
	if r.Judge {
		return report.Judge()
	}
	return nil
}

func main() { os.Exit(run()) }

// Exit codes: 1 for a run that failed or, with --judge, missed a goal; 2 for a wrong command line.
func run() int {
	var cli cli
	k := kong.Must(&cli, kong.Name("load"), kong.Description("Puts load on Beckon's servers and measures what they take."))
	command, err := k.Parse(os.Args[1:])
	if err != nil {
		k.Errorf("%s", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once, and the kernel the servers
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(log); err != nil {
		k.Errorf("%s", err)
		return 1
	}
	return 0
}
