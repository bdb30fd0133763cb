package bus

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestSocketEndsWithAFailedWrite(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	s := newSocket(t.Context(), near)
	if err := s.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Write([]byte("SUB subject 1\r\n")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("wrote %d bytes, %v, to nobody", n, err)
	}
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reading gives %v, want %v", err, io.ErrClosedPipe)
	}
}
