package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"beckon/local/proc"
)

// layout says which servers there are besides NATS.
type layout struct {
	presence bool
	gateways []string // their names
	args     []string // of each gateway
}

// servers is the system under load: NATS, presence and gateways, each a process of its own; or the Node server, see node.go.
type servers struct {
	processes   []*proc.Process // in the order of their starts
	relaying    []bool          // whether each of them carries messages; presence does not
	nats        string          // host:port for NATS clients
	presence    *proc.Process   // nil if there is none
	presenceOps string          // its ops listener
	listen      []string        // host:port where clients are taken, of gateways in the order of the layout
	ops         []string        // their ops listeners
}

// build builds the servers. Remove what it gives.
func build(ctx context.Context, log *slog.Logger) (*proc.Programs, error) {
	log.Info("building the servers")
	return proc.Build(ctx)
}

// startServers starts everything. Call stop.
func startServers(ctx context.Context, programs *proc.Programs, l layout, log *slog.Logger) (_ *servers, err error) {
	s := &servers{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(context.WithoutCancel(ctx)))
		}
	}()
	log.Info("starting the servers")
	addresses := make([]string, 2+2*len(l.gateways))
	for i := range addresses {
		if addresses[i], err = proc.FreeAddress(); err != nil {
			return nil, err
		}
	}
	s.nats, s.presenceOps = addresses[0], addresses[1]
	s.listen, s.ops = addresses[2:2+len(l.gateways)], addresses[2+len(l.gateways):]

	nats, err := programs.NATS(s.nats)
	if err != nil {
		return nil, err
	}
	if _, err := s.start(ctx, nats, true); err != nil {
		return nil, err
	}
	if l.presence {
		if s.presence, err = s.start(ctx, programs.Presence(s.nats, s.presenceOps), false); err != nil {
			return nil, err
		}
	}
	for i, name := range l.gateways {
		spec := programs.Gateway(name, s.nats, s.listen[i], s.ops[i], l.args...)
		if !l.presence { // without which a gateway relays but does not call itself ready
			spec.Ready = proc.Listening(s.listen[i])
		}
		if _, err := s.start(ctx, spec, true); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *servers) start(ctx context.Context, spec proc.Spec, relaying bool) (*proc.Process, error) {
	p := proc.New(spec)
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	s.processes, s.relaying = append(s.processes, p), append(s.relaying, relaying)
	return p, nil
}

// ends are where the two sides of a pair meet: the same twice if there is one server for clients.
func (s *servers) ends() [2]string { return [...]string{s.listen[0], s.listen[len(s.listen)-1]} }

// stop ends the servers, the last one first. Its error tells of those that had ended before, too.
func (s *servers) stop(ctx context.Context) error {
	var errs []error
	for _, p := range slices.Backward(s.processes) {
		errs = append(errs, p.Err(), p.Stop(ctx))
	}
	return errors.Join(errs...)
}

// finish stops the servers after a run that ended with err, which is told with what they have said unless the run was
// told to end.
func (s *servers) finish(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == nil {
		err = fmt.Errorf("%w\nthe servers' last words:\n%s", err, s.said())
	}
	return errors.Join(err, s.stop(context.WithoutCancel(ctx)))
}

// said is the end of what each server has written, for whoever looks into a failure.
func (s *servers) said() string {
	var b strings.Builder
	for _, p := range s.processes {
		fmt.Fprintf(&b, "--- %s\n%s", p.Name(), p.Output())
	}
	return b.String()
}

// reading is what has been used up to some moment.
type reading struct {
	at      time.Time
	cpu     []time.Duration // of each process of servers and, last, of this one
	machine time.Duration   // of all processes on this machine
}

func (s *servers) read() (r reading, err error) {
	r.at = time.Now()
	if r.machine, err = proc.MachineCPU(); err != nil {
		return reading{}, err
	}
	for _, p := range s.processes {
		used, err := p.CPU()
		if err != nil {
			return reading{}, err
		}
		r.cpu = append(r.cpu, used)
	}
	own, err := proc.CPU(os.Getpid())
	if err != nil {
		return reading{}, err
	}
	r.cpu = append(r.cpu, own)
	return r, nil
}

// Spent is the processor time of one process.
type Spent struct {
	Process string  `json:"process"`
	Seconds float64 `json:"seconds"`
}

// generator is the name of this process in reports.
const generator = "load generator"

// spent is what each process has used between two readings, this one last, and what share of the machine's processors
// others have.
func (s *servers) spent(from, to reading) (each []Spent, others float64) {
	rest := to.machine - from.machine
	for i := range to.cpu {
		used := to.cpu[i] - from.cpu[i]
		rest -= used
		name := generator
		if i < len(s.processes) {
			name = s.processes[i].Name()
		}
		each = append(each, Spent{name, used.Seconds()})
	}
	return each, max(0, rest.Seconds()/to.at.Sub(from.at).Seconds()/float64(runtime.NumCPU()))
}
