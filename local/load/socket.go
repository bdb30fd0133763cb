package load

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/gorilla/websocket"
)

const bufferSize = 8 << 10 // the longest frame of ours is written, and many are read, by one system call

var (
	writeBuffers sync.Pool
	dialer       = websocket.Dialer{
		HandshakeTimeout: handshakeTimeout, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, WriteBufferPool: &writeBuffers,
	}
)

// socket is a link over a WebSocket.
type socket struct {
	conn *websocket.Conn
	in   bytes.Buffer // owned by the reader
}

func dialSocket(ctx context.Context, server, path string) (*socket, error) {
	conn, resp, err := dialer.DialContext(ctx, "ws://"+server+path, nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: %s", err, resp.Status)
		}
		return nil, err
	}
	return &socket{conn: conn}, nil
}

// next is the next frame, until it is called again.
func (s *socket) next() ([]byte, error) {
	_, r, err := s.conn.NextReader()
	if err != nil {
		return nil, err
	}
	s.in.Reset()
	_, err = s.in.ReadFrom(r)
	return s.in.Bytes(), err
}

func (s *socket) send(frame []byte) error { return s.conn.WriteMessage(websocket.TextMessage, frame) }

func (s *socket) receive(take func(frame []byte) error) error {
	for {
		frame, err := s.next()
		if err == nil {
			err = take(frame)
		}
		if err != nil {
			return err
		}
	}
}

func (s *socket) close() { s.conn.Close() }
