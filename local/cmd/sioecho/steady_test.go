package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A client of a hasty server has 200 ms for a pong. On a machine that has other things to do a session may end for no fault
// of the server's, or of the test's. So somebody feels the pulse of the servers all the time, and a story that fails while
// it falters is told again. One that fails otherwise has failed.
const (
	pulseEvery = 20 * time.Millisecond
	falters    = 50 * time.Millisecond // between two beats, the servers' answers included
	tellings   = 6
)

// faltered is when the pulse was late for the last time, in nanoseconds since 1970.
var faltered atomic.Int64

// feelPulse asks the servers something small, again and again, until ctx ends.
func feelPulse(ctx context.Context) {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for last := time.Now(); ctx.Err() == nil; {
		for _, e := range []*echoServer{hastyEngine, hastySocketio} {
			_, _ = ask(ctx, http.MethodOptions, e.url(pollingQuery), "") // that it fails is for the tests to tell
		}
		now := time.Now()
		if now.Sub(last) > falters {
			faltered.Store(now.UnixNano())
		}
		last = now
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// telling is a test that may be told again: what fails is kept.
type telling struct {
	testing.TB
	failures []string
}

func (l *telling) fail(what string) {
	l.failures = append(l.failures, line()+what)
}

// line is where the test is.
func line() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, ".Test") {
			return fmt.Sprintf("%s:%d: ", filepath.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}

func (l *telling) Error(args ...any)                 { l.fail(fmt.Sprint(args...)) }
func (l *telling) Errorf(format string, args ...any) { l.fail(fmt.Sprintf(format, args...)) }

func (l *telling) Fatal(args ...any) {
	l.fail(fmt.Sprint(args...))
	runtime.Goexit()
}

func (l *telling) Fatalf(format string, args ...any) {
	l.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// steadily tells a story, again if the machine falters.
func steadily(t *testing.T, story func(t testing.TB)) {
	t.Helper()
	for n := 1; ; n++ {
		began := time.Now()
		l := &telling{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			story(l)
		}()
		<-ended // every wait in a story is bounded
		if l.failures == nil {
			return
		}
		// The pulse that was missed may still have to be felt.
		until(t, time.Now().Add(2*falters))
		failures := strings.Join(l.failures, "\n")
		if n == tellings || faltered.Load() < began.UnixNano() {
			t.Fatalf("told %d times:\n%s", n, failures)
		}
		t.Logf("the machine falters; again, because of\n%s", failures)
	}
}
