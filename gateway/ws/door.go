// Package ws is the native door: JSON text frames {"event","id"?,"data"} over WebSocket, at GET /ws. docs/protocol.md
// describes every frame. The WebSockets are melody's.
package ws

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"beckon/gateway/ice"
	"beckon/gateway/origin"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

const (
	pingEvery     = 10 * time.Second
	pongWait      = 25 * time.Second
	writeWait     = 5 * time.Second
	handshakeWait = 5 * time.Second
	// awayTolerance is for how long NATS may be away before new logins are sent away; shorter absences they wait for.
	awayTolerance = 2 * time.Second
	bufferSize    = 512      // of each connection's reader, which is there however idle it is
	writeBuffer   = 16 << 10 // shared by all; a longer frame is two writes, and wakes its client twice
)

// Clients that are sent away are told to come back in retrySoonest to retryLatest whole seconds, each in another, lest
// they all return in the same.
const retrySoonest, retryLatest = 3, 8

// Rates bound what one session may send a second, with as much again in a burst.
type Rates struct{ Frames, Bytes int }

// Options are what the door works with. All are required.
type Options struct {
	Hub        *session.Hub
	Conn       *bus.Conn
	Origins    origin.Rules
	ICEServers ice.Servers
	Rates      Rates
	Metrics    *session.Metrics
	Log        *slog.Logger
}

// Door is the native door. It is an http.Handler that upgrades the requests it is given, or says why it does not.
type Door struct {
	o      Options
	log    *slog.Logger
	melody *melody.Melody
	limits limits
	conns  sync.WaitGroup // of connections, each served by one goroutine of ours
}

// New makes a door.
func New(o Options) *Door {
	if o.ICEServers == nil {
		o.ICEServers = ice.Servers{} // in JSON an empty array, not null
	}
	d := &Door{
		o: o, log: o.Log.With("component", "ws"), melody: melody.New(),
		limits: limits{
			Frame: wire.MaxFrame, SDP: wire.MaxSDP, Candidate: wire.MaxCandidate, Message: wire.MaxAppMessage,
			Frames: o.Rates.Frames, Bytes: o.Rates.Bytes,
		},
	}
	m := d.melody
	m.Config = &melody.Config{
		WriteWait: writeWait, PongWait: pongWait, PingPeriod: pingEvery, MaxMessageSize: wire.MaxFrame,
		MessageBufferSize: feed + 1, // one place is kept for a close frame
	}
	m.Upgrader = &websocket.Upgrader{
		HandshakeTimeout: handshakeWait,
		ReadBufferSize:   bufferSize, WriteBufferSize: writeBuffer, WriteBufferPool: &sync.Pool{},
		CheckOrigin: o.Origins.Allows,
		// No compression: the read limit counts the bytes of the wire, not those that they unfold to.
	}
	m.HandleConnect(func(s *melody.Session) {
		c := connOf(s)
		defer c.contain()
		c.connected(s)
	})
	m.HandleMessage(func(s *melody.Session, msg []byte) {
		c := connOf(s)
		defer c.contain()
		c.read(msg)
	})
	m.HandleMessageBinary(func(s *melody.Session, _ []byte) {
		c := connOf(s)
		defer c.contain()
		c.binary()
	})
	m.HandleSentMessage(func(s *melody.Session, _ []byte) {
		c := connOf(s)
		defer c.contain()
		c.out.wrote()
	})
	m.HandlePong(func(s *melody.Session) {
		c := connOf(s)
		defer c.contain()
		c.pong()
	})
	m.HandleError(func(s *melody.Session, err error) {
		c := connOf(s)
		defer c.contain()
		c.failed(err) // melody ends the connection after every error
	})
	return d
}

func connOf(s *melody.Session) *conn {
	return socket.Of(s.WebsocketConnection().NetConn()).Attached().(*conn)
}

