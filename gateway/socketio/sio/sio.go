// Package sio is a server of the Socket.IO protocol, version 5, on Engine.IO: namespaces, events, acks and binary
// attachments. The protocol's document is in the repository socketio/socket.io-protocol. A small server is
//
//	server := sio.New(sio.Options{
//		Connect: func(s *sio.Socket) { s.Accept(rand.Text()) },
//		Event: func(s *sio.Socket, e *sio.Event) error {
//			args, err := e.Args()
//			if err == nil && e.Name == "echo" {
//				s.Emit("echo", args)
//			}
//			return err
//		},
//	})
//	defer server.Close()
//	http.Handle("/socket.io/", server)
package sio

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"beckon/gateway/socketio/engineio"
)

// Options are what a server does.
type Options struct {
	Engine         engineio.Options // without Open; Path is /socket.io/ unless it says otherwise
	ConnectTimeout time.Duration    // for which a client may be in no namespace; 45 s
	Namespaces     []string         // that there are; only / if there are none here
	// WithoutBinary drops attachments as they come, and the arguments of their events: for who has no use for them.
	WithoutBinary bool

	// Connect takes a client that wants into a namespace: call Accept or Refuse, now or later. It must not block.
	Connect func(*Socket)
	// Event takes an event, one at a time for each client and in their order; also of a socket that has still to be
	// accepted. Waiting in it leaves the next one unread. An error ends the connection.
	Event func(*Socket, *Event) error
	// Disconnect is called once for each socket that Connect was called for and that was not refused, when it has left. It
	// must not block. Nil for nobody.
	Disconnect func(*Socket, engineio.Reason)
}

// Server is an http.Handler. Close it.
type Server struct {
	*engineio.Server
	o Options
}

// New makes a server.
func New(o Options) *Server {
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 45*time.Second)
	o.Engine.Path = cmp.Or(o.Engine.Path, "/socket.io/")
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{mainNamespace}
	}
	s := &Server{o: o}
	o.Engine.Open = s.open
	s.Server = engineio.New(o.Engine)
	return s
}

func (s *Server) has(namespace string) bool { return slices.Contains(s.o.Namespaces, namespace) }

func (s *Server) open(session *engineio.Session, _ *http.Request) engineio.Handler {
	c := &client{server: s, session: session, moves: rate.NewLimiter(movesRate, movesBurst)}
	c.watch()
	return c
}
