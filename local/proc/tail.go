package proc

import (
	"bytes"
	"sync"
)

// tailSize is how much output of a process is kept, at least.
const tailSize = 16 << 10

// tail keeps the end of what is written to it, in whole lines once it has to cut.
type tail struct {
	mu  sync.Mutex
	buf []byte // at most twice tailSize and one write
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailSize {
		keep := t.buf[len(t.buf)-tailSize:]
		if eol := bytes.IndexByte(keep, '\n'); eol >= 0 {
			keep = keep[eol+1:]
		}
		t.buf = append([]byte(nil), keep...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
