package presence_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/presence"
	"beckon/shared/service"
	"beckon/shared/wire"
)

func TestLoginsAppearInTheView(t *testing.T) {
	r := run(t, config(t))
	conn := connect(t, r.NATS)
	f := follow(t, conn, r.View)
	a := gateway(t, conn, "gw-1", "alice")
	b := gateway(t, connect(t, r.NATS), "gw-2", "bob")
	f.holds("alice", "bob")

	b.Join(login("carol"))
	f.holds("alice", "bob", "carol")
	b.Leave("session-of-bob")
	f.holds("alice", "carol")
	if len(f.gone) != 0 {
		t.Errorf("gateways %v are gone, though all are there", f.gone)
	}

	end(t, b)
	f.holds("alice")
	if !slices.Equal(f.gone, []string{"gw-2"}) {
		t.Errorf("gateways %v are gone, want gw-2", f.gone)
	}
	end(t, a)
	f.holds()

	r.stop(t)
	f.until("the last beat", func() bool { return f.beat.Stopping })
}

// A gateway that says nothing is not there any more.
func TestSilentGatewayIsGone(t *testing.T) {
	r := run(t, config(t))
	conn := connect(t, r.NATS)
	f := follow(t, conn, r.View)
	gateway(t, conn, "gw-1", "alice")
	silent := connect(t, r.NATS)
	gateway(t, silent, "gw-2", "bob")
	f.holds("alice", "bob")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := silent.Close(ctx); err != nil {
		t.Fatal(err)
	}
	f.holds("alice")
	if !slices.Equal(f.gone, []string{"gw-2"}) {
		t.Errorf("gateways %v are gone, want gw-2", f.gone)
	}
}

// Presence keeps nothing: what it knows after a restart it has heard from the gateways, and it says nothing before.
func TestRestartedReplicaHearsEverybodyFirst(t *testing.T) {
	nats := server(t, "127.0.0.1:0")
	cfg := config(t)
	cfg.EmbedNATS, cfg.NATS = "", nats.ClientURL()
	first := run(t, cfg)
	conn := connect(t, nats.ClientURL())
	var users []string
	for g := range 3 {
		name := fmt.Sprint("gw-", g)
		gateway(t, connect(t, nats.ClientURL()), name, "alice-"+name, "bob-"+name)
		users = append(users, "alice-"+name, "bob-"+name)
	}
	follow(t, conn, first.View).holds(users...)
	first.stop(t)

	beats, err := conn.NATS().SubscribeSync(wire.AllReplicas)
	if err != nil {
		t.Fatal(err)
	}
	second := run(t, cfg)
	if second.View == first.View {
		t.Error("the view has the name of the one before")
	}
	for incomplete := 0; ; incomplete++ {
		m, err := beats.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var beat wire.ViewBeat
		if err := wire.Decode(m.Data, &beat); err != nil {
			t.Fatal(err)
		}
		if !beat.Complete {
			continue
		}
		if beat.View != second.View || beat.Count != len(users) || incomplete == 0 {
			t.Errorf("the first complete beat is %+v, after %d others; want %d users", beat, incomplete, len(users))
		}
		break
	}
	follow(t, conn, second.View).holds(users...)
}

func TestNATSRestarts(t *testing.T) {
	nats := server(t, "127.0.0.1:0")
	cfg := config(t)
	cfg.EmbedNATS, cfg.NATS = "", nats.ClientURL()
	r := run(t, cfg)
	a := gateway(t, connect(t, nats.ClientURL()), "gw-1", "alice", "bob")
	gateway(t, connect(t, nats.ClientURL()), "gw-2", "carol")
	f := follow(t, connect(t, nats.ClientURL()), r.View)
	f.holds("alice", "bob", "carol")

	shutdown(t, nats)
	a.Leave("session-of-bob")
	a.Join(login("dave"))
	server(t, strings.TrimPrefix(nats.ClientURL(), "nats://"))

	f.whole = false // whoever follows has missed something as well
	f.holds("alice", "carol", "dave")
	if len(f.gone) != 0 {
		t.Errorf("gateways %v were gone for a while", f.gone)
	}
}

// Presence and NATS start in either order.
func TestNATSComesLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cfg := config(t)
	cfg.EmbedNATS, cfg.NATS = "", "nats://"+address
	r := run(t, cfg)
	if status, body := get(t, r, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "NATS") {
		t.Errorf("ready without NATS: %d %s", status, body)
	}
	server(t, address)
	conn := connect(t, cfg.NATS)
	gateway(t, conn, "gw-1", "alice")
	follow(t, conn, r.View).holds("alice")
}

