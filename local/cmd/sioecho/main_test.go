package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/local/proc"
)

// What the protocols' documents ask of a server under test.
const (
	pingInterval   = 300 * time.Millisecond
	pingTimeout    = 200 * time.Millisecond
	maxPayload     = 1_000_000
	connectTimeout = time.Second
)

// patience bounds every wait. It is no expectation: those are in the tests.
const patience = 30 * time.Second

// asMain makes this program the echo server itself, race detector included.
const asMain = "SIOECHO_TEST_AS_MAIN"

// A hasty server is as the documents ask. The others' manner is their first argument.
const (
	hasty   = ""
	patient = "patient" // waits for its clients
	quiet   = "quiet"   // is patient and, for as long, sends no ping: a poll is answered by what the test is about
)

// times are what a server's manner is made of.
type times struct{ pingInterval, pingTimeout, connectTimeout time.Duration }

var manners = map[string]times{
	hasty:   {pingInterval, pingTimeout, connectTimeout},
	patient: {pingInterval, patience, patience},
	quiet:   {patience, patience, patience},
}

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		if len(os.Args) > 1 && (os.Args[1] == patient || os.Args[1] == quiet) {
			have := manners[os.Args[1]]
			os.Args = slices.Delete(os.Args, 1, 2)
			options.PingInterval, options.PingTimeout, connectTime = have.pingInterval, have.pingTimeout, have.connectTimeout
		}
		if err := serveInsides(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		main()
		return
	}
	goleak.VerifyTestMain(withServers{m})
}

// The servers that the tests share, each a process of its own: a black box. Those that are as the documents ask have 200 ms
// for a pong, and so have the tests of such times. All others have patient servers: no machine is too slow for what they are
// about. Those that know the whole answer of a poll have quiet ones: on a slow machine it might be a ping.
var engine, socketio, hastyEngine, hastySocketio, quietEngine, quietSocketio *echoServer

// withServers are the tests between the servers' start and their end, which must be in order.
type withServers struct{ m *testing.M }

// Run implements goleak.TestingM.
func (w withServers) Run() (code int) {
	for name, value := range map[string]string{asMain: "1", "GORACE": os.Getenv("GORACE") + " atexit_sleep_ms=50"} { // not a second at each end
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	for _, s := range []struct {
		server **echoServer
		mode   string
		manner string
	}{
		{&engine, "engine", patient},
		{&socketio, "socketio", patient},
		{&hastyEngine, "engine", hasty},
		{&hastySocketio, "socketio", hasty},
		{&quietEngine, "engine", quiet},
		{&quietSocketio, "socketio", quiet},
	} {
		e, err := startEcho(context.Background(), s.mode, s.manner)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		*s.server = e
		defer func() {
			if err := e.stop(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}()
	}
	ctx, stop := context.WithCancel(context.Background())
	pulse := make(chan struct{})
	go func() {
		defer close(pulse)
		feelPulse(ctx)
	}()
	defer func() {
		stop()
		<-pulse
		client.CloseIdleConnections()
	}()
	return w.m.Run()
}

// echoServer is a running echo server.
type echoServer struct {
	times
	mode    string
	addr    string
	path    string
	inside  string // the URL of its insides
	process *proc.Process
}

func startEcho(ctx context.Context, mode, manner string) (*echoServer, error) {
	addr, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-addr", addr, "-mode", mode}
	if manner != hasty {
		args = slices.Insert(args, 0, manner)
	}
	p := proc.New(proc.Spec{Name: "sioecho " + mode, Path: self, Args: args, Ready: proc.Listening(addr)})
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(p.Output(), insidePrefix)
	inside, _, _ := strings.Cut(rest, "\n")
	path := map[string]string{"engine": "/engine.io/", "socketio": "/socket.io/"}[mode]
	return &echoServer{manners[manner], mode, addr, path, inside, p}, nil
}

// stop ends the server, which must go without complaint: no panic (net/http survives them, and writes them down) and no race
// on its way here, and exit status 0.
func (e *echoServer) stop(ctx context.Context) error {
	if err := e.process.Stop(ctx); err != nil {
		return err
	}
	for _, bad := range []string{"panic", "DATA RACE"} {
		if out := e.process.Output(); strings.Contains(out, bad) {
			return fmt.Errorf("%s wrote of a %s:\n%s", e.process.Name(), bad, out)
		}
	}
	return nil
}

// own is a server for one test only.
func own(t testing.TB, mode, manner string) *echoServer {
	t.Helper()
	e, err := startEcho(t.Context(), mode, manner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := e.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// both runs a test against either server: Socket.IO's is an Engine.IO server as well.
func both(t *testing.T, test func(t *testing.T, e *echoServer)) {
	t.Helper()
	onThese(t, test, engine, socketio)
}

// inHaste is both, as the documents ask.
func inHaste(t *testing.T, test func(t *testing.T, e *echoServer)) {
	t.Helper()
	onThese(t, test, hastyEngine, hastySocketio)
}

// inQuiet is both, without a ping.
func inQuiet(t *testing.T, test func(t *testing.T, e *echoServer)) {
	t.Helper()
	onThese(t, test, quietEngine, quietSocketio)
}

func onThese(t *testing.T, test func(t *testing.T, e *echoServer), servers ...*echoServer) {
	t.Helper()
	for _, e := range servers {
		t.Run(e.mode, func(t *testing.T) { test(t, e) })
	}
}

// url is the server's with a query.
func (e *echoServer) url(query string) string { return "http://" + e.addr + e.path + "?" + query }

func limited(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until waits for a point in time, where that is what the protocol is about.
func until(t testing.TB, when time.Time) {
	t.Helper()
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-limited(t).Done():
		t.Fatal("out of patience")
	}
}

// client is the one HTTP client of all tests. It shows what is on the wire.
var client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32}}
