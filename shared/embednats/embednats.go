// Package embednats runs a nats-server inside this process: reachable from this process only, or on an address besides,
// accepting leaf nodes, or itself a leaf of a hub elsewhere. No JetStream, no signals taken, nothing listens unasked.
package embednats

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nuid"
)

// MaxPayload is the largest message in bytes. Hub and leaves must agree on it: a hub closes a leaf that sends more.
const MaxPayload = 128 << 10

// The tempo of links to clients and leaves. One that died silently is closed after pingInterval * (maxPingsOut + 1).
const (
	readyTimeout      = 5 * time.Second
	pingInterval      = 2 * time.Second
	maxPingsOut       = 2
	writeDeadline     = 5 * time.Second
	leafReconnectWait = 250 * time.Millisecond // nats-server adds as much again at random after a failed attempt

	// A hub that cannot be reached is tried about every 375 ms, and told of about twice a minute.
	attemptsPerReport = 80
)

// Options of a server. With Name and Log alone it serves this process only.
type Options struct {
	// Name begins the server's name, which a random part makes unique: a hub cuts a leaf when another of its name comes.
	Name string
	// Listen is the host:port for clients, port 0 for a free one; empty for none.
	Listen string
	// LeafListen is the host:port for leaf nodes, port 0 for a free one; empty for none.
	LeafListen string
	// Hubs are the URLs of one hub (see [ParseHub]), several if it has several servers: this server becomes its leaf, and
	// works on its own while none of them can be reached.
	Hubs []string
	// HubCreds is the path of a NATS credentials file for the hub, empty for none.
	HubCreds string
	// HubCA is the path of a PEM file with the authorities to trust for the hub, empty for the system's. When it is set
	// the link to the hub must use TLS.
	HubCA string
	// Log gets what the server says. Required.
	Log *slog.Logger
}

// Server is a running nats-server.
type Server struct {
	srv       *server.Server
	clientURL string
	leafURL   string
	hub       bool // has a hub to be linked to
}

// Start starts a server and returns when clients can connect; ctx bounds that, not the server's life. A hub need not be
// there: the server goes on trying. An error means bad options or an address that cannot be had.
func Start(ctx context.Context, o Options) (*Server, error) {
	opts, err := serverOptions(o)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure NATS server: %w", err)
	}
	log := newLogger(o.Log)
	srv.SetLoggerV2(log, log.debug(), false, false) // never traces: they show payloads

	srv.Start()
	if err := waitReady(ctx, srv, log); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("start NATS server: %w", err)
	}

	s := &Server{srv: srv, hub: len(o.Hubs) > 0}
	if o.Listen != "" {
		s.clientURL = "nats://" + srv.Addr().String()
	}
	if o.LeafListen != "" {
		// The server has written the port it got into its options.
		s.leafURL = "nats-leaf://" + net.JoinHostPort(opts.LeafNode.Host, strconv.Itoa(opts.LeafNode.Port))
	}
	log.started.Store(true)
	o.Log.Info("NATS server ready", "component", component,
		"name", srv.Name(), "version", server.VERSION, "clients", s.clientURL, "leaves", s.leafURL, "hub", redacted(o.Hubs))
	return s, nil
}

// waitReady returns at once with the reason when the server could not start, which nats-server itself only logs.
func waitReady(ctx context.Context, srv *server.Server, log *logger) error {
	select {
	case reason := <-log.fatal:
		return errors.New(reason)
	default:
	}
	wait := readyTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !srv.ReadyForConnections(wait) {
		return fmt.Errorf("not ready for connections after %s", wait)
	}
	return nil
}

