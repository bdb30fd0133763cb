package engineio

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// fixture is a server, and the handlers of the sessions that it opened.
type fixture struct {
	t       *testing.T
	server  *Server
	http    *httptest.Server
	opened  chan *handler
	message func(*handler, []byte, bool) error // nil: they are recorded
}

// handler records what it is told.
type handler struct {
	*Session
	fixture  *fixture
	messages chan string
	closed   chan Reason
}

func (h *handler) Message(data []byte, binary bool) error {
	if h.fixture.message != nil {
		return h.fixture.message(h, data, binary)
	}
	h.messages <- fmt.Sprintf("%s %v", data, binary)
	return nil
}

func (h *handler) Closed(why Reason) { h.closed <- why }

func start(t *testing.T, o Options) *fixture {
	f := &fixture{t: t, opened: make(chan *handler, 100)}
	o.Log = slog.New(slog.DiscardHandler)
	o.Open = func(s *Session, _ *http.Request) Handler {
		h := &handler{s, f, make(chan string, 100), make(chan Reason, 2)}
		f.opened <- h
		return h
	}
	f.server = New(o)
	f.http = httptest.NewServer(f.server)
	t.Cleanup(func() {
		f.server.Close()
		f.http.Close()
	})
	return f
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

// answer is what a request got.
type answer struct {
	status int
	text   string
	header http.Header
}

func (a answer) String() string { return fmt.Sprintf("%d %q", a.status, a.text) }

func (f *fixture) do(method, query, body string, header ...string) answer {
	f.t.Helper()
	a, err := f.try(method, query, body, header...)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (f *fixture) try(method, query, body string, header ...string) (answer, error) {
	r, err := http.NewRequest(method, f.http.URL+"/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := f.http.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(text), resp.Header}, err
}

const pollingQuery = "EIO=4&transport=polling"

// client is a session over polling.
type client struct {
	*fixture
	*handler
	query string
}

func (f *fixture) poller() *client {
	f.t.Helper()
	a := f.do("GET", pollingQuery, "")
	if a.status != 200 || !strings.HasPrefix(a.text, "0{") {
		f.t.Fatalf("handshake: %v", a)
	}
	var open struct{ Sid string }
	if err := json.Unmarshal([]byte(a.text[1:]), &open); err != nil {
		f.t.Fatal(err)
	}
	return &client{f, next(f.t, f.opened, "session"), pollingQuery + "&sid=" + open.Sid}
}

func (c *client) poll() answer            { c.t.Helper(); return c.do("GET", c.query, "") }
func (c *client) post(body string) answer { c.t.Helper(); return c.do("POST", c.query, body) }

// beside makes a request beside the test.
func (c *client) beside(method, body string) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		a, err := c.try(method, c.query, body)
		if err != nil {
			a.text = err.Error()
		}
		answers <- a
	}()
	return answers
}

// polling polls beside the test.
func (c *client) polling() <-chan answer {
	c.t.Helper()
	answers := c.beside("GET", "")
	until(c.t, "the poll waits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.waiting != nil || len(answers) > 0
	})
	return answers
}

// until waits for something of which there is no other word.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (c *client) is(a answer, status int, text string) {
	c.t.Helper()
	if a.status != status || a.text != text {
		c.t.Errorf("%v, want %d %q", a, status, text)
	}
}

func (c *client) isClosed(why Reason) {
	c.t.Helper()
	if got := next(c.t, c.closed, "end"); got != why {
		c.t.Errorf("closed because of %d, want %d", got, why)
	}
}

func (f *fixture) dial(query string) (*websocket.Conn, error) {
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(f.http.URL, "http")+"/engine.io/?"+query, nil)
	if err != nil {
		if resp != nil {
			resp.Body.Close()
		}
		return nil, err
	}
	f.t.Cleanup(func() { ws.Close() })
	return ws, ws.SetReadDeadline(time.Now().Add(patience))
}

func (f *fixture) webSocket(query string) *websocket.Conn {
	f.t.Helper()
	ws, err := f.dial(query)
	if err != nil {
		f.t.Fatal(err)
	}
	return ws
}

func (f *fixture) say(ws *websocket.Conn, text string) {
	f.t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) hear(ws *websocket.Conn, want string) {
	f.t.Helper()
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
		f.t.Errorf("heard %q, %v, want %q", got, err, want)
	}
}

// ends reads until the WebSocket ends, and gives the close code; 0 if it was cut.
func (f *fixture) ends(ws *websocket.Conn) int {
	f.t.Helper()
	for {
		_, _, err := ws.ReadMessage()
		var end *websocket.CloseError
		var late net.Error
		switch {
		case errors.As(err, &end):
			return end.Code
		case errors.As(err, &late) && late.Timeout():
			f.t.Fatal("it does not end")
		case err != nil:
			return 0
		}
	}
}
