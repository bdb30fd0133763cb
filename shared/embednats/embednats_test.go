package embednats

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 20 * time.Second

func TestInProcessOnly(t *testing.T) {
	s := start(t, Options{})
	if s.ClientURL() != "" || s.LeafURL() != "" {
		t.Errorf("listens without having been told: %q, %q", s.ClientURL(), s.LeafURL())
	}
	if s.HubLinked() {
		t.Error("linked to a hub, without one")
	}
	nc := connect(t, "", nats.InProcessServer(s))
	if got := nc.MaxPayload(); got != 128<<10 {
		t.Errorf("largest message %d bytes, want %d", got, 128<<10)
	}
	delivers(t, nc, nc)
}

func TestListen(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0"})
	outside := connect(t, s.ClientURL())
	inside := connect(t, "", nats.InProcessServer(s))
	delivers(t, outside, inside)
	delivers(t, inside, outside)
}

func TestAddressTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, o := range map[string]Options{
		"clients": {Listen: l.Addr().String()},
		"leaves":  {LeafListen: l.Addr().String()},
	} {
		t.Run(name, func(t *testing.T) {
			o.Name, o.Log = "test", slog.New(slog.DiscardHandler)
			_, err := Start(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), "address already in use") {
				t.Errorf("got %v, want the reason", err)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hub := []string{"nats-leaf://127.0.0.1:7422"}
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no port":           {Options{Listen: "127.0.0.1"}, "missing port"},
		"no host":           {Options{Listen: ":4222"}, "host missing"},
		"port not a number": {Options{LeafListen: "127.0.0.1:nats"}, "not between 0 and 65535"},
		"scheme":            {Options{Hubs: []string{"http://u:secret@hub"}}, `scheme "http"`},
		"no hub host":       {Options{Hubs: []string{"nats-leaf://"}}, "host missing"},
		"hub port":          {Options{Hubs: []string{"nats-leaf://hub:0"}}, "not between 1 and 65535"},
		"hub no URL":        {Options{Hubs: []string{"nats-leaf://u:secret@ho st"}}, "invalid character"},
		"no credentials":    {Options{Hubs: hub, HubCreds: "/nonexistent"}, "no such file"},
		"no authorities":    {Options{Hubs: hub, HubCA: "/nonexistent"}, "no such file"},
		"empty authorities": {Options{Hubs: hub, HubCA: empty}, "no certificate"},
		"name":              {Options{Name: "two words"}, "spaces"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Log = slog.New(slog.DiscardHandler)
			_, err := Start(t.Context(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestStartAfterDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, Options{Name: "test", Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// The process' owner decides what a signal means; nats-server on its own would exit.
func TestTakesNoSignals(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGTERM)
	defer signal.Stop(got)
	s := start(t, Options{})
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-got:
	case <-time.After(patience):
		t.Fatal("the signal did not come")
	}
	nc := connect(t, "", nats.InProcessServer(s))
	delivers(t, nc, nc)
}

func TestShutdownEndsConnections(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0"})
	closed := make(chan struct{})
	nc, err := nats.Connect(s.ClientURL(), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the client is still connected")
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a server that has ended still makes connections")
	}
}

func TestLogsThroughSlog(t *testing.T) {
	var out lockedBuffer
	s := start(t, Options{
		Listen: "127.0.0.1:0",
		Log:    slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	nc := connect(t, s.ClientURL())
	if err := nc.Publish("subject", []byte("payload that nobody may log")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "component=nats") || !strings.Contains(got, s.ClientURL()) {
		t.Errorf("the server did not introduce itself:\n%s", got)
	}
	if got := out.String(); strings.Contains(got, "payload") {
		t.Errorf("a payload was logged:\n%s", got)
	}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Name == "" {
		o.Name = "test"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// delivers asks through from until to answers: interest needs a moment to reach other servers.
func delivers(t *testing.T, from, to *nats.Conn) {
	t.Helper()
	subject := nats.NewInbox()
	sub, err := to.Subscribe(subject, func(m *nats.Msg) {
		if err := m.Respond(m.Data); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sub.Unsubscribe(); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "an answer", func() bool {
		m, err := from.Request(subject, []byte("ping"), time.Second)
		return err == nil && string(m.Data) == "ping"
	})
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %s", what, patience)
		}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
