package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"beckon/local/proc"
)

// lab is a network of its own, a switch with machines at it, all of them network namespaces: what happens in there
// reaches nothing else.
type lab struct {
	t        *testing.T
	name     string // its namespaces' names begin so
	own      *os.File
	machines int
}

// labs counts those of this process.
var labs atomic.Int32

// newLab makes a lab that is gone when the test has ended. Where this process may not do so the test is skipped; in CI it fails.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, name: fmt.Sprintf("beckon-%d-%d", os.Getpid(), labs.Add(1))}
	var err error
	if l.own, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		l.impossible(err)
	}
	t.Cleanup(func() { _ = l.own.Close() }) // only opened
	if err := l.namespace("switch"); err != nil {
		l.impossible(err)
	}
	l.build("switch", "link", "add", "name", "bridge", "type", "bridge")
	l.build("switch", "link", "set", "bridge", "up")
	return l
}

func (l *lab) impossible(err error) {
	l.t.Helper()
	if os.Getenv("CI") != "" {
		l.t.Fatalf("no network namespaces here, which CI must have: %v", err)
	}
	l.t.Skipf("no network namespaces here: %v", err)
}

// namespace adds one, and removes it when the test has ended.
func (l *lab) namespace(name string) error {
	full := l.name + "-" + name
	if err := run("ip", "netns", "add", full); err != nil {
		return err
	}
	l.t.Cleanup(func() {
		if err := run("ip", "netns", "delete", full); err != nil {
			l.t.Error(err)
		}
	})
	return nil
}

// build runs the program ip in a namespace, for what this machine may not be able to do.
func (l *lab) build(namespace string, args ...string) {
	l.t.Helper()
	if err := l.ip(namespace, args...); err != nil {
		l.impossible(err)
	}
}

func (l *lab) ip(namespace string, args ...string) error {
	return run("ip", append([]string{"-n", l.name + "-" + namespace}, args...)...)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// machine is a namespace with a cable to the switch.
type machine struct {
	*site
	lab  *lab
	port string // of the switch, at the cable's end
	file *os.File
}

// machine adds one.
func (l *lab) machine(name string) *machine {
	l.t.Helper()
	if err := l.namespace(name); err != nil {
		l.t.Fatal(err)
	}
	full := l.name + "-" + name
	file, err := os.Open(filepath.Join("/run/netns", full))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = file.Close() }) // only opened
	l.machines++
	m := &machine{lab: l, port: fmt.Sprintf("port%d", l.machines), file: file}
	host := fmt.Sprintf("10.20.0.%d", l.machines)
	l.build("switch", "link", "add", m.port, "type", "veth", "peer", "name", "eth0", "netns", full)
	l.build("switch", "link", "set", m.port, "master", "bridge")
	l.build(name, "link", "set", "lo", "up")
	l.build(name, "address", "add", host+"/24", "dev", "eth0")
	l.build(name, "link", "set", "eth0", "up")
	m.site = &site{
		t: l.t, host: host, dial: m.dial,
		programs: programs.In(proc.Place{Command: []string{"ip", "netns", "exec", full}, Dialer: m.dial}),
	}
	if err := m.plug(); err != nil {
		l.t.Fatal(err)
	}
	return m
}

// unplug pulls the machine's cable out of the switch: neither end learns more than that there is no carrier.
func (m *machine) unplug() error { return m.lab.ip("switch", "link", "set", m.port, "down") }

// plug puts the cable back.
func (m *machine) plug() error { return m.lab.ip("switch", "link", "set", m.port, "up") }

// dial makes a connection within the machine. A socket belongs to the network of the thread that makes it, wherever it is
// used later, so a thread enters for that time.
//
// It comes back, because if it ended instead it might be one that has started processes, which the kernel would kill with
// it (see package proc).
func (m *machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	made := make(chan result, 1) // one place for the only one, so that nobody waits in there
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(m.file.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			made <- result{nil, fmt.Errorf("enter %s: %w", m.file.Name(), err)}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if back := unix.Setns(int(m.lab.own.Fd()), unix.CLONE_NEWNET); back != nil {
			made <- result{conn, fmt.Errorf("leave %s: %w", m.file.Name(), back)}
			return // still locked, so the thread ends: nobody else may run in there
		}
		runtime.UnlockOSThread()
		made <- result{conn, err}
	}()
	r := <-made
	if r.err != nil && r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
	return r.conn, r.err
}
