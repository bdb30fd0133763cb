package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"beckon/shared/embednats"
)

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 20 * time.Second

// Services start in either order.
func TestConnBeforeItsServer(t *testing.T) {
	address := freeAddress(t)
	c := testConn(t, Options{URL: "nats://" + address})
	changes := watch(c)
	isAway(t, c)
	if up := <-changes; up {
		t.Error("the watcher was told that there is a link")
	}
	sub, err := c.NATS().SubscribeSync("subject")
	if err != nil {
		t.Fatal(err)
	}

	testServer(t, embednats.Options{Listen: address})
	awaitLink(t, changes, true)
	isUp(t, c)
	if got := metric(t, c, "beckon_nats_reconnects_total"); got != 0 {
		t.Errorf("%v reconnects, although the first link is not one", got)
	}
	publish(t, c, "subject", "now")
	receives(t, sub, "now")
}

func TestConnOutlivesItsServer(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	address := strings.TrimPrefix(server.ClientURL(), "nats://")
	c := testConn(t, Options{URL: server.ClientURL()})
	changes := watch(c)
	if up := <-changes; !up {
		t.Fatal("no link, although the server was there")
	}
	isUp(t, c)
	sub, err := c.NATS().SubscribeSync("subject")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, c, "subject", "before")
	receives(t, sub, "before")

	for restart := range 2 {
		stopServer(t, server)
		awaitLink(t, changes, false)
		isAway(t, c)
		if err := c.NATS().Publish("subject", []byte("while away")); err == nil {
			t.Error("nats.go keeps messages to send them late")
		}

		server = testServer(t, embednats.Options{Listen: address})
		awaitLink(t, changes, true)
		isUp(t, c)
		// What isAway tried to publish would come first, if anybody had kept it.
		publish(t, c, "subject", "after")
		receives(t, sub, "after")
		if got, want := metric(t, c, "beckon_nats_reconnects_total"), float64(restart+1); got != want {
			t.Errorf("%v reconnects, want %v", got, want)
		}
	}
	select {
	case <-c.Broken():
		t.Error("called broken")
	default:
	}
}

func TestConnInProcess(t *testing.T) {
	server := testServer(t, embednats.Options{})
	c := testConn(t, Options{InProcess: server, URL: "not used"})
	isUp(t, c)
	sub, err := c.NATS().SubscribeSync("subject")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Publish("subject", "reply", []byte("now")); err != nil {
		t.Fatal(err)
	}
	if m := receives(t, sub, "now"); m.Reply != "reply" {
		t.Errorf("reply subject %q, want %q", m.Reply, "reply")
	}
	changes := watch(c)
	<-changes
	stopServer(t, server)
	awaitLink(t, changes, false)
	isAway(t, c)
}

// A server that stops reading stops neither publishers nor, once it is back, subscriptions.
func TestConnStalled(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	p := newProxy(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	c := testConn(t, Options{URL: "nats://" + p.address})
	changes := watch(c)
	<-changes
	isUp(t, c)

	p.awaitConn(t)
	p.freeze()
	sub, err := c.NATS().SubscribeSync("subject") // lost with the link, unless it is sent again
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 64<<10)
	start := time.Now()
	for c.Up() {
		if err := c.Publish("elsewhere", "", payload); err != nil && !errors.Is(err, ErrAway) {
			t.Logf("the stall showed as: %v", err)
		}
	}
	if took := time.Since(start); took > patience {
		t.Errorf("publishers were stopped for %s", took)
	}
	awaitLink(t, changes, false)

	// The proxy still takes connections and says nothing: nats.go now waits for two seconds under its lock.
	p.awaitConn(t)
	start = time.Now()
	isAway(t, c)
	if took := time.Since(start); took > time.Second {
		t.Errorf("publishers wait, too: %s", took)
	}
	p.thaw()
	awaitLink(t, changes, true)
	publish(t, c, "subject", "after")
	receives(t, sub, "after")
}

