package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	var good, bad, draining Health
	good.Required("nats", func() error { return nil })
	good.Optional("hub", func() error { return errors.New("no link") })
	bad.Required("nats", func() error { return errors.New("not connected") })
	bad.Required("presence", func() error { return errors.New("not heard") })
	bad.Vital("bus", func() error { return errors.New("closed\nfor ever") })
	bad.Optional("hub", func() error { return errors.New("no link") })
	draining.Drain()
	for name, test := range map[string]struct {
		health *Health
		code   int
		stderr string
	}{
		"ready":     {&good, 0, ""},
		"not ready": {&bad, 1, "imagined: not ready; bus: closed; for ever; nats: not connected; presence: not heard\n"},
		"draining":  {&draining, 1, "imagined: not ready; draining: the service is about to end\n"},
	} {
		t.Run(name, func(t *testing.T) {
			address := startOps(t, test.health).Addr()
			check := func(o outcome) {
				t.Helper()
				if o.code != test.code || o.stderr != test.stderr || o.stdout != "" || o.cfg != nil {
					t.Errorf("exit %d, stdout %q, stderr %q, run: %v", o.code, o.stdout, o.stderr, o.cfg != nil)
				}
			}
			check(runArgs(t, "--probe", "--ops="+address))
			t.Setenv("BECKON_OPS", address)
			check(runArgs(t, "--probe"))
		})
	}
}

// A service that is told to listen everywhere is asked where this machine reaches it.
func TestProbeLocal(t *testing.T) {
	_, port, err := net.SplitHostPort(startOps(t, &Health{}).Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"0.0.0.0", "[::]", "localhost"} {
		if o := runArgs(t, "--probe", "--ops="+host+":"+port); o.code != 0 {
			t.Errorf("%s: exit %d, %s", host, o.code, o.stderr)
		}
	}
}

func TestLocal(t *testing.T) {
	for listens, want := range map[Address]Address{
		"0.0.0.0:1":         "127.0.0.1:1",
		"[::]:1":            "127.0.0.1:1",
		"[0:0::0]:1":        "127.0.0.1:1",
		":1":                "127.0.0.1:1",
		"[::1]:1":           "[::1]:1",
		"192.0.2.1:1":       "192.0.2.1:1",
		"ops.example:1":     "ops.example:1",
		"[fe80::1%eth0]:1":  "[fe80::1%eth0]:1",
		"what nobody parse": "what nobody parse",
	} {
		if got := listens.Local(); got != want {
			t.Errorf("%s: %s, want %s", listens, got, want)
		}
	}
}

func TestProbeFails(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, test := range map[string]struct{ ops, want string }{
		"nobody listens":           {strings.TrimPrefix(gone.URL, "http://"), "connection refused"},
		"something else listens":   {strings.TrimPrefix(other.URL, "http://"), "/readyz: status 404 and no report"},
		"there is no ops listener": {"", "see --ops"},
	} {
		t.Run(name, func(t *testing.T) {
			o := runArgs(t, "--probe", "--ops="+test.ops)
			if o.code != 1 || o.cfg != nil || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, test.want) {
				t.Errorf("exit %d, %q, want %q", o.code, o.stderr, test.want)
			}
		})
	}
}

// A variable must not turn a service that shall run into one that only looks.
func TestProbeIsNoVariable(t *testing.T) {
	t.Setenv("BECKON_PROBE", "true")
	if o := runArgs(t); o.code != 0 || o.cfg == nil {
		t.Errorf("exit %d, run: %v", o.code, o.cfg != nil)
	}
}

// A service that hangs is not ready.
func TestProbeIsBounded(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts for it, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	begun := time.Now()
	err = probe(t.Context(), Address(silent.Addr().String()))
	if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took < probeTimeout || took > patience {
		t.Errorf("%v after %v", err, took)
	}
}