// Nothing that comes over NATS ends a replica, or gets into the view.
func TestRubbish(t *testing.T) {
	r := run(t, config(t))
	conn := connect(t, r.NATS)
	gateway(t, conn, "gw-1", "alice")
	f := follow(t, conn, r.View)
	f.holds("alice")

	sent := 0
	for _, subject := range []string{wire.AnnounceSubject("gw-1"), wire.BeatSubject("gw-1"), wire.AnnounceSubject("not.one"), wire.BeatSubject("ü")} {
		for _, data := range []string{
			"", "{", "[]", "null", `{"v":1}`, `{"v":2,"incarnation":"a"}`, `{"v":1,"incarnation":"a b"}`,
			`{"v":1,"incarnation":"a","seq":-1}`, `{"v":1,"incarnation":"a","incarnation":"a"}`, "\xff",
			`{"v":1,"incarnation":"a","joined":[{"session":"*","user":"mallory","room":"lobby"}],"digest":1}`,
		} {
			if err := conn.Publish(subject, "", []byte(data)); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	// "not.one" is outside of what replicas subscribe to.
	sent -= 11
	for _, reply := range []string{"", "nobody.there", "a.>.b", "*", "signal.bob"} {
		if err := conn.Publish(wire.ViewSnapshotSubject(r.View), reply, []byte("{")); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("beckon_presence_not_understood_total %d\n", sent)
	await(t, "all rubbish counted", func() bool {
		_, body := get(t, r, "/metrics")
		return strings.Contains(body, want)
	})
	gateway(t, conn, "gw-2", "bob")
	f.holds("alice", "bob")
	if len(f.gone) != 0 {
		t.Errorf("gateways %v were gone", f.gone)
	}
}

func TestOps(t *testing.T) {
	cfg := config(t)
	cfg.EmbedNATSLeaf = "127.0.0.1:0"
	r := run(t, cfg)
	if !strings.HasPrefix(r.Leaf, "nats-leaf://127.0.0.1:") || !strings.HasPrefix(r.NATS, "nats://127.0.0.1:") {
		t.Errorf("addresses %+v", r.Addresses)
	}
	status, body := get(t, r, "/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "not every gateway has been heard whole") {
		t.Errorf("ready before the view is complete: %d %s", status, body)
	}
	conn := connect(t, r.NATS)
	gateway(t, conn, "gw-1", "alice", "bob")
	follow(t, conn, r.View).holds("alice", "bob")
	await(t, "ready", func() bool {
		status, _ := get(t, r, "/readyz")
		return status == http.StatusOK
	})
	_, metrics := get(t, r, "/metrics")
	for _, want := range []string{
		"beckon_presence_gateways 1\n", "beckon_presence_sessions 2\n", "beckon_presence_users 2\n",
		"beckon_presence_rooms 1\n", "beckon_presence_complete 1\n", "beckon_presence_requests_total 1\n",
		"beckon_presence_contested_total 0\n", "beckon_presence_dropped_total 0\n", "beckon_nats_up 1\n",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q among the metrics", want)
		}
	}
}

func TestRunFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, spoil := range map[string]func(*presence.Config){
		"a leaf listener without NATS": func(c *presence.Config) { c.EmbedNATS, c.EmbedNATSLeaf = "", "127.0.0.1:0" },
		"a bad URL":                    func(c *presence.Config) { c.EmbedNATS, c.NATS = "", "http://nowhere" },
		"no such credentials":          func(c *presence.Config) { c.EmbedNATS, c.NATSCreds = "", t.TempDir() },
		"credentials for its own NATS": func(c *presence.Config) { c.NATSCreds = "file" },
		"the NATS port taken":          func(c *presence.Config) { c.EmbedNATS = service.Address(taken.Addr().String()) },
		"the ops port taken":           func(c *presence.Config) { c.Ops = service.Address(taken.Addr().String()) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			spoil(&cfg)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := presence.Run(ctx, cfg); err == nil || ctx.Err() != nil {
				t.Errorf("presence ended with %v, %v", err, ctx.Err())
			}
		})
	}
}

func get(t *testing.T, r *replica, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.Ops + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// await asks again and again.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
