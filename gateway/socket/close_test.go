package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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
	c := Unbounded(pipe{near})
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
