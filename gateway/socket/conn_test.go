package socket

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestBudget(t *testing.T) {
	for name, test := range map[string]struct {
		budget Budget
		buffer int
	}{
		"of bytes": {Budget{Bytes: 100, Reads: 1 << 30}, 64},
		"of reads": {Budget{Bytes: 1 << 30, Reads: 10}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			const sent = 100_000 // hours above either budget
			conn, peer := connect(t, listen(t, test.budget, 1))
			if _, err := peer.Write(make([]byte, sent)); err != nil {
				t.Fatal(err)
			}
			got, buffer := 0, make([]byte, test.buffer)
			for {
				n, err := conn.Read(buffer)
				got += n
				if err != nil {
					if !errors.Is(err, ErrBudget) {
						t.Fatal(err)
					}
					break
				}
				if got == sent {
					t.Fatal("everything was read")
				}
			}
			if got == 0 {
				t.Error("nothing was read")
			}
		})
	}
}

func TestWithinBudget(t *testing.T) {
	conn, peer := connect(t, listen(t, Budget{Bytes: 1000, Reads: 1000}, 1))
	want := bytes.Repeat([]byte("0123456789"), 150)
	if _, err := peer.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes than were sent")
	}
	peer.Close()
	if _, err := conn.Read(got); err != io.EOF {
		t.Errorf("error %v, want EOF", err)
	}
}

// While frames are queued writes are gathered; the last one writes them all.
func TestGather(t *testing.T) {
	conn, peer := connect(t, listen(t, generous, 1))
	write := func(s string) {
		t.Helper()
		if n, err := conn.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(s), err)
		}
	}
	write("alone ")
	if got := writes(conn); got != 1 {
		t.Fatalf("%d writes, want 1", got)
	}
	for range 3 {
		conn.Queue()
	}
	write("a ")
	conn.Wrote()
	write("control ") // comes from another goroutine, at any time
	write("b1 ")
	write("b2 ")
	conn.Wrote()
	if got := writes(conn); got != 1 {
		t.Errorf("%d writes, want 1 before the last frame", got)
	}
	write("c1 ")
	write("c2 ")
	conn.Wrote()
	write("done")
	want := "alone a control b1 b2 c1 c2 done"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is gathered is bounded: a write that does not fit takes everything before it along.
func TestGatherIsBounded(t *testing.T) {
	conn, peer := connect(t, listen(t, generous, 1))
	conn.Queue()
	conn.Queue()
	first, second := strings.Repeat("a", maxHeld), "b"
	for _, s := range []string{first, second} {
		if _, err := conn.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(first)+len(second))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if string(got) != first+second {
		t.Error("other bytes than were written, or in another order")
	}
}

func TestCloseWritesWhatIsGathered(t *testing.T) {
	for name, linger := range map[string]bool{"lingering": true, "at once": false} {
		t.Run(name, func(t *testing.T) {
			conn, peer := connect(t, listen(t, generous, 1))
			if linger {
				conn.Linger()
			}
			conn.Queue()
			conn.Queue()
			if _, err := conn.Write([]byte("last words")); err != nil {
				t.Fatal(err)
			}
			closed := make(chan error)
			go func() { closed <- conn.Close() }()
			got, err := io.ReadAll(peer)
			if string(got) != "last words" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			peer.Close()
			if err := <-closed; err != nil {
				t.Error(err)
			}
		})
	}
}

// A close that leaves input unread makes the kernel send a reset, behind which nothing is delivered for sure.
func TestCloseReadsWhatNobodyRead(t *testing.T) {
	conn, peer := connect(t, listen(t, generous, 1))
	conn.Linger()
	if _, err := peer.Write(make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- conn.Close() }()
	got, err := io.ReadAll(peer)
	if string(got) != "last words" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	peer.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	conn.Wait()
}

// A reader that is at work while Close drains the input gets nothing of it.
func TestCloseEndsReads(t *testing.T) {
	conn, peer := connect(t, listen(t, generous, 1))
	conn.Linger()
	read := make(chan error)
	go func() {
		n, err := conn.Read(make([]byte, 10))
		if n > 0 {
			t.Errorf("read %d bytes", n)
		}
		read <- err
	}()
	closed := make(chan error)
	go func() { closed <- conn.Close() }()
	if _, err := io.ReadAll(peer); err != nil { // until Close has said that no more will come
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte("too late")); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want %v", err, net.ErrClosed)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// The peer neither reads nor closes, a write is stuck, and a door goes on setting deadlines meanwhile.
func TestCloseIsBounded(t *testing.T) {
	conn, _ := connect(t, listen(t, generous, 1))
	conn.Linger()
	written := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = conn.Write(make([]byte, 64<<10))
		}
		written <- err
	}()
	stop := make(chan struct{})
	var door sync.WaitGroup
	door.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			far := time.Now().Add(time.Hour)
			_ = conn.SetReadDeadline(far)
			_ = conn.SetWriteDeadline(far)
			_ = conn.SetDeadline(far)
		}
	})
	returns(t, "Close", func() { _ = conn.Close() })
	returns(t, "Write", func() { <-written })
	close(stop)
	door.Wait()
}

