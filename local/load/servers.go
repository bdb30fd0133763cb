package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"beckon/local/proc"
)

// gatewayNames are the names of the gateways, in the order of servers' listen and ops.
var gatewayNames = [2]string{"A", "B"}

// gatewayArgs lift the limits of a session, which load from a few sessions would reach, and let go of sessions at once.
var gatewayArgs = []string{"--rate-frames=1000000", "--rate-bytes=1073741824", "--drain=0s"}

// servers is the system under load: NATS, presence and two gateways, each a process of its own.
type servers struct {
	programs  *proc.Programs
	processes []*proc.Process // in the order of their starts
	relaying  []bool          // whether each of them carries messages; presence does not
	listen    [2]string       // host:port where the gateways take clients
	ops       [2]string       // their ops listeners
}

// startServers builds and starts everything. Call stop.
func startServers(ctx context.Context, presence bool, log *slog.Logger) (_ *servers, err error) {
	log.Info("building the servers")
	programs, err := proc.Build(ctx)
	if err != nil {
		return nil, err
	}
	s := &servers{programs: programs}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(context.WithoutCancel(ctx)))
		}
	}()
	log.Info("starting the servers")
	var addresses [6]string
	for i := range addresses {
		if addresses[i], err = proc.FreeAddress(); err != nil {
			return nil, err
		}
	}
	natsAddress, presenceOps := addresses[0], addresses[1]
	s.listen, s.ops = [2]string(addresses[2:4]), [2]string(addresses[4:6])

	nats, err := programs.NATS(natsAddress)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx, nats, true); err != nil {
		return nil, err
	}
	if presence {
		if err := s.start(ctx, programs.Presence(natsAddress, presenceOps), false); err != nil {
			return nil, err
		}
	}
	for i, name := range gatewayNames {
		spec := programs.Gateway(name, natsAddress, s.listen[i], s.ops[i], gatewayArgs...)
		if !presence { // without which a gateway relays but does not call itself ready
			spec.Ready = proc.Listening(s.listen[i])
		}
		if err := s.start(ctx, spec, true); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *servers) start(ctx context.Context, spec proc.Spec, relaying bool) error {
	p := proc.New(spec)
	if err := p.Start(ctx); err != nil {
		return err
	}
	s.processes, s.relaying = append(s.processes, p), append(s.relaying, relaying)
	return nil
}

// stop ends the servers, the last one first, and removes what was built. Its error tells of those that had ended before,
// too.
func (s *servers) stop(ctx context.Context) error {
	var errs []error
	for _, p := range slices.Backward(s.processes) {
		errs = append(errs, p.Err(), p.Stop(ctx))
	}
	return errors.Join(append(errs, s.programs.Remove())...)
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
