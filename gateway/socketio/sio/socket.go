package sio

import (
	"encoding/json"
	"sync/atomic"

	"beckon/gateway/frames"
	"beckon/gateway/socketio/engineio"
)

// Socket is a client in a namespace.
type Socket struct {
	Auth json.RawMessage // what the client gave when it connected: an object; only in Connect
	Data any             // of who uses the socket; set it in Connect

	client    *client
	namespace string
	state     atomic.Uint32
}

// state is what became of a CONNECT.
type state uint32

const (
	asked state = iota
	accepted
	refused
)

// Namespace is the name of what the socket is in.
func (s *Socket) Namespace() string { return s.namespace }

// Accept lets the client in, and tells it its id, which need not be a secret.
func (s *Socket) Accept(sid string) {
	b := append(engineio.AppendText(nil), packetConnect)
	b = appendNamespace(b, s.namespace)
	b = append(appendName(append(b, `{"sid":`...), sid), '}')
	s.state.Store(uint32(accepted))
	s.client.session.Established()
	s.Send(true, frames.Text(b))
}

// Refuse tells the client why it cannot come in: message, and data that can be encoded as JSON, nil for none. The client
// may try again.
func (s *Socket) Refuse(message string, data any) {
	s.state.Store(uint32(refused))
	s.Send(true, refusal(s.namespace, message, data))
}

// Emit sends an event. It does not ask for an ack.
func (s *Socket) Emit(name string, args Args) frames.Verdict {
	return s.Send(false, encode(packetEvent, s.namespace, 0, name, args)...)
}

// Send queues messages of this namespace that have been encoded ([BeginEvent]). Those that are owed, because they answer
// the client, need no room.
func (s *Socket) Send(owed bool, messages ...frames.Frame) frames.Verdict {
	return s.client.session.Send(owed, messages...)
}

// Written calls fn, which must not block, when everything that is queued now has been written. It is for one caller at a
// time.
func (s *Socket) Written(fn func()) { s.client.session.Written(fn) }

// Close ends the client's connection after what is queued, so that it comes again: no DISCONNECT is sent, after which it
// would not. Code and text are those of a WebSocket's close frame (RFC 6455, section 7.4).
func (s *Socket) Close(code int, text string) { s.client.session.Close(code, text) }

// Ended is closed when the client's connection has ended, or is about to.
func (s *Socket) Ended() <-chan struct{} { return s.client.session.Ended() }

// Event is what a client says.
type Event struct {
	Name        string
	Data        []byte // the JSON array of its name and its arguments. Nobody has looked at it behind the name: read it, strictly
	Attachments [][]byte
	Ack         Ack
}

// Args are the event's arguments. The error is for who handles the event to return.
func (e *Event) Args() (Args, error) {
	args, err := readArgs(e.Data, e.Attachments)
	if err == nil {
		args.Values = args.Values[1:]
	}
	return args, err
}

// Ack is where an event's answer goes.
type Ack struct {
	socket *Socket
	id     AckID
}

// Wanted reports whether the client wants one.
func (a Ack) Wanted() bool { return a.id > 0 }

// Send answers the event, if that is wanted. Call it once at most.
func (a Ack) Send(args Args) {
	if a.Wanted() {
		a.socket.Send(true, encode(packetAck, a.socket.namespace, a.id, "", args)...)
	}
}
