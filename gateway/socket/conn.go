// Package socket is what lies beneath every door of the gateway: a net.Conn that has a budget for what it reads, gathers
// the writes of a busy session, and ends without losing its last words.
//
// The doors cannot do these things themselves. Pings, empty fragments and one-byte trickles never reach a WebSocket
// library's message handler, a library writes one frame at a time, and closing a TCP connection that has unread input
// resets it, which can destroy a close frame on its way.
package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxHeld bounds what a connection gathers before it writes.
	maxHeld = 16 << 10
	// lingerTime and lingerBytes bound how long Close waits for the peer to take our last words and go.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// Errors of a connection, beside those of the one below.
var (
	// ErrBudget is the error of a read that exceeded the connection's [Budget].
	ErrBudget = errors.New("read budget exceeded")
	// ErrStalled is the error of a write that its deadline ended: the peer does not read.
	ErrStalled = errors.New("the peer does not read")
)

// Budget bounds what one connection may make us read, averaged over a second with as much again in a burst.
type Budget struct {
	Bytes int
	Reads int // system calls
}

// Conn is a net.Conn as the package comment has it. Its creator is [Listener].
type Conn struct {
	net.Conn
	bytes, reads *rate.Limiter
	attached     any
	listener     *Listener // nil for none
	from         string    // the peer's address
	counted      atomic.Bool

	queued  atomic.Int32 // frames that the door has queued and not yet written, one being written included
	lingers atomic.Bool
	closed  atomic.Bool
	ended   chan struct{} // closed when Close or Abort is through

	deadlines sync.Mutex // held while one is set
	last      bool       // the deadline that stands is the last one

	// Owned by the reader.
	more   bool    // the read before filled its buffer
	ahead  *[]byte // lent by buffers while it has something unread; nil for none
	unread []byte  // part of ahead

	mu   sync.Mutex // orders writes, which come from a session's writer and, for control frames, from its reader
	held *[]byte    // gathered and not yet written; nil for none
}

// Unbounded makes conn a Conn without a budget and without a listener, for servers that need neither.
func Unbounded(conn net.Conn) *Conn {
	return &Conn{
		Conn: conn, ended: make(chan struct{}),
		bytes: rate.NewLimiter(rate.Inf, 0), reads: rate.NewLimiter(rate.Inf, 0),
	}
}

// buffers are empty slices with room for maxHeld, to gather writes and to read ahead.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, maxHeld); return &b }}

// leastFull is the least buffer whose being full says something: net/http waits for requests with one byte.
const leastFull = 256

// Established tells the listener that the peer has become a session, so that it no longer counts as one that has still to
// say what it wants.
func (c *Conn) Established() {
	if c.listener != nil && c.counted.Swap(false) {
		c.listener.waiting.leave(c.from)
	}
}

// Pending takes Established back: what the peer says next begins anew.
func (c *Conn) Pending() {
	if c.listener == nil || c.counted.Swap(true) {
		return
	}
	c.listener.waiting.force(c.from)
	if c.closed.Load() {
		c.Established()
	}
}

// Linger has Close wait for the peer from now on. Until then the connection is net/http's, which closes many in a row.
func (c *Conn) Linger() { c.lingers.Store(true) }

// Queue notes that a frame is about to be queued for writing.
func (c *Conn) Queue() { c.queued.Add(1) }

// Wrote notes that a queued frame has been passed to Write whole.
func (c *Conn) Wrote() { c.queued.Add(-1) }

// Attach keeps v for callbacks that are given nothing but the connection ([Of], [Conn.Attached]). Call it once, before
// they begin.
func (c *Conn) Attach(v any) { c.attached = v }

// Attached is what Attach kept.
func (c *Conn) Attached() any { return c.attached }

// Of finds the Conn beneath conn, which is one itself or TLS over one; nil if there is none.
func Of(conn net.Conn) *Conn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

// Read implements net.Conn. Whoever reads gives small buffers, so that idle connections are small; a read that fills one
// means that more is waiting, and then the next one reads ahead into a buffer that is lent until what it got is read: also
// while it waits, on the rare connection whose last read happened to end where its buffer did.
func (c *Conn) Read(p []byte) (int, error) {
	if c.ahead == nil && !c.more {
		n, err := c.fetch(p)
		c.more = n == len(p) && n >= leastFull
		return n, err
	}
	if c.ahead == nil {
		lent := buffers.Get().(*[]byte)
		n, err := c.fetch((*lent)[:cap(*lent)])
		if c.more = n == cap(*lent); n == 0 {
			buffers.Put(lent)
			return 0, err
		}
		c.ahead, c.unread = lent, (*lent)[:n]
	}
	n := copy(p, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		buffers.Put(c.ahead)
		c.ahead, c.unread = nil, nil
	}
	return n, nil
}

// fetch is one system call's worth of the budget.
func (c *Conn) fetch(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.closed.Load() {
		return 0, net.ErrClosed // Close is draining the input
	}
	if err != nil {
		return n, err
	}
	now := time.Now()
	if !c.reads.AllowN(now, 1) || !c.bytes.AllowN(now, n) {
		return 0, ErrBudget
	}
	return n, nil
}

// Write implements net.Conn. While more frames are queued than the one being written it only gathers: whoever queued
// them will make the next Write come, or Close, and those write everything.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued.Load() > 1 && c.heldBytes()+len(p) <= maxHeld {
		if c.held == nil {
			c.held = buffers.Get().(*[]byte)
		}
		*c.held = append(*c.held, p...)
		return len(p), nil
	}
	if c.held == nil {
		n, err := c.Conn.Write(p)
		return n, stalled(err)
	}
	bufs := net.Buffers{*c.held, p}
	_, err := bufs.WriteTo(c.Conn)
	c.drop()
	if err != nil {
		return 0, stalled(err)
	}
	return len(p), nil
}

func stalled(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStalled
	}
	return err
}

func (c *Conn) heldBytes() int {
	if c.held == nil {
		return 0
	}
	return len(*c.held)
}

func (c *Conn) drop() {
	*c.held = (*c.held)[:0]
	buffers.Put(c.held)
	c.held = nil
}

// SetDeadline implements net.Conn, until [Conn.Expire] or Close has set the last deadline. So do the two below.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetDeadline, t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetReadDeadline, t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetWriteDeadline, t) }

func (c *Conn) setDeadline(set func(time.Time) error, t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.last {
		return nil
	}
	return set(t)
}

// Expire sets a deadline to all that the connection may still do, which nothing but Close moves: for a peer that has been
// told to go.
func (c *Conn) Expire(after time.Duration) {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.last = true
	_ = c.Conn.SetDeadline(time.Now().Add(after)) // fails only when the connection has ended
}

// CloseWrite tells the peer that no more will come.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Close writes what is gathered, says that no more will come, and, if the connection lingers, reads and drops what the
// peer still sends until the peer closes too or [lingerTime] has passed, before it closes.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	defer close(c.ended)
	defer c.Established()
	c.Expire(lingerTime) // also wakes a reader and a writer at last
	c.mu.Lock()
	if c.held != nil {
		_, _ = c.Conn.Write(*c.held)
		c.drop()
	}
	c.mu.Unlock()
	if c.lingers.Load() && c.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

// Abort closes at once, for a peer that does not read. A Close that is under way is cut short.
func (c *Conn) Abort() {
	if !c.closed.Swap(true) {
		defer close(c.ended)
		defer c.Established()
	}
	_ = c.Conn.Close()
}

// Wait returns when a Close or Abort that has begun is through; at once if none has.
func (c *Conn) Wait() {
	if c.closed.Load() {
		<-c.ended
	}
}
