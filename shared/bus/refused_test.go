package bus

import (
	"bytes"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"beckon/shared/embednats"
)

// Being refused is a state like any other: nats.go on its own would end the connection at the second refusal.
func TestConnRefused(t *testing.T) {
	s, address := guardedServer(t)
	p := newProxy(t, address)
	var log lockedBuffer
	c := testConn(t, Options{URL: "nats://guest:wrong@" + p.address, Log: slog.New(slog.NewTextHandler(&log, nil))})
	changes := watch(c)
	<-changes
	for range 4 {
		p.awaitConn(t)
	}
	isAway(t, c)
	if got := log.String(); !strings.Contains(got, "Authorization Violation") || strings.Contains(got, "wrong") {
		t.Errorf("the log should tell the reason and no password:\n%s", got)
	}

	s.Shutdown()
	s.WaitForShutdown()
	testServer(t, embednats.Options{Listen: address})
	awaitLink(t, changes, true)
}

// nats.go returns nil for a publish that the server denies, and tells later.
func TestConnLogsDenials(t *testing.T) {
	_, address := guardedServer(t)
	var log lockedBuffer
	c := testConn(t, Options{URL: "nats://guest:right@" + address, Log: slog.New(slog.NewTextHandler(&log, nil))})
	const denials = 10
	for range denials {
		publish(t, c, "secret", "")
	}
	isUp(t, c) // flushes: the denials are here, and in the callbacks' queue
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "Permissions Violation"); n == 0 || n == denials {
		t.Errorf("want a line, and not one for each of %d denials in a row:\n%s", denials, log.String())
	}
}

// guardedServer starts a server that wants a password and lets nobody publish on "secret".
func guardedServer(t *testing.T) (s *server.Server, address string) {
	t.Helper()
	o := &server.Options{
		NoSigs: true, NoLog: true, Host: "127.0.0.1", Port: server.RANDOM_PORT,
		Users: []*server.User{{
			Username: "guest", Password: "right",
			Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"secret"}}},
		}},
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server is not ready")
	}
	return s, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Addr().(*net.TCPAddr).Port))
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
