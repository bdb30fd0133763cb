package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guest is one client of a storm, as cheap as it can be: while nothing comes for it, it has no buffer.
type guest struct {
	user string
	conn *net.TCPConn  // nil before the login
	in   chan struct{} // closed at the welcome

	// Owned by the reader.
	raw      syscall.RawConn
	part     []byte // the beginning of a frame that has not come whole
	want     int    // the length of that frame; 0 while it is unknown
	welcomed bool

	list   atomic.Pointer[list] // nil before the first
	bytes  atomic.Int64         // that were read, of TCP's payload
	frames atomic.Int64         // of WebSocket
	lists  atomic.Int64         // of these, those with the list or a change of it
}

func newGuest(user string) *guest { return &guest{user: user, in: make(chan struct{})} }

// intakeSize is how much a guest reads at a time.
const intakeSize = 256 << 10

var (
	// intakes are lent while something is read and taken.
	intakes = sync.Pool{New: func() any { b := make([]byte, intakeSize); return &b }}
	// parts are of any length, for frames that come in parts.
	parts sync.Pool
)

// login connects and upgrades. What comes behind the answer to that is left to read.
func (g *guest) login(ctx context.Context, gateway, room string, full bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("log %s in: %w", g.user, err)
		}
	}()
	dialer := net.Dialer{Timeout: handshakeTimeout, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", gateway)
	if err != nil {
		return err
	}
	g.conn = conn.(*net.TCPConn)
	if g.raw, err = g.conn.SyscallConn(); err != nil {
		return err
	}
	query := url.Values{"user": {g.user}, "room": {room}}
	if full {
		query.Set("userlist", "full")
	}
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	lent := intakes.Get().(*[]byte)
	defer intakes.Put(lent)
	if _, err := g.conn.Write(appendHandshake((*lent)[:0], gateway, "/ws?"+query.Encode())); err != nil {
		return err
	}
	read, end := 0, -1
	for ; end < 0; end = bytes.Index((*lent)[:read], endOfHeader) {
		n, err := g.conn.Read((*lent)[read:])
		if err != nil {
			return err
		}
		read += n
	}
	end += len(endOfHeader)
	if err := checkHandshake((*lent)[:end]); err != nil {
		return err
	}
	g.bytes.Store(int64(read))
	g.part = bytes.Clone((*lent)[end:read])
	return g.conn.SetDeadline(time.Time{})
}

// hangUp ends the connection, and leaves nothing behind in the kernel that would be in the way of the next storm.
func (g *guest) hangUp() {
	if g.conn != nil {
		_ = g.conn.SetLinger(0)
		g.conn.Close()
	}
}

// read takes frames until the connection ends, which is always an error.
func (g *guest) read(c *crowd) error {
	rest, err := g.takeAll(c, g.part) // of the login
	g.keep(rest)
	for err == nil {
		err = g.readOnce(c)
	}
	return fmt.Errorf("%s reads: %w", g.user, err)
}

// readOnce waits for something and takes it.
func (g *guest) readOnce(c *crowd) error {
	if g.want > 0 {
		return g.readOn(c)
	}
	var lent *[]byte
	had := len(g.part)
	got, err := g.fetch(func() []byte {
		if lent == nil {
			lent = intakes.Get().(*[]byte)
			copy(*lent, g.part)
		}
		return (*lent)[had:]
	})
	if lent != nil {
		defer intakes.Put(lent)
	}
	if err != nil {
		return err
	}
	rest, err := g.takeAll(c, (*lent)[:had+got])
	g.keep(rest)
	return err
}

// readOn reads what is missing of a frame to its place, and takes the frame if it is whole then.
func (g *guest) readOn(c *crowd) error {
	had := len(g.part)
	got, err := g.fetch(func() []byte { return g.part[had:g.want] })
	if g.part = g.part[:had+got]; err != nil || len(g.part) < g.want {
		return err
	}
	part := g.part
	g.part, g.want = nil, 0
	_, err = g.takeAll(c, part)
	parts.Put(&part)
	return err
}

// keep keeps the beginning of a frame, with room for all of it if its length is known.
func (g *guest) keep(rest []byte) {
	g.part, g.want = nil, 0
	if len(rest) == 0 {
		return
	}
	_, g.want, _ = frameLength(rest) // takeAll has looked at it
	if g.want == 0 {
		g.part = bytes.Clone(rest)
		return
	}
	lent, _ := parts.Get().(*[]byte)
	if lent == nil || cap(*lent) < g.want {
		b := make([]byte, 0, g.want)
		lent = &b
	}
	g.part = append((*lent)[:0], rest...)
}

// fetch reads once, when there is something to read, into what to gives then.
func (g *guest) fetch(to func() []byte) (n int, err error) {
	waited := g.raw.Read(func(fd uintptr) bool {
		for err = unix.EINTR; err == unix.EINTR; {
			n, err = unix.Read(int(fd), to())
		}
		return err != unix.EAGAIN
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	g.bytes.Add(int64(n))
	return n, nil
}

// takeAll takes all frames that are whole, and gives what is left.
func (g *guest) takeAll(c *crowd, b []byte) (rest []byte, err error) {
	for {
		f, rest, ok, err := cutFrame(b)
		if err != nil || !ok {
			return rest, err
		}
		if err := g.take(c, f); err != nil {
			return nil, err
		}
		b = rest
	}
}

func (g *guest) take(c *crowd, f wsFrame) error {
	g.frames.Add(1)
	switch f.op {
	case opText:
		return g.event(c, f.payload)
	case opPing:
		_, _ = g.conn.Write(pong(f.payload)) // if the connection has ended, what is left to read says why
		return nil
	case opClose:
		if len(f.payload) < 2 {
			return errors.New("closed by the gateway")
		}
		return fmt.Errorf("closed by the gateway: %d %s", binary.BigEndian.Uint16(f.payload), f.payload[2:])
	default:
		return fmt.Errorf("a frame with opcode %d", f.op)
	}
}

func (g *guest) event(c *crowd, frame []byte) error {
	switch event := nativeWords.event(frame); string(event) {
	case "welcome":
		if me := `"userId":"` + g.user + `"`; g.welcomed || !bytes.Contains(frame, []byte(me)) {
			return fmt.Errorf("not its welcome: %.300q", frame)
		}
		g.welcomed = true
		c.welcome()
		close(g.in)
		return nil
	case "updateUserlist", "userlistDelta":
		if !g.welcomed {
			return errors.New("a list before the welcome")
		}
		g.lists.Add(1)
		before := g.list.Load()
		after, err := c.lists.apply(before, frame)
		if err != nil {
			return err
		}
		g.list.Store(after)
		c.changed(before != nil && before.whole, after.whole)
		return nil
	case "presence": // that lists may be old for a while does not make them wrong
		return nil
	case "userCount":
		return errors.New("the room has become too large for a list; the gateway's --room-list-limit must be higher")
	default:
		return fmt.Errorf("unexpected: %.300q", frame)
	}
}
