package embednats

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func TestLeavesOfOneHub(t *testing.T) {
	hub := start(t, Options{LeafListen: "127.0.0.1:0"})
	a := start(t, Options{Hubs: []string{hub.LeafURL()}})
	b := start(t, Options{Hubs: []string{hub.LeafURL()}}) // of the same name: neither may cut the other
	eventually(t, "link of both leaves", func() bool { return a.HubLinked() && b.HubLinked() && hub.Leaves() == 2 })

	at := connect(t, "", nats.InProcessServer(a))
	bt := connect(t, "", nats.InProcessServer(b))
	ht := connect(t, "", nats.InProcessServer(hub))
	delivers(t, at, bt)
	delivers(t, bt, at)
	delivers(t, ht, at)
	delivers(t, at, ht)
}

// An edge goes on while its hub is away, whether it has ever seen it or not.
func TestLeafWithoutHub(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	leaf := start(t, Options{Hubs: []string{"nats-leaf://" + address}})
	if leaf.HubLinked() {
		t.Error("linked to a hub that is not there")
	}
	nc := connect(t, "", nats.InProcessServer(leaf))
	delivers(t, nc, nc)

	for range 2 {
		hub := start(t, Options{LeafListen: address})
		eventually(t, "link to the hub", leaf.HubLinked)
		delivers(t, nc, connect(t, "", nats.InProcessServer(hub)))

		stop(t, hub)
		eventually(t, "end of the link", func() bool { return !leaf.HubLinked() })
		delivers(t, nc, nc)
	}
}

// A server in the middle tells the link to its hub from the links of its leaves.
func TestHubLinkedInTheMiddle(t *testing.T) {
	hub := start(t, Options{LeafListen: "127.0.0.1:0"})
	middle := start(t, Options{LeafListen: "127.0.0.1:0", Hubs: []string{hub.LeafURL()}})
	edge := start(t, Options{Hubs: []string{middle.LeafURL()}})
	eventually(t, "both links", func() bool { return middle.HubLinked() && edge.HubLinked() && middle.Leaves() == 2 })
	delivers(t, connect(t, "", nats.InProcessServer(edge)), connect(t, "", nats.InProcessServer(hub)))

	stop(t, hub)
	eventually(t, "end of one link", func() bool { return !middle.HubLinked() })
	if !edge.HubLinked() {
		t.Error("the edge lost its link, too")
	}
}

func TestHubWithPassword(t *testing.T) {
	hub := startHub(t, func(o *server.Options) { o.LeafNode.Username, o.LeafNode.Password = "edge", "secret" })
	leaf := start(t, Options{Hubs: []string{"nats-leaf://edge:secret@" + hub}})
	eventually(t, "link to the hub", leaf.HubLinked)
}

func TestHubWithTLS(t *testing.T) {
	cert, ca := certificate(t)
	hub := startHub(t, func(o *server.Options) {
		o.LeafNode.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	})
	leaf := start(t, Options{Hubs: []string{"tls://" + hub}, HubCA: ca})
	eventually(t, "link to the hub", leaf.HubLinked)
}

// startHub starts a hub such as an operator runs, with settings that ours do not have, and returns its address for leaves.
func startHub(t *testing.T, set func(*server.Options)) string {
	t.Helper()
	o := &server.Options{NoSigs: true, NoLog: true, DontListen: true, MaxPayload: MaxPayload}
	o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	set(o)
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
		t.Fatal("the hub is not ready")
	}
	return net.JoinHostPort(o.LeafNode.Host, strconv.Itoa(o.LeafNode.Port))
}

// certificate makes a certificate for 127.0.0.1 and the path of a file with its authority.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "hub"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, ca
}
