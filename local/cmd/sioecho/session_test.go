package main

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
)

// errClosed is a session's that the server has closed as it should.
var errClosed = errors.New("the server has closed the session")

// session talks to a server. Its methods fail the test where the server does otherwise than they say.
type session struct {
	t testing.TB
	transport
	e   *echoServer
	sid string
}

// transports open a session each.
var transports = []struct {
	name string
	open func(testing.TB, *echoServer) *session
}{{"polling", openPolling}, {"WebSocket", openWebSocket}}

// onEach tells a story with sessions of either transport.
func onEach(t *testing.T, e *echoServer, story func(t testing.TB, open func() *session)) {
	t.Helper()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			story(t, func() *session { return tr.open(t, e) })
		})
	}
}

// steadilyOnEach is onEach for the tests of times, which take theirs.
func steadilyOnEach(t *testing.T, e *echoServer, story func(t testing.TB, open func() *session)) {
	t.Helper()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			steadily(t, func(t testing.TB) {
				story(t, func() *session { return tr.open(t, e) })
			})
		})
	}
}

// say sends packets in a session that must be open.
func (s *session) say(packets ...packet) {
	s.t.Helper()
	if err := s.write(packets...); err != nil {
		s.t.Fatalf("send %v: %v", packets, err)
	}
}

// try sends packets that the server may have heard enough of before it has them all.
func (s *session) try(packets ...packet) { _ = s.write(packets...) }

// listen is the next packet that is neither a ping, which it answers, nor a noop.
func (s *session) listen() (packet, error) {
	for {
		p, err := s.read()
		switch {
		case err != nil:
			return packet{}, err
		case p == ping:
			s.try(pong)
		case p != noop:
			return p, nil
		}
	}
}

// next is the next packet that is neither ping nor noop in a session that stays open.
func (s *session) next() packet {
	s.t.Helper()
	p, err := s.listen()
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// hears is that these packets come next.
func (s *session) hears(want ...packet) {
	s.t.Helper()
	for _, w := range want {
		if got := s.next(); got != w {
			s.t.Fatalf("heard %v, want %v", got, w)
		}
	}
}

// ends is that the server closes the session at once, and says nothing more in it. That is before the third ping: later it
// might be for want of a CONNECT.
func (s *session) ends() {
	s.t.Helper()
	for pings := 0; ; {
		switch p, err := s.read(); {
		case errors.Is(err, errClosed):
			return
		case err != nil:
			s.t.Fatal(err)
		case p == ping:
			if pings++; pings == 3 {
				s.t.Fatal("the session is still open")
			}
			s.try(pong)
		case p != noop:
			s.t.Fatalf("heard %v, want the session to end", p)
		}
	}
}

// greeting is what is said to a server, and what it answers to one that greets a second time.
func (s *session) greeting() (say, hear packet) {
	if s.e.mode == "engine" {
		return text("4hello"), text("4hello")
	}
	return text(`42["message","hello"]`), text(`42["message-back","hello"]`)
}

// goesOn is that the session, which is connected if it is one of Socket.IO, is open and in order. What the server still has
// to say of what it was sent before may come first.
func (s *session) goesOn() {
	s.t.Helper()
	if err := s.greet(); err != nil {
		s.t.Fatal(err)
	}
}

// goesOnOrEnds is that the server either goes on with the session or closes it in order, where the protocol leaves that to it.
func (s *session) goesOnOrEnds() {
	s.t.Helper()
	if err := s.greet(); err != nil && !errors.Is(err, errClosed) {
		s.t.Fatal(err)
	}
}

func (s *session) greet() error {
	say, hear := s.greeting()
	if err := s.write(say); err != nil && !errors.Is(err, errClosed) {
		return err
	}
	for {
		if p, err := s.listen(); err != nil || p == hear {
			return err
		}
	}
}

// isPinged is that a ping comes next.
func (s *session) isPinged() {
	s.t.Helper()
	for {
		switch p, err := s.read(); {
		case err != nil:
			s.t.Fatal(err)
		case p == ping:
			return
		case p != noop:
			s.t.Fatalf("heard %v, want a ping", p)
		}
	}
}

// isCut is that the WebSocket ends, with a close frame or without.
func (s *session) isCut() {
	s.t.Helper()
	for {
		p, err := s.read()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			s.t.Fatal(err)
		case err != nil:
			return
		case p != noop:
			s.t.Fatalf("heard %v, want the WebSocket to end", p)
		}
	}
}

// ready enters the main namespace where there is one.
func (s *session) ready() {
	s.t.Helper()
	if s.e.mode == "socketio" {
		s.connect("")
	}
}

// connect enters a namespace, whose name is "" or ends in a comma.
func (s *session) connect(namespace string) (sid string) {
	s.t.Helper()
	s.say(text("40" + namespace))
	sid = s.connected(namespace)
	s.hears(text("42" + namespace + `["auth",{}]`))
	return sid
}

// connected is that a CONNECT is answered.
func (s *session) connected(namespace string) (sid string) {
	s.t.Helper()
	p := s.next()
	content, ok := strings.CutPrefix(p.data, "40"+namespace)
	var got map[string]string
	if err := json.Unmarshal([]byte(content), &got); err != nil || !ok || len(got) != 1 || got["sid"] == "" {
		s.t.Fatalf("CONNECT is answered by %v", p)
	}
	if got["sid"] == s.sid {
		s.t.Fatal("the sid of Socket.IO is that of Engine.IO, which is a secret")
	}
	return got["sid"]
}

// serves is that the server takes new sessions, and goes on with them.
func (e *echoServer) serves(t testing.TB) {
	t.Helper()
	for _, tr := range transports {
		s := tr.open(t, e)
		s.ready()
		s.goesOn()
	}
}
