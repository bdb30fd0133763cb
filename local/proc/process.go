// Package proc runs programs as processes of their own, the servers of Beckon above all, so that what they cost can be
// measured and what happens when one dies, hangs or comes back can be seen.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second // a gateway may take ten seconds
	pauseTimeout = 5 * time.Second  // the kernel takes milliseconds
	readyEvery   = 20 * time.Millisecond
	// outputDelay is how long a pipe may stay open after its process has ended, held by a child of that process.
	outputDelay = time.Second
)

// Spec says what to run. Addresses belong in Args with their ports, so that the process has them again after a restart.
type Spec struct {
	Name string // in errors and reports
	Path string // of the executable
	Args []string
	// Ready returns nil once the process serves. It is called again and again, with a bounded context.
	Ready func(context.Context) error
}

// Process is a program that is started, ended and started again. Its methods are for one goroutine at a time; only what
// Ended returns may be watched by others. The process never outlives this one (on Linux, whatever ends this one), and
// does not share its terminal's interrupts.
type Process struct {
	spec   Spec
	cmd    *exec.Cmd // nil before the first start
	output tail
	ended  chan struct{} // of the latest start; closed when the process is gone
	status error         // of its end; read it after ended is closed
}

// New makes a Process that does not run yet.
func New(spec Spec) *Process { return &Process{spec: spec} }

// Name is the Spec's.
func (p *Process) Name() string { return p.spec.Name }

// Start runs the program and waits until it is ready, for 30 seconds at most. After an error it does not run.
func (p *Process) Start(ctx context.Context) error {
	if p.Running() {
		return fmt.Errorf("start %s: it is running", p.spec.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.WaitDelay = outputDelay
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() {
		p.status = cmd.Wait()
		close(ended)
	}()
	if err := p.awaitReady(ctx); err != nil {
		p.Kill()
		return fmt.Errorf("start %s: %w%s", p.spec.Name, err, p.lastWords())
	}
	return nil
}

func (p *Process) awaitReady(ctx context.Context) error {
	err := poll(ctx, p.spec.Ready, p.ended)
	if errors.Is(err, errEnded) {
		return fmt.Errorf("it ended: %w", p.exit())
	}
	return err
}

// Stop asks the process to end (SIGTERM), and kills it if it has not within 15 seconds or when ctx ends. The error says
// how it ended if that was not with status 0. A process that does not run is fine.
func (p *Process) Stop(ctx context.Context) error {
	if !p.Running() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // a paused process sees no other signal
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %s: killed: %w%s", p.spec.Name, context.Cause(ctx), p.lastWords())
	}
	if p.status != nil {
		return fmt.Errorf("stop %s: %w%s", p.spec.Name, p.status, p.lastWords())
	}
	return nil
}

// Kill ends the process as kill -9 does, paused or not, and waits until it is gone. A process that does not run is fine.
func (p *Process) Kill() {
	if p.Running() {
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

// Pause stops the process in its tracks (SIGSTOP) and waits until it stands: its sockets stay open and it answers nothing.
// See [Process.Resume].
func (p *Process) Pause() error {
	if err := p.command(syscall.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), pauseTimeout)
	defer cancel()
	err := poll(ctx, func(context.Context) error {
		if ok, err := stopped(p.cmd.Process.Pid); err != nil || ok {
			return err
		}
		return errors.New("it still runs")
	}, p.ended)
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.spec.Name, err)
	}
	return nil
}

// Resume lets a paused process go on (SIGCONT).
func (p *Process) Resume() error { return p.command(syscall.SIGCONT) }

func (p *Process) command(sig syscall.Signal) error {
	if !p.Running() {
		return fmt.Errorf("signal %s to %s: it does not run", sig, p.spec.Name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s to %s: %w", sig, p.spec.Name, err)
	}
	return nil
}

// signal is for ends: a process that is gone already is what it wants.
func (p *Process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// Running reports that the process has been started and has not ended.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Ended is closed when the process that Start started last has ended, for whatever reason. Call it after Start.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says how the process ended, with the end of its output; nil while it runs and before its first start.
func (p *Process) Err() error {
	if p.cmd == nil || p.Running() {
		return nil
	}
	return fmt.Errorf("%s ended: %w%s", p.spec.Name, p.exit(), p.lastWords())
}

// exit is how the process ended, which it must have.
func (p *Process) exit() error {
	if p.status == nil {
		return errors.New("exit status 0")
	}
	return p.status
}

// Output is the end of what the process has written to standard output and standard error, over all its starts.
func (p *Process) Output() string { return p.output.String() }

func (p *Process) lastWords() string {
	if said := p.Output(); said != "" {
		return "; its last words:\n" + said
	}
	return "; it said nothing"
}

// CPU is the processor time that the process, which must be running, has used since it was started, in user mode and
// in the kernel.
func (p *Process) CPU() (time.Duration, error) {
	if !p.Running() {
		return 0, fmt.Errorf("CPU time of %s: it does not run", p.spec.Name)
	}
	return CPU(p.cmd.Process.Pid)
}

// environment is ours without what would configure the servers.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BECKON_") })
}