func TestAbortEndsAStuckWrite(t *testing.T) {
	conn, _ := connect(t, listen(t, generous, 1))
	conn.Linger()
	written := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = conn.Write(make([]byte, 64<<10))
		}
		written <- err
	}()
	conn.Abort()
	returns(t, "Write", func() { <-written })
	returns(t, "Wait", conn.Wait)
	conn.Abort()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// pipe is a connection in memory, with the half-close that TCP has, for tests in virtual time.
type pipe struct{ net.Conn }

func (pipe) CloseWrite() error { return nil }

// piped makes a connection whose peer does nothing.
func piped(t *testing.T) *Conn {
	near, far := net.Pipe()
	c := &Conn{Conn: pipe{near}, ended: make(chan struct{}), release: func() {}}
	t.Cleanup(func() {
		c.Abort()
		far.Close()
	})
	return c
}

func TestCloseLingers(t *testing.T) {
	for name, test := range map[string]struct {
		linger bool
		want   time.Duration
	}{
		"a session's": {true, lingerTime},
		"net/http's":  {false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(t)
				if test.linger {
					c.Linger()
				}
				start := time.Now()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took != test.want {
					t.Errorf("took %v, want %v", took, test.want)
				}
			})
		})
	}
}

func TestAbortCutsCloseShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t)
		c.Linger()
		start := time.Now()
		go c.Close()
		synctest.Wait()
		c.Abort()
		c.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestWaitWithoutClose(t *testing.T) {
	conn, _ := connect(t, listen(t, generous, 1))
	returns(t, "Wait", conn.Wait)
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t)
		start := time.Now()
		c.Expire(time.Second)
		if err := c.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		read := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		if _, err := c.Write([]byte("x")); !errors.Is(err, ErrStalled) {
			t.Errorf("write: %v, want %v", err, ErrStalled)
		}
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Deadlines work as those of any connection until one is the last, and net/http recognizes a read that timed out.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t)
		start := time.Now()
		if err := c.SetReadDeadline(start.Add(time.Second)); err != nil {
			t.Error(err)
		}
		if err := c.SetWriteDeadline(start.Add(2 * time.Second)); err != nil {
			t.Error(err)
		}
		var network net.Error
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, &network) || !network.Timeout() {
			t.Errorf("read: %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the read took %v", took)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, ErrStalled) {
			t.Errorf("write: %v", err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the write took %v", took)
		}
	})
}

// Frames are queued by many, written by one, and control frames come in between from another: however these interleave,
// every byte arrives, in the order in which it was written.
func TestEveryInterleaving(t *testing.T) {
	l := listen(t, generous, 1<<20)
	rapid.Check(t, func(r *rapid.T) {
		conn, peer := connect(t, l)
		conn.Linger()
		frames := rapid.SliceOfN(rapid.IntRange(1, 9000), 0, 60).Draw(r, "frames")
		controls := rapid.IntRange(0, 20).Draw(r, "controls")
		depth := rapid.IntRange(1, 5).Draw(r, "depth")

		var whole sync.Mutex // as the WebSocket library keeps frames whole
		var written []byte
		write := func(parts ...[]byte) {
			whole.Lock()
			defer whole.Unlock()
			for _, p := range parts {
				written = append(written, p...)
				if _, err := conn.Write(p); err != nil {
					t.Error(err)
				}
			}
		}
		queue := make(chan []byte, depth) // filled by the producer, as deep as a door feeds its library
		var all sync.WaitGroup
		all.Go(func() {
			defer close(queue)
			for i, size := range frames {
				frame := make([]byte, 8+size)
				binary.BigEndian.PutUint64(frame, uint64(i))
				conn.Queue()
				queue <- frame
			}
		})
		all.Go(func() {
			for frame := range queue {
				cut := rand.IntN(len(frame))
				write(frame[:cut], frame[cut:])
				conn.Wrote()
			}
		})
		all.Go(func() {
			for range controls {
				write([]byte("control"))
			}
		})
		got := make(chan []byte)
		go func() {
			b, err := io.ReadAll(peer)
			if err != nil {
				t.Error(err)
			}
			peer.Close()
			got <- b
		}()
		all.Wait()
		if held := conn.held; held != nil {
			t.Errorf("%d bytes are gathered although nothing is queued", len(*held))
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if b := <-got; !slices.Equal(b, written) {
			r.Fatalf("%d bytes arrived of %d, or others", len(b), len(written))
		}
	})
}

func TestOf(t *testing.T) {
	conn, peer := connect(t, listen(t, generous, 1))
	if Of(conn) != conn {
		t.Error("a Conn is not found in itself")
	}
	if Of(tls.Server(conn, &tls.Config{})) != conn {
		t.Error("a Conn is not found under TLS")
	}
	if Of(peer) != nil || Of(tls.Server(peer, &tls.Config{})) != nil {
		t.Error("a Conn is found where there is none")
	}
	if conn.Attached() != nil {
		t.Error("something is attached")
	}
	conn.Attach(7)
	if got := Of(conn).Attached(); got != 7 {
		t.Errorf("attached: %v", got)
	}
	if got := FromContext(Context(t.Context(), conn)); got != conn {
		t.Errorf("from the context: %v", got)
	}
	if got := FromContext(Context(t.Context(), peer)); got != nil {
		t.Errorf("from the context of another connection: %v", got)
	}
	if got := FromContext(t.Context()); got != nil {
		t.Errorf("from a context without one: %v", got)
	}
}
