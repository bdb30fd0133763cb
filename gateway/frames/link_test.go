package frames

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
)

const patience = 10 * time.Second

// owner records what it is told.
type owner struct {
	link     Link
	out      Outbox
	opened   func()
	heard    chan string
	failed   chan error
	panicked chan any
	over     chan error
}

func newOwner() *owner {
	return &owner{
		heard: make(chan string, 100), failed: make(chan error, 100), panicked: make(chan any, 1), over: make(chan error, 1),
	}
}

func (o *owner) Opened() {
	if o.opened != nil {
		o.opened()
	}
	o.out.Attach(&o.link)
}

func (o *owner) Text(msg []byte) {
	if string(msg) == "panic" {
		panic("as owners may")
	}
	o.heard <- string(msg)
}

func (o *owner) Binary(msg []byte) { o.heard <- "binary " + string(msg) }
func (o *owner) Failed(err error)  { o.failed <- err }

func (o *owner) Panicked(v any, _ []byte) {
	o.panicked <- v
	o.link.Close(1011, "internal error", time.Second)
}

// serve gives a server, plain as net/http has it, and a client of an owner's link.
func serve(t *testing.T, o *owner) (*Server, *websocket.Conn) {
	t.Helper()
	server := NewServer(Options{
		CheckOrigin: func(*http.Request) bool { return true }, MaxMessage: 1000, Ping: time.Hour, Pong: 2 * time.Hour, Write: patience,
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.Serve(w, r, &o.link, &o.out, o, func(err error) { o.over <- err })
	}))
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() {
		ws.Close()
		server.Wait()
		web.Close()
	})
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return server, ws
}

func next[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("not reached")
	}
}

func TestLink(t *testing.T) {
	o := newOwner()
	o.opened = func() { o.link.Say([]byte("before the queue")) }
	o.out.Push(time.Now(), false, Text([]byte("queued")), Frame{Data: []byte{1}, Binary: true})
	server, ws := serve(t, o)
	for _, want := range []string{"before the queue", "queued", "\x01"} {
		if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	written := make(chan struct{})
	o.out.Written(func() { close(written) })
	next(t, written, "word that all is written")
	if o.out.feeding != 0 || o.link.plain != 0 {
		t.Errorf("%d frames are feeding, %d are plain", o.out.feeding, o.link.plain)
	}
	if owners := server.Owners(); len(owners) != 1 || owners[0] != Owner(o) {
		t.Errorf("owners: %v", owners)
	}
	for kind, want := range map[int]string{websocket.TextMessage: "hello", websocket.BinaryMessage: "binary hello"} {
		if err := ws.WriteMessage(kind, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := next(t, o.heard, "message"); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	o.out.End(CloseMessage(4000, "the end"))
	_, _, err := ws.ReadMessage()
	if end := (*websocket.CloseError)(nil); !errors.As(err, &end) || end.Code != 4000 {
		t.Errorf("ends with %v", err)
	}
	ws.Close()
	if err := next(t, o.over, "end"); err != nil {
		t.Errorf("refused: %v", err)
	}
	if len(server.Owners()) != 0 {
		t.Error("the link is still up")
	}
}

func TestUpgradeIsRefused(t *testing.T) {
	o := newOwner()
	server := NewServer(Options{CheckOrigin: func(*http.Request) bool { return true }, MaxMessage: 1, Ping: time.Hour, Pong: time.Hour, Write: time.Hour})
	w := httptest.NewRecorder()
	server.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), &o.link, &o.out, o, func(err error) { o.over <- err })
	if err := next(t, o.over, "end"); err == nil || w.Code != http.StatusBadRequest {
		t.Errorf("status %d, error %v", w.Code, err)
	}
	server.Wait()
}

func TestCauses(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(*websocket.Conn) error
		want End
	}{
		"a long message": {func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, make([]byte, 1001)) }, Flood},
		"pings":          {func(ws *websocket.Conn) error { return repeat(ws, websocket.PingMessage) }, Flood},
		"pongs":          {func(ws *websocket.Conn) error { return repeat(ws, websocket.PongMessage) }, Flood},
		"gone":           {func(ws *websocket.Conn) error { return ws.Close() }, Gone},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOwner()
			_, ws := serve(t, o)
			_ = test.do(ws) // may find the connection cut
			if err := next(t, o.failed, "error"); Cause(err) != test.want {
				t.Errorf("%v means %d, want %d", err, Cause(err), test.want)
			}
			ws.Close()
			next(t, o.over, "end")
		})
	}
}

func repeat(ws *websocket.Conn, kind int) error {
	for range 1000 {
		if err := ws.WriteMessage(kind, nil); err != nil {
			return err
		}
	}
	return nil
}

// A panic in a callback is told the owner, who can still say a word, and leaves nothing behind.
func TestPanics(t *testing.T) {
	for name, test := range map[string]struct {
		sabotage func(*owner, *Server)
		then     func(*owner, *websocket.Conn) error
	}{
		"while a message is read": {
			func(*owner, *Server) {},
			func(_ *owner, ws *websocket.Conn) error {
				return ws.WriteMessage(websocket.TextMessage, []byte("panic"))
			},
		},
		"while a ping is answered": {
			func(o *owner, _ *Server) { o.link.pings = nil },
			func(_ *owner, ws *websocket.Conn) error { return ws.WriteMessage(websocket.PingMessage, nil) },
		},
		"after a frame was written": {
			func(o *owner, _ *Server) { o.out.mark, o.out.written = 1, func() { panic("as owners may") } },
			func(o *owner, _ *websocket.Conn) error {
				o.out.Push(time.Now(), false, Text([]byte("x")))
				return nil
			},
		},
		"outside of our callbacks": {
			func(_ *owner, s *Server) { s.melody.HandlePong(func(*melody.Session) { panic("as any library may") }) },
			func(_ *owner, ws *websocket.Conn) error { return ws.WriteMessage(websocket.PongMessage, nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOwner()
			opened := make(chan struct{})
			o.opened = func() { close(opened) }
			server, ws := serve(t, o)
			next(t, opened, "link")
			test.sabotage(o, server)
			if err := test.then(o, ws); err != nil {
				t.Fatal(err)
			}
			next(t, o.panicked, "panic")
			for {
				_, _, err := ws.ReadMessage()
				if end := (*websocket.CloseError)(nil); errors.As(err, &end) && end.Code != 1011 {
					t.Errorf("close code %d", end.Code)
				}
				if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
					t.Fatal("does not end")
				}
				if err != nil {
					break
				}
			}
			ws.Close()
			next(t, o.over, "end")
		})
	}
}
