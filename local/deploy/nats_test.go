package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"beckon/local/client"
	"beckon/local/proc"
	"beckon/shared/embednats"
)

// startNATS runs a nats-server on a configuration file until the test ends.
func startNATS(t *testing.T, file string) *server.Server {
	t.Helper()
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	opts.NoSigs, opts.NoLog = true, true
	if opts.JetStream || opts.MaxPayload != embednats.MaxPayload {
		t.Errorf("%s: JetStream %v, max_payload %d; want none and %d", file, opts.JetStream, opts.MaxPayload, embednats.MaxPayload)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	s.Start()
	t.Cleanup(func() { stopNATS(s) })
	if !s.ReadyForConnections(patience) {
		t.Fatalf("%s: the server is not ready", file)
	}
	return s
}

func stopNATS(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// natsPorts are where the configurations listen.
var natsPorts = []string{"4222", "6222", "7422", "8222"}

// listeningAt puts other addresses in the place of those where a NATS configuration listens.
func listeningAt(at map[string]string) *strings.Replacer {
	var pairs []string
	for port, address := range at {
		for _, host := range []string{"0.0.0.0", "127.0.0.1"} {
			pairs = append(pairs, fmt.Sprintf(`"%s:%s"`, host, port), fmt.Sprintf("%q", address))
		}
	}
	return strings.NewReplacer(pairs...)
}

// cluster is the NATS cluster of docs/deploy/nats: three servers on this machine.
type cluster struct {
	servers []*server.Server
	dir     string // has the certificate that fits this machine
	// local makes of what is written for nats-1.internal and its like what is true here.
	local *strings.Replacer
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir()}
	certificate(t, c.dir)
	pairs := []string{"/etc/nats/tls", c.dir, "/etc/beckon/tls", c.dir}
	var at [3]map[string]string
	for i := range at {
		at[i] = map[string]string{}
		for _, port := range natsPorts {
			at[i][port] = freeAddress(t)
			for _, domain := range []string{"internal", "example.org"} {
				pairs = append(pairs, fmt.Sprintf("nats-%d.%s:%s", i+1, domain, port), at[i][port])
			}
		}
	}
	c.local = strings.NewReplacer(pairs...)
	for i := range at {
		name := fmt.Sprintf("nats-%d", i+1)
		place := filepath.Join(c.dir, name)
		if err := os.Mkdir(place, 0o755); err != nil {
			t.Fatal(err)
		}
		machine := strings.Replace(read(t, filepath.Join(docs, "nats", "machine.conf")), `"nats-1"`, fmt.Sprintf("%q", name), 1)
		write(t, filepath.Join(place, "machine.conf"), c.local.Replace(machine))
		c.servers = append(c.servers, startNATS(t, write(t, filepath.Join(place, "nats-server.conf"),
			listeningAt(at[i]).Replace(read(t, filepath.Join(docs, "nats", "nats-server.conf"))))))
	}
	for i, s := range c.servers {
		healthy := proc.OK("http://" + at[i]["8222"] + "/healthz")
		if err := proc.Await(limited(t), func(ctx context.Context) error {
			if n := s.NumRemotes(); n != 2 {
				return fmt.Errorf("nats-%d knows %d others", i+1, n)
			}
			return healthy(ctx)
		}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// connect connects a user of the cluster to one of its servers.
func (c *cluster) connect(t *testing.T, server int, user, password string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(c.local.Replace(fmt.Sprintf("nats://%s:%s@nats-%d.internal:4222", user, password, server)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// serverOf is the server that the connection of that name is with.
func (c *cluster) serverOf(t *testing.T, connection string) *server.Server {
	t.Helper()
	for _, s := range c.servers {
		list, err := s.Connz(nil)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(list.Conns, func(i *server.ConnInfo) bool { return i.Name == connection }) {
			return s
		}
	}
	t.Fatalf("no server has %q", connection)
	return nil
}

// certificate makes an authority, and a certificate for 127.0.0.1, under the names that docs/deploy.md has for the files of
// the hub and of a gateway.
func certificate(t *testing.T, dir string) {
	t.Helper()
	issue := func(cn string, issuer *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: issuer == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		if issuer == nil {
			issuer, by = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	ca, caKey, caFile := issue("an authority", nil, nil)
	_, key, file := issue("a hub", ca, caKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for name, text := range map[string]string{
		"hub-ca.pem": caFile, "hub.crt": file, "hub.key": keyFile, "fullchain.pem": file, "privkey.pem": keyFile,
	} {
		write(t, filepath.Join(dir, name), text)
	}
}

// The cluster as docs/deploy.md has it, with every password and permission: two replicas of presence, a gateway beside it, and
// one at the edge. Users of both meet, backends reach them, and a NATS server may go.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	p := deployPage(t)
	presence := locally(p.variables(t, "A NATS cluster", "/etc/beckon/presence.env"), c.local)
	replicas := []*running{run(t, "presence", presence), run(t, "presence", presence)}
	near := run(t, "gateway", locally(p.variables(t, "A NATS cluster", "/etc/beckon/gateway.env"), c.local))
	far := run(t, "gateway", withoutTLS(locally(p.variables(t, "A gateway at the edge", "/etc/beckon/gateway.env"), c.local)))
	awaitHub(t, far)

	alice, bob := meet(t, near, far, "alice", "bob")

	t.Run("a backend", func(t *testing.T) {
		c.askAsTold(t)
		if f, err := alice.Event(limited(t), "message"); err != nil || f.Text("from") != "billing" {
			t.Errorf("alice got %s (%v)", f.Data, err)
		}
		nc := c.connect(t, 2, "backend", "BACKEND-PASSWORD")
		for user, at := range map[string]*client.Client{"alice": alice, "bob": bob} {
			reply, err := nc.RequestWithContext(limited(t), "signal."+user, []byte(`{"v":1,"kind":"message","from":"billing","body":{"data":"paid"}}`))
			if err != nil || !strings.Contains(string(reply.Data), `"status":"delivered"`) {
				t.Fatalf("a signal to %s: %v, %v", user, reply, err)
			}
			f, err := at.Event(limited(t), "message")
			if err != nil || f.Text("from") != "billing" || f.Text("data") != "paid" {
				t.Errorf("%s got %s (%v)", user, f.Data, err)
			}
		}
		if _, err := nc.RequestWithContext(limited(t), "signal.nobody", []byte(`{"v":1,"kind":"refuse","from":"billing","body":{}}`)); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("a signal to nobody: %v, want no responders", err)
		}
		for subject, want := range map[string]string{
			"presence.list": `"count":2`, "presence.count": `"gateways":2`, "presence.where": `"gateway":"edge-1"`,
		} {
			request := "{}"
			if subject == "presence.where" {
				request = `{"user":"bob"}`
			}
			reply, err := nc.RequestWithContext(limited(t), subject, []byte(request))
			if err != nil || !strings.Contains(string(reply.Data), want) {
				t.Errorf("%s: %v, %v; want %s", subject, reply, err, want)
			}
		}
		for _, subject := range []string{
			"outcome.gw-1.x.1", "outcome.gw-1.x.gathered", "presence.announce.gw-1", "presence.beat.gw-1", "presence.view.x",
			"presence.replica.x", "presence.gateway.gw-1", "presence.snapshot.x", "_INBOX.x", "_R_.x",
		} {
			denied(t, nc, "publish to "+subject, func() error { return nc.Publish(subject, []byte("{}")) })
		}
		for _, subject := range []string{"signal.>", "signal.alice", "outcome.>", "presence.>", "_R_.>", ">"} {
			denied(t, nc, "subscribe to "+subject, func() error {
				_, err := nc.SubscribeSync(subject)
				return err
			})
		}
	})

	// Permissions do not look at reply subjects. The wall between the accounts does: a gateway reads this body, and finds out.
	t.Run("a backend that poses as a gateway", func(t *testing.T) {
		nc := c.connect(t, 1, "backend", "BACKEND-PASSWORD")
		forged := `{"v":1,"kind":"message","from":"billing","body":{"data":1,"from":"alice"}}`
		before := near.Output()
		if err := nc.PublishRequest("signal.alice", "outcome.gw-1.x.1", []byte(forged)); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		f, err := alice.Event(limited(t), "message")
		if err != nil || string(f.Data) != `{"from":"billing","data":1}` {
			t.Errorf("alice got %s (%v), want what the strict reader leaves of it", f.Data, err)
		}
		if said := strings.TrimPrefix(near.Output(), before); strings.Contains(said, "Permissions Violation") {
			t.Errorf("the gateway: %s", said)
		}
	})

	t.Run("an edge that poses as another gateway", func(t *testing.T) {
		leaf, err := embednats.Start(limited(t), embednats.Options{
			Name: "edge-1", Hubs: []string{c.local.Replace("tls://edge-1:EDGE-1-PASSWORD@nats-1.example.org:7422")},
			HubCA: filepath.Join(c.dir, "hub-ca.pem"), Log: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := leaf.Shutdown(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		if err := proc.Await(limited(t), func(context.Context) error {
			if leaf.HubLinked() {
				return nil
			}
			return errors.New("no link to the hub")
		}); err != nil {
			t.Fatal(err)
		}
		inside, err := nats.Connect("", nats.InProcessServer(leaf))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(inside.Close)
		presence, gateway := c.connect(t, 1, "presence", "PRESENCE-PASSWORD"), c.connect(t, 2, "gateway", "GATEWAY-PASSWORD")
		crosses(t, inside, presence, "presence.announce.edge-1", "presence.announce.gw-1", "presence.announce.edge-2")
		crosses(t, inside, presence, "presence.beat.edge-1", "presence.beat.gw-1", "presence.beat.edge-2")
		crosses(t, inside, presence, "presence.snapshot.a", "presence.replica.a")
		crosses(t, presence, inside, "presence.view.a")
		crosses(t, presence, inside, "presence.replica.a")
		crosses(t, presence, inside, "presence.gateway.edge-1", "presence.gateway.gw-1", "presence.gateway.edge-2")
		crosses(t, gateway, inside, "outcome.edge-1.a.1", "outcome.gw-1.a.1", "presence.announce.gw-1")
		crosses(t, gateway, inside, "signal.carol", "presence.beat.gw-1")
		crosses(t, inside, gateway, "outcome.gw-1.a.1")
	})

	t.Run("strangers", func(t *testing.T) {
		for _, url := range []string{
			"nats://nats-1.internal:4222", "nats://gateway:wrong@nats-1.internal:4222",
			"nats://edge-1:EDGE-1-PASSWORD@nats-1.internal:4222", // that one is for leaves
		} {
			if nc, err := nats.Connect(c.local.Replace(url)); err == nil {
				nc.Close()
				t.Errorf("%s is let in", url)
			}
		}
	})

	t.Run("a server goes", func(t *testing.T) {
		stopNATS(c.serverOf(t, "beckon gateway gw-1"))
		if err := proc.Await(limited(t), func(ctx context.Context) error {
			for _, r := range append(replicas, near, far) {
				if err := proc.OK("http://" + r.ops + "/readyz")(ctx); err != nil {
					return err
				}
			}
			for _, way := range [][2]*client.Client{{alice, bob}, {bob, alice}} {
				outcome, err := way[0].Outcome(ctx, "message", map[string]any{"to": way[1].Welcome.UserID, "data": "still"})
				if err != nil || outcome != "delivered" {
					return fmt.Errorf("%s, %w", outcome, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		meet(t, far, near, "carol", "dave")
	})

	for _, r := range append(replicas, near, far) {
		if said := r.Output(); strings.Contains(said, "Permissions Violation") || strings.Contains(said, "PASSWORD") {
			t.Errorf("%s said:\n%s", r.Name(), said)
		}
	}
}

// crosses checks that what one side publishes on a subject comes to the other, and what it publishes on others does not.
// Interest takes a moment to come to a leaf or from it, so that what is permitted is published again until it arrives.
func crosses(t *testing.T, from, to *nats.Conn, permitted string, denied ...string) {
	t.Helper()
	heard := make(chan *nats.Msg, 1024) // more than there will be
	for _, subject := range append(denied, permitted) {
		sub, err := to.ChanSubscribe(subject, heard)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := sub.Unsubscribe(); err != nil {
				t.Error(err)
			}
		}()
	}
	if err := to.Flush(); err != nil {
		t.Fatal(err)
	}
	const mark = "a message of this test"
	if err := proc.Await(limited(t), func(context.Context) error {
		for _, subject := range append(denied, permitted) {
			if err := from.Publish(subject, []byte(mark)); err != nil {
				return err
			}
		}
		if err := errors.Join(from.Flush(), to.Flush()); err != nil {
			return err
		}
		for {
			select {
			case m := <-heard:
				if string(m.Data) != mark {
					continue // of the real services
				}
				if m.Subject == permitted {
					return nil
				}
				t.Errorf("%s comes through", m.Subject)
			default:
				return errors.New("nothing came")
			}
		}
	}); err != nil {
		t.Errorf("%s: %v", permitted, err)
	}
}

// withoutTLS is a gateway that clients reach without it, as the test's do.
func withoutTLS(vars map[string]string) map[string]string {
	delete(vars, "BECKON_TLS_CERT")
	delete(vars, "BECKON_TLS_KEY")
	return vars
}

// awaitHub waits until nothing about a gateway is degraded: the link to its hub is up.
func awaitHub(t *testing.T, edge *running) {
	t.Helper()
	if err := proc.Await(limited(t), func(ctx context.Context) error {
		report, err := get(ctx, "http://"+edge.ops+"/readyz")
		if err == nil && strings.Contains(report, "degraded") {
			err = errors.New(report)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// denied checks that NATS does not permit what try does. nats.go hears of that later, in another goroutine.
func denied(t *testing.T, nc *nats.Conn, what string, try func() error) {
	t.Helper()
	told := make(chan error, 16) // more than one attempt can cause
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err })
	defer nc.SetErrorHandler(nil)
	if err := errors.Join(try(), nc.Flush()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	select {
	case err := <-told:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v, want a violation of permissions", what, err)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("%s is permitted", what)
	}
}

// What docs/deploy.md says that users may do is what the configuration lets them do.
func TestPermissionsInWords(t *testing.T) {
	var said []string
	for line := range strings.Lines(deployPage(t).prose) {
		if strings.HasPrefix(line, "| `") && (strings.Contains(line, "| BECKON |") || strings.Contains(line, "| BACKENDS |")) {
			said = append(said, strings.TrimSpace(line))
		}
	}
	var real []string
	for _, u := range clusterOptions(t).Users {
		list := func(p *server.SubjectPermission) string { return "`" + strings.Join(p.Allow, "` `") + "`" }
		real = append(real, fmt.Sprintf("| `%s` | %s | %s | %s |", u.Username, u.Account.Name, list(u.Permissions.Publish), list(u.Permissions.Subscribe)))
	}
	slices.Sort(said)
	slices.Sort(real)
	if !slices.Equal(said, real) {
		t.Errorf("the page says\n%s\nand the configuration\n%s", strings.Join(said, "\n"), strings.Join(real, "\n"))
	}
}

// A NATS whose clients come by TLS, with an authority that only SSL_CERT_FILE makes known.
func TestOwnAuthority(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	at := map[string]string{}
	for _, port := range natsPorts {
		at[port] = freeAddress(t)
	}
	startNATS(t, write(t, filepath.Join(dir, "nats.conf"), fmt.Sprintf("%s\ntls { cert_file: %q, key_file: %q }\n",
		listeningAt(at).Replace(read(t, filepath.Join(docs, "compose", "nats.conf"))), filepath.Join(dir, "hub.crt"), filepath.Join(dir, "hub.key"))))
	vars := map[string]string{"BECKON_NATS": "tls://" + at["4222"], "SSL_CERT_FILE": filepath.Join(dir, "hub-ca.pem")}
	run(t, "presence", vars)
	one := run(t, "gateway", vars)
	meet(t, one, one, "alice", "bob")
}
