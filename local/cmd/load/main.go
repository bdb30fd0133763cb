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
	Relay    relay    `cmd:"" help:"Relay signals between pairs of clients: what a message costs, and how long it takes."`
	Doors    doors    `cmd:"" help:"Relay the same calls through every door, and through the common Node server: costs and latencies side by side."`
	Sessions sessions `cmd:"" help:"Log many sessions in through every door, and to the common Node server: the memory that each takes."`
	Storm    storm    `cmd:"" help:"Let users log in to one room as fast as a gateway takes them: the time until all hold all, and the bytes."`

	Presence presence `cmd:"" help:"Tell a replica of presence of many users: its memory, its processor time, and how soon it is back after kill -9."`
}

type relay struct {
	load.Relay `embed:""`
	output     `embed:""`
}

type doors struct {
	load.Doors `embed:""`
	figures    `embed:""`
}

type sessions struct {
	load.Sessions `embed:""`
	figures       `embed:""`
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
func (d *doors) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	d.Log = log
	report, err := d.Doors.Run(ctx)
	if err != nil {
		return err
	}
	return d.say(report, stdout)
}

// Run is called by kong.
func (s *sessions) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	s.Log = log
	report, err := s.Sessions.Run(ctx)
	if err != nil {
		return err
	}
	return s.say(report, stdout)
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

// figures is what every command does with its figures.
type figures struct {
	JSON string `help:"File for the figures as JSON." type:"path" placeholder:"FILE" name:"json"`
}

// report is what a load measured.
type report interface{ Write(io.Writer) error }

func (f *figures) say(r report, stdout io.Writer) error {
	if err := r.Write(stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if f.JSON == "" {
		return nil
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(f.JSON, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// output is figures for which there are goals.
type output struct {
	figures `embed:""`
	Judge   bool `help:"Fail if a goal is missed."`
}

// judged is a report that knows its goals.
type judged interface {
	report
	Judge() error
}

func (o *output) say(r judged, stdout io.Writer) error {
	if err := o.figures.say(r, stdout); err != nil || !o.Judge {
		return err
	}
	return r.Judge()
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
