package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/shared/embednats"
	"beckon/shared/service"
	"beckon/shared/wire"
)

func TestRun(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, embednats.Options{Listen: "127.0.0.1:0"})
	r := start(t, func(c *Config) { c.NATS, c.Name = nats.ClientURL(), "gw-1" })
	if r.Name != "gw-1" {
		t.Errorf("named %q", r.Name)
	}
	alice, bob := r.login("alice"), r.login("bob")
	if got := r.outcome(alice, `{"event":"refuse","id":"1","data":{"to":"bob"}}`); got != "delivered" {
		t.Errorf("outcome %v", got)
	}
	if got := r.hears(bob, "refuse")["from"]; got != "alice" {
		t.Errorf("from %v", got)
	}

	if status, report := r.report("/healthz"); status != 200 || !report.Healthy {
		t.Errorf("health: status %d, %+v", status, report)
	}
	// Nobody runs presence here.
	status, report := r.report("/readyz")
	if status != 503 || len(report.Missing) != 1 || report.Missing[0].Name != "presence" {
		t.Errorf("readiness: status %d, %+v", status, report)
	}
	_, metrics := r.get("http://" + r.Ops + "/metrics")
	for _, line := range []string{
		"beckon_sessions 2", "beckon_users 2", `beckon_signals_total{kind="refuse",outcome="delivered"} 1`, "beckon_nats_up 1",
		"beckon_queue_full_total 0", "beckon_signal_seconds_count 1", "beckon_connections_turned_away_total 0", "go_goroutines ",
	} {
		if !strings.Contains(metrics, "\n"+line) {
			t.Errorf("no %q among the metrics", line)
		}
	}

	r.stop()
	for _, ws := range []*websocket.Conn{alice, bob} {
		r.isClosed(ws, websocket.CloseServiceRestart)
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Leaf = []string{"nats-leaf://127.0.0.1:1"} })
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", 200},
		{http.MethodHead, "/", 200},
		{http.MethodPost, "/", 405},
		{http.MethodGet, "/page.js", 200},
		{http.MethodGet, "/beckon/beckon.js", 200},
		{http.MethodGet, "/ws/", 404},
		{http.MethodGet, "/metrics", 404},
		{http.MethodGet, "/debug/pprof/", 404},
		{http.MethodGet, "/ws", 426},
		{http.MethodPost, "/ws", 405},
	} {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r.request(test.method, "http://"+r.Listen+test.path))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, resp.StatusCode, test.want)
		}
	}
}

// A gateway may be without the page. What applications import stays.
func TestNoPage(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Leaf, c.Page = []string{"nats-leaf://127.0.0.1:1"}, false })
	for path, want := range map[string]int{"/": 404, "/page.js": 404, "/beckon/beckon.js": 200, "/ws": 426} {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r.request(http.MethodGet, "http://"+r.Listen+path))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// While it drains a gateway serves those who are still there, and sends others elsewhere.
