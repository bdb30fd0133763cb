package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"beckon/local/proc"
)

// insides are what a server has in use. A black box does not tell: it is the test that runs beside the server's main.
type insides struct {
	Heap        uint64 // bytes, without garbage
	Goroutines  int
	Descriptors int // of files and sockets, where the system tells of them in /proc
}

// insidePrefix begins the line by which a server tells where to ask for its insides.
const insidePrefix = "insides at "

// serveInsides serves as long as the process lives.
func serveInsides() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("%shttp://%s/\n", insidePrefix, l.Addr())
	go func() { _ = http.Serve(l, http.HandlerFunc(tellInsides)) }()
	return nil
}

func tellInsides(w http.ResponseWriter, _ *http.Request) {
	for range 2 { // what a pool holds outlives one collection
		runtime.GC()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	files, _ := os.ReadDir("/proc/self/fd")
	_ = json.NewEncoder(w).Encode(insides{memory.HeapAlloc, runtime.NumGoroutine(), len(files)}) // who asked has gone
}

func (e *echoServer) insides(ctx context.Context) (in insides, err error) {
	a, err := ask(ctx, http.MethodGet, e.inside, "", "Connection", "close")
	if err != nil {
		return in, err
	}
	return in, json.Unmarshal([]byte(a.body), &in)
}

// rude are sessions that make the server hold as much as it will, each in its own way, and then leave without a word.
var rude = map[string]func(t testing.TB, e *echoServer){
	"attachments that never come": func(t testing.TB, e *echoServer) {
		s := openWebSocket(t, e)
		s.ready()
		s.try(text(`454-["message",`+attachments(4)+`]`), hoard, hoard, hoard)
		s.leave()
	},
	"attachments that never come, by polling": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		s.try(text(`454-["message",`+attachments(4)+`]`), hoard, hoard, hoard)
	},
	"answers that are never fetched": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		for range 3 {
			s.try(text(`4`+hoard.data), text(`451-["message",`+attachments(1)+`]`), hoard)
		}
	},
	"answers that are never read": func(t testing.TB, e *echoServer) {
		s := openWebSocket(t, e)
		s.ready()
		for range 3 {
			s.try(text(`451-["message",`+attachments(1)+`]`), hoard)
		}
		s.leave()
	},
	"half a POST": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		half(t, s, "4"+hoard.data, maxPayload).Close()
	},
	"an aborted poll": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		abortedPoll(t, s)
	},
	"a probe that is given up": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		probe(t, s).leave()
		s.try(text("4" + hoard.data))
	},
	"a probe that stays": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		probe(t, s)
	},
	"an upgrade": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		ws := probe(t, s)
		ws.try(text("5"), text("4"+hoard.data))
		ws.leave()
	},
	"nonsense": func(t testing.TB, e *echoServer) {
		s := openWebSocket(t, e)
		s.ready()
		s.try(text("4" + hoard.data))
		s.try(text("abc"))
		for err := error(nil); err == nil; {
			_, err = s.listen()
		}
	},
	"nonsense, by polling": func(t testing.TB, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		s.try(text("abc" + hoard.data))
		s.ends()
	},
	"too much": func(t testing.TB, e *echoServer) {
		s := openWebSocket(t, e)
		s.ready()
		s.try(binary(strings.Repeat("x", maxPayload+1)))
		s.leave()
	},
	"silence": func(t testing.TB, e *echoServer) { openWebSocket(t, e) },
}

// hoard is what the server gets from most of them, some several times.
var hoard = binary(strings.Repeat("x", 30_000))

// leave ends a WebSocket without a close frame.
func (s *session) leave() { s.transport.(socket).Close() }

// Hundreds of sessions of clients that misbehave leave nothing behind: no memory, no goroutine, no descriptor.
func TestRudeSessionsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, shared *echoServer) {
		e := own(t, shared.mode, hasty)
		fresh := e.settled(t, insides{1 << 30, 100, 100})
		const each = 20
		e.misbehave(t, each)
		// Were the sessions of one kind to keep what they heard, most would come to more than that.
		in := e.settled(t, insides{fresh.Heap + 1<<20, fresh.Goroutines + 3, fresh.Descriptors + 3})
		t.Logf("%d rude sessions: %+v, and %+v before them", each*len(rude), in, fresh)
	})
}

// misbehave is rude n times in every way. Connections end with it.
func (e *echoServer) misbehave(t *testing.T, n int) {
	t.Helper()
	for name, session := range rude {
		t.Run(name, func(t *testing.T) {
			steadily(t, func(t testing.TB) {
				for range n {
					session(t, e)
				}
			})
		})
	}
	e.serves(t)
}

// settled waits until the server has no more than that in use.
func (e *echoServer) settled(t *testing.T, most insides) (in insides) {
	t.Helper()
	if err := proc.Await(limited(t), func(ctx context.Context) (err error) {
		client.CloseIdleConnections()
		if in, err = e.insides(ctx); err != nil {
			return err
		}
		if in.Heap > most.Heap || in.Goroutines > most.Goroutines || in.Descriptors > most.Descriptors {
			return fmt.Errorf("the server has %+v, which is more than %+v", in, most)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return in
}
