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
	Storm storm `cmd:"" help:"Let users log in to one room as fast as a gateway takes them: the time until all hold all, and the bytes."`

	Presence presence `cmd:"" help:"Tell a replica of presence of many users: its memory, its processor time, and how soon it is back after kill -9."`
}

type relay struct {
	load.Relay `embed:""`
	output     `embed:""`
}

type storm struct {
	load.Storm `embed:""`
	output     `embed:""`
}

type presence struct {
	load.Presence `embed:""`
	output        `embed:""`
}

// Run is called by kong.
func (r *relay) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	r.Log = log
	report, err := r.Relay.Run(ctx)
	if err != nil {
		return err
	}
	return r.say(report, stdout)
}

// Run is called by kong.
func (s *storm) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	s.Log = log
	report, err := s.Storm.Run(ctx)
	if err != nil {
		return err
	}
	return s.say(report, stdout)
}

// Run is called by kong.
func (p *presence) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	p.Log = log
	report, err := p.Presence.Run(ctx)
	if err != nil {
		return err
	}
	return p.say(report, stdout)
}

// output is what every command does with its figures.
type output struct {
	JSON  string `help:"File for the figures as JSON." type:"path" placeholder:"FILE" name:"json"`
	Judge bool   `help:"Fail if a goal is missed."`
}

// report is what a load measured.
type report interface {
	Write(io.Writer) error
	Judge() error
}

func (o *output) say(r report, stdout io.Writer) error {
	if err := r.Write(stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if o.JSON != "" {
		figures, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("write the figures: %w", err)
		}
		if err := os.WriteFile(o.JSON, append(figures, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the figures: %w", err)
		}
	}
	if o.Judge {
		return r.Judge()
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