func serverOptions(o Options) (*server.Options, error) {
	opts := &server.Options{
		ServerName: o.Name + "-" + nuid.Next(),
		NoSigs:     true, // else it takes SIGTERM and exits the process
		DontListen: true,

		MaxPayload:    MaxPayload,
		PingInterval:  pingInterval,
		MaxPingsOut:   maxPingsOut,
		WriteDeadline: writeDeadline,
		// A reader that is far behind loses messages; it must not slow down those who publish to others as well.
		NoFastProducerStall: true,

		ConnectErrorReports:   attemptsPerReport,
		ReconnectErrorReports: attemptsPerReport,
	}
	opts.LeafNode.ReconnectInterval = leafReconnectWait
	if o.Listen != "" {
		host, port, err := splitAddress(o.Listen)
		if err != nil {
			return nil, fmt.Errorf("address for NATS clients: %w", err)
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
	}
	if o.LeafListen != "" {
		host, port, err := splitAddress(o.LeafListen)
		if err != nil {
			return nil, fmt.Errorf("address for NATS leaf nodes: %w", err)
		}
		opts.LeafNode.Host, opts.LeafNode.Port = host, port
	}
	if len(o.Hubs) > 0 {
		remote, err := hubOptions(o)
		if err != nil {
			return nil, err
		}
		opts.LeafNode.Remotes = []*server.RemoteLeafOpts{remote}
	}
	return opts, nil
}

func hubOptions(o Options) (*server.RemoteLeafOpts, error) {
	remote := &server.RemoteLeafOpts{Credentials: o.HubCreds}
	for _, hub := range o.Hubs {
		u, err := ParseHub(hub)
		if err != nil {
			return nil, err
		}
		remote.URLs = append(remote.URLs, u)
		remote.TLS = remote.TLS || u.Scheme == "tls"
	}
	if o.HubCreds != "" {
		if _, err := os.ReadFile(o.HubCreds); err != nil {
			return nil, fmt.Errorf("read credentials for the NATS hub: %w", err)
		}
	}
	if o.HubCA != "" {
		pem, err := os.ReadFile(o.HubCA)
		if err != nil {
			return nil, fmt.Errorf("read authorities for the NATS hub: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read authorities for the NATS hub: no certificate in %s", o.HubCA)
		}
		remote.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return remote, nil
}

// splitAddress takes host:port apart for nats-server, to which port 0 means its default port and -1 a free one.
func splitAddress(address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		return "", 0, fmt.Errorf("%q: host missing (0.0.0.0 or [::] stands for every interface)", address)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: port %q is not between 0 and 65535", address, p)
	}
	if n == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(n), nil
}

// ParseHub parses the URL of a hub's leaf node listener: scheme://[user:password@]host[:port], the scheme one of
// nats-leaf, nats, tls, ws and wss, the port 7422 unless given. Errors never show a password.
func ParseHub(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the whole URL, which may carry a password.
		var detail *url.Error
		if errors.As(err, &detail) {
			err = detail.Err
		}
		return nil, fmt.Errorf("URL of the NATS hub: %w", err)
	}
	switch u.Scheme {
	case "nats-leaf", "nats", "tls", "ws", "wss":
	default:
		return nil, fmt.Errorf("URL of the NATS hub %q: scheme %q is none of nats-leaf, nats, tls, ws, wss", u.Redacted(), u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("URL of the NATS hub %q: host missing", u.Redacted())
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("URL of the NATS hub %q: port %q is not between 1 and 65535", u.Redacted(), p)
		}
	}
	return u, nil
}

// redacted are URLs that have been parsed before, without passwords.
func redacted(urls []string) []string {
	var out []string
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil {
			out = append(out, u.Redacted())
		}
	}
	return out
}

// InProcessConn makes a connection without a socket; it implements nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) { return s.srv.InProcessConn() }

// ClientURL is where clients connect, with the port that was given to us; empty when none can from outside.
func (s *Server) ClientURL() string { return s.clientURL }

// LeafURL is where leaf nodes connect, as for [Options.Hubs]; empty when none can.
func (s *Server) LeafURL() string { return s.leafURL }

// HubLinked reports whether the link to the hub is up; false without a hub. It takes the locks of all leaf links: ask now
// and then, not for every message.
func (s *Server) HubLinked() bool {
	if !s.hub {
		return false
	}
	links, err := s.srv.Leafz(nil)
	if err != nil {
		return false
	}
	for _, l := range links.Leafs {
		if l.IsSpoke { // we are the leaf on this link; on the others somebody is ours
			return true
		}
	}
	return false
}

// Leaves is the number of links to leaf nodes, the one to our own hub included.
func (s *Server) Leaves() int { return s.srv.NumLeafNodes() }

// Shutdown closes every link and listener and waits until all is gone, or until ctx ends: then the rest ends behind.
func (s *Server) Shutdown(ctx context.Context) error {
	go s.srv.Shutdown() // ends with the server, which the wait below sees
	gone := make(chan struct{})
	go func() {
		s.srv.WaitForShutdown()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the NATS server's end: %w", ctx.Err())
	}
}
