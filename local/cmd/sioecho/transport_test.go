package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// transport is one of the two of Engine.IO.
type transport interface {
	// write sends packets together where that is possible.
	write(packets ...packet) error
	// read is the next packet.
	read() (packet, error)
}

// polling is the transport by HTTP requests.
type polling struct {
	t     testing.TB
	url   string
	queue []packet // of the latest answer
}

const pollingQuery = "EIO=4&transport=polling"

func openPolling(t testing.TB, e *echoServer) *session {
	t.Helper()
	a := get(t, e.url(pollingQuery))
	if a.status != http.StatusOK {
		t.Fatal(a)
	}
	sid := opened(t, e, a.body, "websocket").SID
	p := &polling{t: t, url: e.url(pollingQuery + "&sid=" + sid)}
	return &session{t, p, e, sid}
}

func (p *polling) write(packets ...packet) error {
	a, err := ask(limited(p.t), http.MethodPost, p.url, encode(packets), "Content-Type", "text/plain;charset=UTF-8")
	switch {
	case err != nil:
		return err
	case a.status == http.StatusBadRequest:
		return errClosed
	case a.status != http.StatusOK || a.body != "ok":
		return fmt.Errorf("POST is answered by %v", a)
	}
	return nil
}

func (p *polling) read() (packet, error) {
	for len(p.queue) == 0 {
		a, err := ask(limited(p.t), http.MethodGet, p.url, "")
		switch {
		case err != nil:
			return packet{}, err
		case a.status == http.StatusBadRequest:
			return packet{}, errClosed
		case a.status != http.StatusOK:
			return packet{}, fmt.Errorf("GET is answered by %v", a)
		}
		if p.queue, err = decode(a.body); err != nil {
			return packet{}, err
		}
	}
	next := p.queue[0]
	p.queue = p.queue[1:]
	if next != over {
		return next, nil
	}
	// The session is over, and nothing may follow.
	if len(p.queue) > 0 {
		return packet{}, fmt.Errorf("%v after the close packet", p.queue)
	}
	a, err := ask(limited(p.t), http.MethodGet, p.url, "")
	if err != nil {
		return packet{}, err
	}
	if a.status != http.StatusBadRequest {
		return packet{}, fmt.Errorf("GET after the close packet is answered by %v", a)
	}
	return packet{}, errClosed
}

// socket is the transport by WebSocket.
type socket struct{ *websocket.Conn }

const socketQuery = "EIO=4&transport=websocket"

func openWebSocket(t testing.TB, e *echoServer) *session {
	t.Helper()
	s := dial(t, e, socketQuery)
	p, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	s.sid = opened(t, e, p.data).SID
	return s
}

// dialSocket makes a WebSocket. Where that fails, the answer says why.
func dialSocket(t testing.TB, e *echoServer, query string) (*websocket.Conn, answer, error) {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(limited(t), "ws"+strings.TrimPrefix(e.url(query), "http"), nil)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		return conn, answer{}, nil
	}
	if resp == nil {
		return nil, answer{}, err
	}
	body, _ := io.ReadAll(resp.Body) // the dialer has read what there is
	return nil, answer{resp.StatusCode, resp.Header, string(body)}, err
}

// dial makes a WebSocket and reads nothing.
func dial(t testing.TB, e *echoServer, query string) *session {
	t.Helper()
	conn, a, err := dialSocket(t, e, query)
	if err != nil {
		t.Fatalf("%v: %v", err, a)
	}
	return &session{t: t, transport: socket{conn}, e: e}
}

func (s socket) write(packets ...packet) error {
	for _, p := range packets {
		kind := websocket.TextMessage
		if p.binary {
			kind = websocket.BinaryMessage
		}
		if err := s.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if err := s.WriteMessage(kind, []byte(p.data)); err != nil {
			return fmt.Errorf("%w: %w", errClosed, err)
		}
	}
	return nil
}

// read is errClosed after a close frame only.
func (s socket) read() (packet, error) {
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return packet{}, err
	}
	kind, data, err := s.ReadMessage()
	if err != nil {
		var frame *websocket.CloseError
		if errors.As(err, &frame) && frame.Code != websocket.CloseAbnormalClosure {
			return packet{}, fmt.Errorf("%w: %w", errClosed, err)
		}
		return packet{}, err
	}
	return packet{kind == websocket.BinaryMessage, string(data)}, nil
}
