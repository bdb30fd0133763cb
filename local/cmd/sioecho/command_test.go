package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"beckon/local/proc"
)

func TestCommandSaysWhereItListens(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var addr string
	var p *proc.Process
	p = proc.New(proc.Spec{Name: "sioecho", Path: self, Args: []string{"-addr", "127.0.0.1:0"}, Ready: func(context.Context) error {
		for line := range strings.Lines(p.Output()) {
			for _, word := range strings.Fields(line) {
				if _, port, err := net.SplitHostPort(word); err == nil && port != "0" {
					addr = word
					return nil
				}
			}
		}
		return errors.New("it has not said where")
	}})
	if err := p.Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	e := &echoServer{times: manners[hasty], mode: "socketio", addr: addr, path: "/socket.io/", process: p} // the mode it has by itself
	e.serves(t)
	client.CloseIdleConnections()
	if err := e.stop(limited(t)); err != nil {
		t.Error(err)
	}
}

func TestCommandRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"an unknown mode":           {[]string{"-mode", "polling"}, "polling"},
		"an unknown flag":           {[]string{"-port", "3000"}, "port"},
		"no address":                {[]string{"-addr", "nowhere"}, "nowhere"},
		"an address that is in use": {[]string{"-addr", engine.addr}, "in use"},
		"more than flags":           {[]string{"-addr", "127.0.0.1:0", "engine"}, "engine"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(limited(t), self, test.args...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
				t.Fatalf("it ended so: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), test.says) {
				t.Errorf("it does not say %q:\n%s", test.says, out)
			}
		})
	}
}

// A server that is told to end closes every session, each in the way of its transport. It never sends a DISCONNECT: clients
// take that for a decision about them, and do not come back.
func TestServerEndsInOrder(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, shared *echoServer) {
		e := own(t, shared.mode, quiet)
		s, ws, upgraded := openPolling(t, e), openWebSocket(t, e), openPolling(t, e)
		s.ready()
		ws.ready()
		upgraded.ready()
		upgraded = probe(t, upgraded)
		upgraded.say(text("5"))
		upgraded.goesOn()
		// A poll may come too late to wait, and then learns nothing but that there is no server.
		poll := waiting(t, s.transport.(*polling).url)
		if err := e.stop(limited(t)); err != nil {
			t.Error(err)
		}
		ws.ends()
		upgraded.ends()
		<-poll.ended
		if poll.err == nil && poll.got.status != http.StatusBadRequest {
			poll.got.is(t, http.StatusOK, "1")
		}
	})
}
