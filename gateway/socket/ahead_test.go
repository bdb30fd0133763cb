package socket

import (
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Whatever sizes are written and asked for, everything is read, in order, and an idle connection holds no buffer.
func TestReadAhead(t *testing.T) {
	conn, peer := connect(t, listen(t, Budget{Bytes: 1 << 30, Reads: 1 << 30}, 1))
	rapid.Check(t, func(t *rapid.T) {
		want := make([]byte, rapid.IntRange(1, 100_000).Draw(t, "bytes"))
		for i := range want {
			want[i] = byte(rand.Uint32())
		}
		sent := make(chan error, 1) // filled once
		go func() {
			_, err := peer.Write(want)
			sent <- err
		}()
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 255, 256, 512, 4096, 40_000}), 1, 20).Draw(t, "sizes")
		var got []byte
		for i := 0; len(got) < len(want); i++ {
			p := make([]byte, min(sizes[i%len(sizes)], len(want)-len(got)))
			n, err := conn.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p[:n]...)
		}
		if string(got) != string(want) {
			t.Fatal("what was read is not what was written")
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if conn.ahead != nil {
			t.Fatal("a buffer is held although everything has been read")
		}
	})
}

// A reader with a small buffer makes few system calls for a large frame.
func TestReadAheadSavesCalls(t *testing.T) {
	const frame = 10_000
	conn, peer := connect(t, listen(t, Budget{Bytes: 1 << 30, Reads: 5}, 1))
	if _, err := peer.Write(make([]byte, frame)); err != nil {
		t.Fatal(err)
	}
	for range frame / 500 {
		if _, err := io.ReadFull(conn, make([]byte, 500)); err != nil {
			t.Fatalf("a budget of a few reads is used up: %v", err)
		}
	}
}
