// Load puts load on Beckon's servers, which it builds and starts itself, and says what they took.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"beckon/local/load"
)

// commands is the command line: a command for each kind of load.
type commands struct {
	Relay relay `cmd:"" help:"Relay signals between pairs of clients: what a message costs, and how long it takes."`
}

type relay struct {
	load.Relay `embed:""`

	JSON  string `help:"File for the figures as JSON." type:"path" placeholder:"FILE" name:"json"`
	Judge bool   `help:"Fail if a goal is missed."`
}

// Run is called by kong.
func (r *relay) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	r.Log = log
	report, err := r.Relay.Run(ctx)
	if err != nil {
		return err
	}
	if err := report.Write(stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once, and the kernel the servers
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes of run.
const (
	exitOK     = 0
	exitFailed = 1 // or, with --judge, missed a goal
	exitUsage  = 2
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	done := false // all has been said: --help
	k := kong.Must(&commands{}, kong.Name("load"), kong.Writers(stdout, stderr), kong.Exit(func(int) { done = true }),
		kong.Description("Puts load on Beckon's servers and measures what they take."))
	command, err := k.Parse(args)
	switch {
	case done:
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "load: %s (load --help explains)\n", err)
		return exitUsage
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(stdout, (*io.Writer)(nil))
	if err := command.Run(slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		fmt.Fprintf(stderr, "load: %s\n", err)
		return exitFailed
	}
	return exitOK
}
