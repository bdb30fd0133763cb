package socket

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

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
