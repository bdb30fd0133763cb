package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// restTimeout is how long a connection may have been without a request and still be used for one. It is shorter than
// servers wait for requests, Node's five seconds included, so that none is sent into a connection that is being closed.
const restTimeout = 3 * time.Second

// webConn is a connection of HTTP/1.1 that is kept alive for one request after the other, and is made anew when it has
// ended. A http.Transport would cost more than what is measured.
type webConn struct {
	server string // host:port

	mu     sync.Mutex
	conn   net.Conn // nil before the first request
	closed bool

	// Owned by whoever calls do.
	in   *bufio.Reader
	out  []byte
	body bytes.Buffer
	used time.Time // when the latest request was answered
}

func newWebConn(server string) *webConn { return &webConn{server: server} }

// close ends a request that is under way, and all those to come.
func (c *webConn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.hangUp()
}

// hangUp is for whoever holds mu.
func (c *webConn) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ready is a connection for a request.
func (c *webConn) ready() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && time.Since(c.used) > restTimeout {
		c.hangUp()
	}
	if c.closed || c.conn != nil {
		if c.closed {
			return nil, net.ErrClosed
		}
		return c.conn, nil
	}
	conn, err := net.DialTimeout("tcp", c.server, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	if c.in == nil {
		c.in = bufio.NewReader(conn)
	} else {
		c.in.Reset(conn)
	}
	return conn, nil
}

// do sends a request and gives the body of the answer, until it is called again. Every status but 200 is an error.
func (c *webConn) do(method, path string, payload []byte) (body []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", method, err)
		}
	}()
	conn, err := c.ready()
	if err != nil {
		return nil, err
	}
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, c.server)
	if payload != nil {
		c.out = fmt.Appendf(c.out, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n", len(payload))
	}
	c.out = append(append(c.out, "\r\n"...), payload...)
	if _, err := conn.Write(c.out); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	c.body.Reset()
	_, err = c.body.ReadFrom(io.LimitReader(resp.Body, maxFrame))
	resp.Body.Close()
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %.200q", resp.Status, c.body.Bytes())
	case resp.Close:
		c.mu.Lock()
		c.hangUp()
		c.mu.Unlock()
	}
	c.used = time.Now()
	return c.body.Bytes(), nil
}
