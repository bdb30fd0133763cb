package load

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
)

// standIn takes one connection, answers its handshake and hands it over.
type standIn struct {
	t    *testing.T
	addr string
	conn chan net.Conn // filled once
}

func openStandIn(t *testing.T) *standIn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &standIn{t: t, addr: l.Addr().String(), conn: make(chan net.Conn, 1)}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		request := make([]byte, 4096)
		if n, err := conn.Read(request); err != nil || !bytes.Contains(request[:n], []byte("GET /ws?room=storm&user=user-0000 HTTP/1.1")) {
			t.Errorf("%v: %q", err, request[:n])
		}
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n", handshakeAccept)
		d.conn <- conn
	}()
	t.Cleanup(func() {
		l.Close()
		<-answered
	})
	return d
}

const itsWelcome = `{"event":"welcome","data":{"userId":"user-0000"}}`

// everybody is a list of n users, long enough that it comes in parts.
func everybody(n int) []byte {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf("user-%04d", i)
	}
	return whole(1, users...)
}

func TestGuestTakesFramesInWhateverParts(t *testing.T) {
	const n = 9000
	stream := serverFrame(opText, []byte(itsWelcome))
	stream = append(stream, serverFrame(opText, everybody(n))...)
	stream = append(stream, serverFrame(opText, []byte(`{"event":"presence","data":{"state":"degraded"}}`))...)
	stream = append(stream, serverFrame(opText, delta(1, nil, []string{"user-0001"}, nil))...)
	stream = append(stream, serverFrame(opText, delta(2, []string{"user-0001"}, nil, []int{1}))...)
	for _, part := range []int{1, 7, 5000, len(stream)} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			d := openStandIn(t)
			c := newCrowd(t.Context(), d.addr, n, false)
			defer c.close()
			g := c.guests[0]
			if err := g.login(t.Context(), c.gateway, stormRoom, false); err != nil {
				t.Fatal(err)
			}
			handshake := g.bytes.Load()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				conn := <-d.conn
				defer conn.Close()
				rest := stream
				for small := 0; len(rest) > 0; small++ {
					size := min(part, len(rest))
					if small > 2000 { // enough of those that are tiny
						size = len(rest)
					}
					if _, err := conn.Write(rest[:size]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[size:]
				}
			}()
			if err := g.read(c); err == nil || !strings.Contains(err.Error(), "EOF") {
				t.Errorf("the end of the connection: %v", err)
			}
			<-sent
			l := g.list.Load()
			if l == nil || !l.whole || l.version != 3 || l.users[1] != 1 {
				t.Errorf("the list is not whole at version 3: %v", l != nil)
			}
			if g.frames.Load() != 5 || g.lists.Load() != 3 || g.bytes.Load() != handshake+int64(len(stream)) {
				t.Errorf("%d frames, %d lists, %d bytes of %d", g.frames.Load(), g.lists.Load(), g.bytes.Load()-handshake, len(stream))
			}
			if c.welcomed.Load() != 1 || c.content.Load() != 1 {
				t.Errorf("%d welcomed, %d hold everybody", c.welcomed.Load(), c.content.Load())
			}
		})
	}
}

func TestGuestRefusesWhatBreaksTheProtocol(t *testing.T) {
	c := newCrowd(t.Context(), "", 2, false)
	defer c.close()
	for what, test := range map[string]struct {
		op    byte
		frame string
		says  string
	}{
		"welcome of another": {opText, `{"event":"welcome","data":{"userId":"user-0001"}}`, "not its welcome"},
		"list too soon":      {opText, string(everybody(2)), "before the welcome"},
		"count":              {opText, `{"event":"userCount","data":{"version":1,"count":9}}`, "--room-list-limit"},
		"error":              {opText, `{"event":"error","data":{"code":"unavailable"}}`, "unavailable"},
		"close":              {opClose, "\x03\xf4restarting", "1012 restarting"},
		"bare close":         {opClose, "", "closed by the gateway"},
		"binary":             {2, "", "opcode 2"},
	} {
		if err := newGuest("user-0000").take(c, wsFrame{test.op, []byte(test.frame)}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	g := newGuest("user-0000")
	if err := g.take(c, wsFrame{opText, []byte(itsWelcome)}); err != nil {
		t.Fatal(err)
	}
	if err := g.take(c, wsFrame{opText, []byte(itsWelcome)}); err == nil {
		t.Error("a second welcome was taken")
	}
}

func TestCrowdSaysHowFarItCame(t *testing.T) {
	d := openStandIn(t)
	c := newCrowd(t.Context(), d.addr, 2, false)
	defer c.close()
	go func() {
		conn := <-d.conn
		_, _ = conn.Write(serverFrame(opText, []byte(itsWelcome)))
		conn.Close()
	}()
	if _, err := c.login(1); err == nil || !strings.Contains(err.Error(), "EOF; 1 of 2 users were welcomed, and 0 hold everybody") {
		t.Errorf("%v", err)
	}
}