// nats.go gives up on an error that it does not know, whatever we told it about reconnecting.
func TestConnBroken(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	c := testConn(t, Options{URL: server.ClientURL()})
	if _, err := c.NATS().SubscribeSync("signal.>.x"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Broken():
	case <-time.After(patience):
		t.Fatal("the end of the connection was not told")
	}
	isAway(t, c)
}

func TestConnCountsLosses(t *testing.T) {
	server := testServer(t, embednats.Options{})
	var log bytes.Buffer
	c := testConn(t, Options{InProcess: server, Log: slog.New(slog.NewTextHandler(&log, nil))})
	full := make(chan *nats.Msg) // nobody reads it
	sub, err := c.NATS().ChanSubscribe("subject", full)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	for range n {
		publish(t, c, "subject", "lost")
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := sub.Dropped(); err != nil || got != n {
		t.Errorf("%d messages dropped (%v), want %d", got, err, n)
	}
	// Close waits for the callbacks.
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := c.Lost(); got != 1 {
		t.Errorf("%d runs of losses counted, want 1", got)
	}
	if got := metric(t, c, "beckon_nats_slow_consumers_total"); got != 1 {
		t.Errorf("metric shows %v, want 1", got)
	}
	if got := strings.Count(log.String(), "lost messages"); got != 1 {
		t.Errorf("%d lines about it, want 1:\n%s", got, log.String())
	}
}

func TestConnCloseFlushes(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	reader := testConn(t, Options{URL: server.ClientURL()})
	sub, err := reader.NATS().SubscribeSync("subject")
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := testConn(t, Options{URL: server.ClientURL()})
	for i := range 100 {
		publish(t, c, "subject", fmt.Sprint(i))
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range 100 {
		receives(t, sub, fmt.Sprint(i))
	}
	isAway(t, c)
	select {
	case <-c.Broken():
		t.Error("called broken, although we closed it")
	default:
	}
}

// A flush that began in the moment between a link's end and the news of it does not wait for the next link.
func TestConnFlushEndsWithItsLink(t *testing.T) {
	c := testConn(t, Options{URL: "nats://" + freeAddress(t)})
	c.setLink(true) // as it would look in that moment
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	flushed := make(chan error, 1)
	go func() { flushed <- c.Flush(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n == 0; <-tick.C { // until its ping lies in the buffer
		var err error
		if n, err = c.NATS().Buffered(); err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
	}
	c.setLink(false)
	if err := <-flushed; !errors.Is(err, ErrAway) || ctx.Err() != nil {
		t.Errorf("got %v, its context: %v, want %v at once", err, ctx.Err(), ErrAway)
	}
}

// Close does not wait for a server that does not answer.
func TestConnCloseWhileAway(t *testing.T) {
	refused := testConn(t, Options{URL: "nats://" + freeAddress(t)})
	if err := refused.Close(t.Context()); err != nil {
		t.Error(err)
	}

	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	p := newProxy(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	p.freeze()
	mute := testConn(t, Options{URL: "nats://" + p.address})
	p.awaitConn(t) // the one that Connect made
	p.awaitConn(t) // the next: nats.go now waits for two seconds under its lock
	start := time.Now()
	if err := mute.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("closing took %s", took)
	}
}

func TestConnCloseStalled(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	p := newProxy(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	c := testConn(t, Options{URL: "nats://" + p.address})
	isUp(t, c)
	p.freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the flush's %v", err, context.DeadlineExceeded)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Error("the connection was not cut")
	}
}

func TestConnBadOptions(t *testing.T) {
	for url, want := range map[string]string{
		"":                            "empty",
		"nats://a,,nats://b":          "empty",
		"http://u:secret@a":           `scheme "http"`,
		"nats://u:secret@":            "host missing",
		"nats://u:secret@a b":         "invalid character",
		"nats://u:secret@a:99999":     "not between 1 and 65535",
		"nats://a:1, nats://b:0":      "not between 1 and 65535",
		"nats://a:1,ws://b":           "mixing of websocket",
		"nats://u:secret@a:port,b:42": "invalid port",
	} {
		t.Run(url, func(t *testing.T) {
			_, err := Connect(Options{URL: url, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
	for _, url := range []string{"nats://127.0.0.1:4222", "tls://a", "ws://a", "wss://a/path", "a:4222, b", "nats://[::1]:4222"} {
		if err := CheckURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := Connect(Options{URL: "nats://a", Creds: "/nonexistent", Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("credentials that are not there were taken")
	}
}

func TestThrottle(t *testing.T) {
	th := throttle{every: time.Hour}
	if n, ok := th.allow(); !ok || n != 1 {
		t.Errorf("the first: %d, %v", n, ok)
	}
	for range 3 {
		if _, ok := th.allow(); ok {
			t.Error("let through too soon")
		}
	}
	th.next = time.Now()
	if n, ok := th.allow(); !ok || n != 4 {
		t.Errorf("after the wait: %d, %v, want 4 events", n, ok)
	}
}

func testServer(t *testing.T, o embednats.Options) *embednats.Server {
	t.Helper()
	o.Name, o.Log = "test", slog.New(slog.DiscardHandler)
	s, err := embednats.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopServer(t, s) })
	return s
}

func stopServer(t *testing.T, s *embednats.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func testConn(t *testing.T, o Options) *Conn {
	t.Helper()
	o.Name = "test"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// watch gives the changes of c's link, the present state first.
func watch(c *Conn) <-chan bool {
	changes := make(chan bool, 100) // more than any test makes
	c.Watch(func(up bool) { changes <- up })
	return changes
}

func awaitLink(t *testing.T, changes <-chan bool, want bool) {
	t.Helper()
	select {
	case got := <-changes:
		if got != want {
			t.Fatalf("link up: %v, want %v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("link not up=%v within %s", want, patience)
	}
}

func isUp(t *testing.T, c *Conn) {
	t.Helper()
	if !c.Up() || c.UpFor() <= 0 || c.Away() != 0 || metric(t, c, "beckon_nats_up") != 1 {
		t.Errorf("up %v, for %s, away %s, metric %v", c.Up(), c.UpFor(), c.Away(), metric(t, c, "beckon_nats_up"))
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// isAway checks that c says so, by trying to publish on "subject" as well.
func isAway(t *testing.T, c *Conn) {
	t.Helper()
	if c.Up() || c.UpFor() != 0 || c.Away() <= 0 || metric(t, c, "beckon_nats_up") != 0 {
		t.Errorf("up %v, for %s, away %s, metric %v", c.Up(), c.UpFor(), c.Away(), metric(t, c, "beckon_nats_up"))
	}
	if err := c.Publish("subject", "", []byte("while away")); !errors.Is(err, ErrAway) {
		t.Errorf("publish: %v, want %v", err, ErrAway)
	}
	if err := c.Publish("subject", "reply", []byte("while away")); !errors.Is(err, ErrAway) {
		t.Errorf("publish with a reply subject: %v, want %v", err, ErrAway)
	}
	if err := c.Flush(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("flush: %v, want %v", err, ErrAway)
	}
}

func publish(t *testing.T, c *Conn, subject, text string) {
	t.Helper()
	if err := c.Publish(subject, "", []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func receives(t *testing.T, sub *nats.Subscription, want string) *nats.Msg {
	t.Helper()
	m, err := sub.NextMsg(patience)
	if err != nil {
		t.Fatalf("waiting for %q: %v", want, err)
	}
	if string(m.Data) != want {
		t.Fatalf("got %q, want %q", m.Data, want)
	}
	return m
}

func metric(t *testing.T, c *Conn, name string) float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c.Collectors()...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			if g := f.Metric[0].GetGauge(); g != nil {
				return g.GetValue()
			}
			return f.Metric[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
