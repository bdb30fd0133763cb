package load

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
)

// What clients need of Engine.IO 4: its two transports, and its heartbeat. There are thousands of them, and they share the
// machine with the servers.

// enginePath is where Engine.IO is served.
const enginePath = "/socket.io/?EIO=4"

// separator stands between the packets of a payload of long polling.
const separator = 0x1e

// open is what a server says first.
type open struct {
	SID        string
	MaxPayload int
}

func readOpen(packet []byte) (o open, err error) {
	if err := readPacket(packet, "0", &o); err != nil {
		return open{}, err
	}
	if o.SID == "" || o.MaxPayload < bufferSize {
		return open{}, fmt.Errorf("a session that is of no use: %.200q", packet)
	}
	return o, nil
}

// pump passes on what arrives but for the server's pings, which it answers.
func pump(next func() ([]byte, error), send, take func(packet []byte) error) error {
	for {
		packet, err := next()
		switch {
		case err == nil && string(packet) == "2":
			err = send([]byte("3"))
		case err == nil:
			err = take(packet)
		}
		if err != nil {
			return err
		}
	}
}

// engineSocket is a link over Engine.IO's WebSocket.
type engineSocket struct {
	socket *socket
	mu     sync.Mutex // orders what is sent and the answers to pings
}

func (s *engineSocket) send(packet []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket.send(packet)
}

func (s *engineSocket) receive(take func(packet []byte) error) error {
	return pump(s.socket.next, s.send, take)
}

func (s *engineSocket) close() { s.socket.close() }

// polling is a link over Engine.IO's long polling, as clients in browsers do it: a GET is always waiting, and what is to be
// sent goes into one POST after the other, into each all that has gathered during the one before.
type polling struct {
	path       string // of all requests, with the session's id once there is one
	most       int    // bytes that a POST may have
	gets, says *webConn

	mu    sync.Mutex
	queue [][]byte      // payloads to be posted
	spare []byte        // for a payload
	wake  chan struct{} // one place: there is something in the queue

	rest []byte // what has not been taken of the payload that the last GET brought; owned by the reader
}

func newPolling(server string) *polling {
	return &polling{
		path: enginePath + "&transport=polling", gets: newWebConn(server), says: newWebConn(server), wake: make(chan struct{}, 1),
	}
}

// open makes a session.
func (l *polling) open() error {
	packet, err := l.next()
	if err != nil {
		return err
	}
	o, err := readOpen(packet)
	if err != nil {
		return err
	}
	l.path += "&sid=" + o.SID
	l.most = o.MaxPayload
	return nil
}

// next is the next packet, until it is called again.
func (l *polling) next() (packet []byte, err error) {
	if len(l.rest) == 0 {
		if l.rest, err = l.gets.do("GET", l.path, nil); err != nil {
			return nil, err
		}
	}
	packet, l.rest, _ = bytes.Cut(l.rest, []byte{separator})
	return packet, nil
}

// post sends a payload.
func (l *polling) post(payload []byte) error {
	answer, err := l.says.do("POST", l.path, payload)
	if err == nil && string(answer) != "ok" {
		err = fmt.Errorf("a POST was answered %.200q", answer)
	}
	return err
}

func (l *polling) send(packet []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.queue); n > 0 && len(l.queue[n-1])+1+len(packet) <= l.most {
		l.queue[n-1] = append(append(l.queue[n-1], separator), packet...)
	} else {
		l.queue = append(l.queue, append(l.spare[:0], packet...))
		l.spare = nil
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

func (l *polling) receive(take func(packet []byte) error) error {
	stop := make(chan struct{})
	flushed := make(chan error, 1) // filled once
	go func() {
		err := l.flush(stop)
		if err != nil {
			l.gets.close() // which ends pump
		}
		flushed <- err
	}()
	err := pump(l.next, l.send, take)
	close(stop)
	l.close()
	return errors.Join(err, <-flushed)
}

// flush posts what is queued, until a POST fails or it is stopped.
func (l *polling) flush(stop <-chan struct{}) error {
	for {
		payload := l.queued()
		if payload == nil {
			select {
			case <-l.wake:
				continue
			case <-stop:
				return nil
			}
		}
		if err := l.post(payload); err != nil {
			return err
		}
		l.mu.Lock()
		l.spare = payload
		l.mu.Unlock()
	}
}

// queued takes the first payload off the queue; nil if there is none.
func (l *polling) queued() (payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	payload = l.queue[0]
	l.queue = l.queue[:copy(l.queue, l.queue[1:])]
	return payload
}

func (l *polling) close() {
	l.gets.close()
	l.says.close()
}