func TestDrain(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, embednats.Options{Listen: "127.0.0.1:0"})
	r := start(t, func(c *Config) { c.NATS, c.Drain = nats.ClientURL(), 5*time.Second })
	var all []*websocket.Conn
	for i := range 10 {
		all = append(all, r.login(fmt.Sprint("user", i)))
	}
	r.stop()
	for deadline := time.Now().Add(4 * time.Second); ; {
		other, status := r.dial("")
		if other == nil {
			if status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
			break
		}
		other.Close()
		if time.Now().After(deadline) {
			t.Fatal("welcomed although the gateway is stopping")
		}
	}
	if status, report := r.report("/readyz"); status != 503 || report.Missing[len(report.Missing)-1].Name != "draining" {
		t.Errorf("readiness: status %d, %+v", status, report)
	}
	served := 0
	for _, ws := range all {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"event":"sync","id":"1"}`)); err != nil {
			continue
		}
		for {
			_, msg, err := ws.ReadMessage()
			if err != nil {
				break
			}
			if strings.HasPrefix(string(msg), `{"event":"ack"`) {
				served++
				break
			}
		}
	}
	if served == 0 {
		t.Error("all were closed at once")
	}
	for _, ws := range all {
		ws.Close() // nobody is left to wait for
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

// Whoever connects and says nothing, or reads nothing, does not make the end a failure, nor a long one.
func TestStopWithSilentClients(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, embednats.Options{Listen: "127.0.0.1:0"})
	r := start(t, func(c *Config) { c.NATS, c.RateBytes = nats.ClientURL(), mostOfAnything })
	alice := r.login("alice")
	r.login("stuck")
	offer := fmt.Sprintf(`{"event":"offer","id":"1","data":{"to":"stuck","offerType":"offer","offerSDP":"%s"}}`, strings.Repeat("x", wire.MaxSDP))
	for r.outcome(alice, offer) != "slow" {
	}
	for range 40 { // half a second for each would be too long
		conn, err := net.Dial("tcp", r.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	// An idle connection of a client that keeps it.
	idle, err := net.Dial("tcp", r.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := io.WriteString(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v, which service managers do not wait for", took)
	}
}

// A user comes to nobody's list, and signals pass, while a gateway has no hub.
func TestLeafWithoutItsHub(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Leaf = []string{"nats-leaf://127.0.0.1:1"} })
	alice := r.login("alice")
	r.login("bob")
	if got := r.outcome(alice, `{"event":"refuse","id":"1","data":{"to":"bob"}}`); got != "delivered" {
		t.Errorf("outcome %v", got)
	}
	_, report := r.report("/readyz")
	if _, metrics := r.get("http://" + r.Ops + "/metrics"); !strings.Contains(string(metrics), "\nbeckon_hub_linked 0\n") {
		t.Error("the metrics do not say that there is no hub")
	}
	if len(report.Degraded) != 1 || report.Degraded[0].Name != "hub" {
		t.Errorf("degraded: %+v", report.Degraded)
	}
}

// Signals pass between a leaf of a hub and a gateway beside it.
func TestLeaf(t *testing.T) {
	t.Parallel()
	hub := startNATS(t, embednats.Options{Listen: "127.0.0.1:0", LeafListen: "127.0.0.1:0"})
	beside := start(t, func(c *Config) { c.NATS = hub.ClientURL() })
	leaf := start(t, func(c *Config) { c.Leaf = []string{hub.LeafURL()} })
	for deadline := time.Now().Add(patience); hub.Leaves() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no leaf is linked")
		}
	}
	alice, bob := beside.login("alice"), leaf.login("bob")
	for deadline := time.Now().Add(patience); ; { // until the hub has heard of bob
		got := beside.outcome(alice, `{"event":"refuse","id":"1","data":{"to":"bob"}}`)
		if got == "delivered" {
			break
		}
		if got != "offline" || time.Now().After(deadline) {
			t.Fatalf("outcome %v", got)
		}
	}
	if got := leaf.hears(bob, "refuse")["from"]; got != "alice" {
		t.Errorf("from %v", got)
	}
}

// Services start in either order.
func TestRunBeforeNATS(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	r := start(t, func(c *Config) { c.NATS = "nats://" + address })
	if status, report := r.report("/readyz"); status != 503 || len(report.Missing) != 2 || report.Missing[0].Name != "nats" {
		t.Errorf("readiness: status %d, %+v", status, report)
	}
	startNATS(t, embednats.Options{Listen: address})
	for deadline := time.Now().Add(patience); ; {
		if ws, status := r.dial("user=alice"); ws != nil {
			r.hears(ws, "welcome")
			break
		} else if status != 503 || time.Now().After(deadline) {
			t.Fatalf("status %d", status)
		}
	}
}

// What is wrong is told at once, and nothing is left running.
func TestRunFails(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, embednats.Options{Listen: "127.0.0.1:0"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := service.Address(l.Addr().String())
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"the configuration is wrong":    {func(c *Config) { c.Name = "a.b" }, "--name"},
		"the clients' address is taken": {func(c *Config) { c.Listen = taken }, "address already in use"},
		"the ops address is taken":      {func(c *Config) { c.Ops = taken }, "address already in use"},
		"credentials are missing":       {func(c *Config) { c.NATSCreds = "/does/not/exist" }, "credentials"},
		"the hub's are missing": {func(c *Config) {
			c.Leaf, c.LeafCreds = []string{"nats-leaf://127.0.0.1:1"}, "/does/not/exist"
		}, "exist"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults(t)
			cfg.Listen, cfg.Ops, cfg.NATS, cfg.Log = "127.0.0.1:0", "127.0.0.1:0", nats.ClientURL(), discard
			cfg.OnReady = func(Addresses) { t.Error("ready") }
			test.change(&cfg)
			if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// An address that many connections come from, none of which says anything, keeps nobody else out.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, embednats.Options{Listen: "127.0.0.1:0"})
	r := start(t, func(c *Config) { c.NATS, c.MaxHandshakes = nats.ClientURL(), 3 })
	var silent []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", r.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	fourth, err := net.Dial("tcp", r.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer fourth.Close()
	if err := fourth.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := fourth.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("one too many: %v", err)
	}
	silent[0].Close()
	for range 5 { // one place is enough for many, one after the other
		var ws *websocket.Conn
		for deadline := time.Now().Add(10 * time.Second); ws == nil; { // before those who are silent are sent away
			d := websocket.Dialer{HandshakeTimeout: patience}
			conn, _, err := d.Dial("ws://"+r.Listen+"/ws", nil)
			if err == nil {
				ws = conn
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { ws.Close() })
		r.hears(ws, "welcome")
	}
}
