// Package ws is the native door: JSON text frames {"event","id"?,"data"} over WebSocket, at GET /ws. docs/protocol.md
// describes every frame.
package ws

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/frames"
	"beckon/gateway/ice"
	"beckon/gateway/origin"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/shared/wire"
)

const (
	pingEvery = 10 * time.Second
	pongWait  = 25 * time.Second
	writeWait = 5 * time.Second
)

// Rates bound what one session may send a second, with as much again in a burst.
type Rates struct{ Frames, Bytes int }

// Options are what the door works with. All are required.
type Options struct {
	Hub        *session.Hub
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
	links  *frames.Server
	limits limits
}

// New makes a door.
func New(o Options) *Door {
	if o.ICEServers == nil {
		o.ICEServers = ice.Servers{} // in JSON an empty array, not null
	}
	d := &Door{
		o: o, log: o.Log.With("component", "ws"),
		links: frames.NewServer(linksOf(o)),
		limits: limits{
			Frame: wire.MaxFrame, SDP: wire.MaxSDP, Candidate: wire.MaxCandidate, Message: wire.MaxAppMessage,
			Frames: o.Rates.Frames, Bytes: o.Rates.Bytes,
		},
	}
	return d
}

func linksOf(o Options) frames.Options {
	return frames.Options{
		CheckOrigin: o.Origins.Allows, MaxMessage: wire.MaxFrame, Ping: pingEvery, Pong: pongWait, Write: writeWait,
	}
}

// ServeHTTP sends away whom it cannot serve, upgrades the others, and returns when the connection has been taken over, so
// that nothing of the request outlives the handshake.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.opens(w, r) {
		return
	}
	if socket.FromContext(r.Context()) == nil {
		d.log.Error("a request did not come through a socket.Listener")
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	c := newConn(d, readLogin(r.URL.RawQuery))
	d.links.Serve(w, r, &c.link, &c.out, c, c.over)
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
	if reason, why := d.o.Hub.Closed(); why != "" {
		if upgrade { // otherwise it is only somebody who asks
			d.o.Metrics.TurnedAway(reason)
		}
		h.Set("Retry-After", session.RetryAfter())
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

// Wait returns when every connection has ended.
func (d *Door) Wait() { d.links.Wait() }
