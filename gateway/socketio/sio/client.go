package sio

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"beckon/gateway/frames"
	"beckon/gateway/socketio/clock"
	"beckon/gateway/socketio/engineio"
)

// client is one Engine.IO session, and what it is in.
type client struct {
	server  *Server
	session *engineio.Session
	idle    clock.Alarm

	// Owned by Message.
	partial *partial      // of a packet whose attachments have not all come; nil for none
	moves   *rate.Limiter // CONNECT and DISCONNECT

	mu      sync.Mutex // held while Connect and Disconnect are called, so that the one is over before the other begins
	closed  bool
	sockets []*Socket
}

// A client may come and go movesBurst times, and movesRate times more each second: it makes many hands move.
const (
	movesRate  = rate.Limit(1)
	movesBurst = 32
)

// partial is a packet that waits for attachments.
type partial struct {
	packet
	size int // bytes, of all that has come
	got  [][]byte
}

// watch has the client ended if it is in no namespace after ConnectTimeout.
func (c *client) watch() { c.watchFor(c.server.o.ConnectTimeout) }

func (c *client) watchFor(d time.Duration) {
	c.server.Clock().Set(&c.idle, time.Now().Add(d), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		undecided := false
		for _, s := range c.sockets {
			switch state(s.state.Load()) {
			case accepted:
				return
			case asked:
				undecided = true
			}
		}
		if undecided {
			c.watchFor(time.Second)
			return
		}
		c.session.Close(1008, "in no namespace")
	})
}

// Message implements engineio.Handler.
func (c *client) Message(msg []byte, binary bool) error {
	switch {
	case binary:
		return c.attach(msg)
	case c.partial != nil:
		return malformed("text instead of an attachment")
	}
	p, err := parse(msg)
	if err != nil {
		return err
	}
	if p.attachments > 0 {
		return c.begin(&p)
	}
	return c.take(&p, nil)
}

// begin notes a packet whose attachments have still to come.
func (c *client) begin(p *packet) error {
	if c.socket(p.namespace) == nil {
		return errNowhere
	}
	if err := checkPlaceholders(p.data, p.attachments); err != nil {
		return err
	}
	kept := []byte("[]") // of what is not wanted with its attachments
	if p.typ == packetBinaryAck {
		if err := checkAck(p); err != nil {
			return err
		}
	} else {
		name, err := eventName(p.data)
		if err != nil {
			return err
		}
		kept = append(appendName([]byte{'['}, name), ']')
	}
	size := len(p.data)
	if !c.server.o.WithoutBinary {
		kept = bytes.Clone(p.data) // the message may be a part of a large payload
	}
	p.data = kept
	c.partial = &partial{packet: *p, size: size}
	return nil
}

// attach takes an attachment of the packet that waits for it.
func (c *client) attach(data []byte) error {
	if c.partial == nil {
		return malformed("an attachment of nothing")
	}
	part := c.partial
	if part.size += len(data); part.size > c.server.MaxPayload() {
		return malformed("attachments too large")
	}
	if c.server.o.WithoutBinary {
		data = nil
	}
	if part.got = append(part.got, data); len(part.got) < part.attachments {
		return nil
	}
	c.partial = nil
	return c.take(&part.packet, part.got)
}

// take does what a packet says.
func (c *client) take(p *packet, attachments [][]byte) error {
	if (p.typ == packetConnect || p.typ == packetDisconnect) && !c.moves.Allow() {
		return malformed("it comes and goes too often")
	}
	if p.typ == packetConnect {
		return c.connect(p)
	}
	socket := c.socket(p.namespace)
	if socket == nil {
		return errNowhere
	}
	switch p.typ {
	case packetDisconnect:
		if p.data != nil {
			return malformed("DISCONNECT with a payload")
		}
		c.disconnect(socket)
		return nil
	case packetEvent, packetBinaryEvent:
		name, err := eventName(p.data)
		if err != nil {
			return err
		}
		return c.server.o.Event(socket, &Event{
			Name: name, Data: p.data, Attachments: attachments, Ack: Ack{socket: socket, id: p.ack},
		})
	case packetAck, packetBinaryAck: // nobody asked for one
		return checkAck(p)
	default:
		return malformed("not for servers")
	}
}

// connect lets a client into a namespace.
func (c *client) connect(p *packet) error {
	auth := json.RawMessage("{}")
	if p.data != nil {
		if p.data[0] != '{' || !json.Valid(p.data) {
			return malformed("CONNECT with a payload that is no object")
		}
		var compact bytes.Buffer
		_ = json.Compact(&compact, p.data) // is valid
		auth = compact.Bytes()
	}
	if !c.server.has(p.namespace) {
		c.session.Send(true, refusal(p.namespace, "Invalid namespace", nil))
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil
	case c.find(p.namespace) != nil:
		return malformed("CONNECT twice")
	}
	s := &Socket{client: c, namespace: p.namespace, Auth: auth}
	c.sockets = append(c.sockets, s)
	c.server.o.Connect(s)
	s.Auth = nil
	return nil
}

var errNowhere = malformed("of a namespace that the client is not in")

func (c *client) disconnect(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.remove(s) {
		return
	}
	if len(c.sockets) == 0 {
		c.watch()
	}
	c.left(s, engineio.ClientClosed)
}

// Closed implements engineio.Handler.
func (c *client) Closed(why engineio.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.server.Clock().Stop(&c.idle)
	all := c.sockets
	c.sockets = nil
	for _, s := range all {
		if state(s.state.Load()) != refused {
			c.left(s, why)
		}
	}
}

func (c *client) left(s *Socket, why engineio.Reason) {
	if c.server.o.Disconnect != nil {
		c.server.o.Disconnect(s, why)
	}
}

// socket finds a namespace's socket, nil if there is none.
func (c *client) socket(namespace string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(namespace)
}

// find is socket under mu. A socket that was refused is put out by the way.
func (c *client) find(namespace string) *Socket {
	for _, s := range c.sockets {
		if s.namespace != namespace {
			continue
		}
		if state(s.state.Load()) != refused {
			return s
		}
		c.remove(s)
		break
	}
	return nil
}

// remove puts a socket out, and reports whether it was in.
func (c *client) remove(gone *Socket) bool {
	for i, s := range c.sockets {
		if s == gone {
			c.sockets = append(c.sockets[:i:i], c.sockets[i+1:]...)
			return true
		}
	}
	return false
}

// refusal is CONNECT_ERROR.
func refusal(namespace, message string, data any) frames.Frame {
	b := append(engineio.AppendText(nil), packetConnectError)
	b = appendNamespace(b, namespace)
	text, _ := json.Marshal(struct { // who refuses gives data that can be encoded
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{message, data})
	return frames.Text(append(b, text...))
}