// ServeHTTP sends away whom it cannot serve, upgrades the others, and returns when the connection has been taken over, so
// that nothing of the request outlives the handshake.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.opens(w, r) {
		return
	}
	sock := socket.FromContext(r.Context())
	if sock == nil {
		d.log.Error("a request did not come through a socket.Listener")
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	c := newConn(d, readLogin(r.URL.RawQuery), sock)
	sock.Attach(c)
	served := make(chan struct{})
	d.conns.Go(func() {
		defer close(served)
		d.serve(c, w, r)
	})
	select {
	case <-c.started:
	case <-served:
	}
}

// opens reports whether a request may be upgraded, and answers it if not. A page cannot read the answer to an upgrade that
// is refused. So it may fetch the same URL without asking for one, and reads then what it would have read.
func (d *Door) opens(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	if origin := r.Header.Get("Origin"); origin != "" {
		// Pages that may not connect may read that they may not: nothing here is a secret.
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		h.Set("Vary", "Origin")
	}
	if !d.o.Origins.Allows(r) {
		d.o.Metrics.TurnedAway("origin")
		http.Error(w, "this page's origin may not connect", http.StatusForbidden)
		return false
	}
	if r.Method != http.MethodGet { // the routes let HEAD pass as well
		h.Set("Allow", http.MethodGet)
		http.Error(w, "only GET is allowed here", http.StatusMethodNotAllowed)
		return false
	}
	upgrade := websocket.IsWebSocketUpgrade(r)
	if reason, why := d.closed(); why != "" {
		if upgrade { // otherwise it is only somebody who asks
			d.o.Metrics.TurnedAway(reason)
		}
		h.Set("Retry-After", strconv.Itoa(retrySoonest+rand.IntN(retryLatest-retrySoonest+1)))
		http.Error(w, why, http.StatusServiceUnavailable)
		return false
	}
	if !upgrade {
		if r.ProtoMajor == 1 { // later versions of HTTP have no such headers: RFC 9113, section 8.2.2
			h.Set("Connection", "Upgrade")
			h.Set("Upgrade", "websocket")
		}
		http.Error(w, "this is a WebSocket: connect with ws:// or wss://", http.StatusUpgradeRequired)
		return false
	}
	return true
}

// closed says why nobody can log in now, for the metric and for the client; nothing if they can.
func (d *Door) closed() (reason, why string) {
	switch {
	case d.o.Hub.Draining():
		return "draining", "this gateway is stopping"
	case d.o.Conn.Away() > awayTolerance:
		return "nats_away", "the message bus is away"
	case d.o.Hub.Full():
		return "full", "this gateway is full"
	}
	return "", ""
}

// serve runs one connection from its upgrade to its end.
func (d *Door) serve(c *conn, w http.ResponseWriter, r *http.Request) {
	defer c.sock.Wait() // melody's writer may still be closing it
	defer func() {
		if s := c.session.Load(); s != nil {
			d.o.Hub.Leave(s)
		}
	}()
	defer c.contain()
	if err := d.melody.HandleRequest(w, r); err != nil {
		d.o.Metrics.TurnedAway("handshake") // gorilla has answered
		d.log.Debug("handshake failed", "err", err)
	}
}

// connected is called by melody after the upgrade, before it reads or writes anything.
func (c *conn) connected(s *melody.Session) {
	defer close(c.started)
	s.Request = nil // and what hangs on it
	c.melody = s
	c.out.to = s
	c.sock.Linger()
	s.WebsocketConnection().SetPingHandler(c.ping)
	if bad := c.login.bad; bad != nil {
		c.refuse(nil, bad)
		c.Close(session.BadLogin)
		return
	}
	login, err := c.door.o.Hub.Login(c, c.login.user, c.login.room, c.login.fullLists)
	switch {
	case err == nil:
		c.session.Store(login)
		c.sock.Established()
	case errors.Is(err, session.ErrDraining):
		c.Close(session.Draining)
	default:
		c.door.log.Warn("login failed", "err", err)
		c.Close(session.NotReady)
	}
}

// Wait returns when every connection has ended.
func (d *Door) Wait() { d.conns.Wait() }
