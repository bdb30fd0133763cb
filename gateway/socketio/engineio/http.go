package engineio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/socket"
)

// Refusal answers a request that is not served: as JSON, {"code","message"}.
type Refusal struct {
	Status     int    // of HTTP
	Code       int    // of the protocol
	Message    string // for people
	RetryAfter string // the header's value; empty for none
}

// The protocol's refusals.
var (
	unknownTransport = Refusal{Status: http.StatusBadRequest, Code: 0, Message: "Transport unknown"}
	unknownSession   = Refusal{Status: http.StatusBadRequest, Code: 1, Message: "Session ID unknown"}
	badMethod        = Refusal{Status: http.StatusBadRequest, Code: 2, Message: "Bad handshake method"}
	badRequest       = Refusal{Status: http.StatusBadRequest, Code: 3, Message: "Bad request"}
	forbidden        = Refusal{Status: http.StatusForbidden, Code: 4, Message: "Forbidden"}
	unknownVersion   = Refusal{Status: http.StatusBadRequest, Code: 5, Message: "Unsupported protocol version"}
	tooLarge         = Refusal{Status: http.StatusRequestEntityTooLarge, Code: 3, Message: "Payload too large"}
	closing          = Refusal{Status: http.StatusServiceUnavailable, Code: 3, Message: "Closing"}
	fault            = Refusal{Status: http.StatusInternalServerError, Code: 3, Message: "Internal error"}
)

func refuse(w http.ResponseWriter, refusal *Refusal) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWait)) // unsupported only where there is none
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if refusal.RetryAfter != "" {
		h.Set("Retry-After", refusal.RetryAfter)
	}
	body, _ := json.Marshal(struct { // cannot fail: a number and a text
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{refusal.Code, refusal.Message})
	w.WriteHeader(refusal.Status)
	_, _ = w.Write(body) // fails when the client has gone
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != s.o.Path {
		http.NotFound(w, r)
		return
	}
	if !s.o.Origin(r) {
		refuse(w, &forbidden)
		return
	}
	s.cors(w, r)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, &badRequest)
		return
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // net/http would wait for a body that may never come
		refuse(w, &badRequest)
		return
	}
	transport, sid := q.Get("transport"), q.Get("sid")
	overWebSocket := transport == "websocket"
	switch {
	case transport != "polling" && !overWebSocket:
		refuse(w, &unknownTransport)
	case sid != "":
		s.proceed(w, r, sid, overWebSocket)
	case r.Method != http.MethodGet:
		refuse(w, &badMethod)
	case overWebSocket && !websocket.IsWebSocketUpgrade(r):
		refuse(w, &badRequest)
	case q.Get("EIO") != "4":
		refuse(w, &unknownVersion)
	default:
		s.begin(w, r, overWebSocket)
	}
}

// cors lets pages of an allowed origin read the answers: the Fetch standard, section "CORS protocol".
func (s *Server) cors(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if s.public {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Max-Age", "600")
		if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
			h.Set("Access-Control-Allow-Headers", headers)
			h.Add("Vary", "Access-Control-Request-Headers")
		}
	}
}

// begin opens a session.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, overWebSocket bool) {
	if s.isClosed() {
		refuse(w, &closing)
		return
	}
	if s.o.Admit != nil {
		if refusal := s.o.Admit(r); refusal != nil {
			refuse(w, refusal)
			return
		}
	}
	session := newSession(s, socket.Place(r.RemoteAddr))
	if overWebSocket {
		c := &connection{session: session, opens: func() Handler { return s.o.Open(session, r) }}
		s.serve(w, r, c)
		return
	}
	session.handler = s.o.Open(session, r)
	session.begin()
	if !s.add(session) {
		session.end(ServerClosed)
		refuse(w, &closing)
		return
	}
	_ = respond(w, session.handshake()) // a client that does not hear it cannot go on, and is gone when it does not poll
}

// proceed serves a request of a session.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, sid string, overWebSocket bool) {
	session := s.session(sid)
	switch {
	case session == nil, session.overdue(time.Now()):
		refuse(w, &unknownSession)
	case overWebSocket && !websocket.IsWebSocketUpgrade(r):
		refuse(w, &badRequest)
	case overWebSocket:
		c := &connection{session: session, probes: true}
		session.seat(c) // before it is told that it has been upgraded: who is told first comes first
		s.serve(w, r, c)
	case session.upgraded.Load():
		refuse(w, &badRequest)
	case r.Method == http.MethodGet:
		session.poll(w, r)
	case r.Method == http.MethodPost:
		session.post(w, r)
	default:
		refuse(w, &badRequest)
	}
}
