package ws

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/frames"
)

// An idle connection costs the door a reader and a writer: net/http's goroutine, and what hangs on it, is gone.
func TestGoroutines(t *testing.T) {
	f := start(t, setup{})
	f.login("first") // so that everything is running that ever will
	before := runtime.NumGoroutine()
	const n = 50
	for i := range n {
		f.peer(fmt.Sprint("user", i))
	}
	f.Await("two goroutines a connection", func() bool { return runtime.NumGoroutine() <= before+2*n })
	stacks := make([]byte, 1<<20)
	if stacks = stacks[:runtime.Stack(stacks, true)]; strings.Contains(string(stacks), "net/http.(*conn).serve") {
		t.Error("net/http still serves a connection")
	}
}

// peer is the least that can be the other end of a connection, so that what a benchmark measures is the door's.
type peer struct {
	conn net.Conn
	read *bufio.Reader // nil when idle
}

func (f *fixture) peer(user string) *peer {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.Address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * patience)); err != nil {
		f.t.Fatal(err)
	}
	p := &peer{conn, bufio.NewReader(conn)}
	_, err = fmt.Fprintf(conn, "GET /ws?user=%s&room=%[1]s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", user)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.ReadResponse(p.read, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		f.t.Fatal(resp, err)
	}
	p.hears(f.t, "welcome")
	p.hears(f.t, "updateUserlist")
	return p
}

// hears reads frames to the first of an event.
func (p *peer) hears(t testing.TB, event string) {
	t.Helper()
	for {
		var head [4]byte
		if _, err := io.ReadFull(p.read, head[:2]); err != nil {
			t.Fatal(err)
		}
		size := int(head[1])
		if size == 126 {
			if _, err := io.ReadFull(p.read, head[2:]); err != nil {
				t.Fatal(err)
			}
			size = int(head[2])<<8 | int(head[3])
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(p.read, frame); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(frame), `{"event":"`+event+`"`) {
			return
		}
	}
}

// send masks with zeros, which change nothing.
func (p *peer) send(t testing.TB, frame []byte) {
	t.Helper()
	head := []byte{0x80 | websocket.TextMessage, 0x80 | 126, byte(len(frame) >> 8), byte(len(frame)), 0, 0, 0, 0}
	if len(frame) < 126 {
		head = []byte{0x80 | websocket.TextMessage, 0x80 | byte(len(frame)), 0, 0, 0, 0}
	}
	if _, err := p.conn.Write(append(head, frame...)); err != nil {
		t.Fatal(err)
	}
}

func memory() float64 {
	runtime.GC()
	runtime.GC() // what pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkConnections tells what a connection keeps: when it has logged in, and when it has been busy and is idle again. It
// includes the session in hub and roster, and little of the other end.
func BenchmarkConnections(b *testing.B) {
	const n = 1000
	f := start(b, setup{door: func(d *Door) {
		links := linksOf(d.o)
		links.Pong = time.Hour // nobody answers pings here
		d.links = frames.NewServer(links)
	}})
	for b.Loop() {
		before := memory()
		peers := make([]*peer, n)
		for i := range peers {
			peers[i] = f.peer(fmt.Sprint("user", i))
			peers[i].read = nil
		}
		idle := memory()
		for i, p := range peers {
			p.read = bufio.NewReader(p.conn)
			const frames = 10
			for range frames {
				p.send(b, []byte(strings.Replace(string(offerFrame), `"bob"`, fmt.Sprintf(`"user%d"`, (i+1)%n), 1)))
			}
			for range frames {
				p.hears(b, "ack")
			}
			p.read = nil
		}
		busy := memory()
		b.ReportMetric((idle-before)/n, "B/idle")
		b.ReportMetric((busy-before)/n, "B/used")
		for _, p := range peers {
			p.conn.Close()
		}
		f.AwaitSessions(0)
	}
}

// BenchmarkRelay is the whole path of a signal in one process: socket, door, NATS, door, socket, and the answer.
func BenchmarkRelay(b *testing.B) {
	for name, frame := range map[string][]byte{"offer": offerFrame, "candidate": candidateFrame} {
		b.Run(name, func(b *testing.B) {
			f := start(b, setup{options: func(o *Options) { o.Rates = Rates{1 << 30, 1 << 30} }})
			alice, bob := f.peer("alice"), f.peer("bob")
			var said struct{ Event string }
			if err := json.Unmarshal(frame, &said); err != nil {
				b.Fatal(err)
			}
			event := strings.Replace(said.Event, "iceCandidate", "remoteIceCandidate", 1)
			const ahead = 64 // frames under way at a time
			b.ReportAllocs()
			under := 0
			for b.Loop() {
				alice.send(b, frame)
				if under++; under == ahead {
					for ; under > 0; under-- {
						bob.hears(b, event)
					}
				}
			}
		})
	}
}
