package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"beckon/shared/embednats"
	"beckon/shared/service"
)

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 30 * time.Second

// asMain makes this program a gateway's main that only says what it was told.
const asMain = "GATEWAY_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		os.Exit(service.Main("gateway", "Says what it was told.", func(_ context.Context, cfg Config) error {
			cfg.Log = nil
			_, err := fmt.Printf("%+v\n", cfg)
			return err
		}))
	}
	goleak.VerifyTestMain(m)
}

var discard = slog.New(slog.DiscardHandler)

func startNATS(t *testing.T, o embednats.Options) *embednats.Server {
	t.Helper()
	o.Name, o.Log = "test", discard
	s, err := embednats.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// running is a gateway that runs.
type running struct {
	Addresses
	t    *testing.T
	stop context.CancelFunc
	done chan struct{}
	err  error // of Run, once done is closed
}

// start runs a gateway on free ports, configured as it is by default, and as change wants it.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	cfg := defaults(t)
	cfg.Listen, cfg.Ops, cfg.Log, cfg.Drain = "127.0.0.1:0", "127.0.0.1:0", discard, 0
	ready := make(chan Addresses, 1)
	cfg.OnReady = func(a Addresses) { ready <- a }
	change(&cfg)
	ctx, stop := context.WithCancel(t.Context())
	r := &running{t: t, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = Run(ctx, cfg)
	}()
	t.Cleanup(func() {
		stop()
		r.wait()
	})
	select {
	case r.Addresses = <-ready:
	case <-r.done:
		t.Fatal(r.err)
	case <-time.After(patience):
		t.Fatal("the gateway is never ready")
	}
	return r
}

// wait waits for the end of Run.
func (r *running) wait() error {
	r.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		r.t.Fatal("the gateway does not end")
		return nil
	}
}

// dial gives a connection, or the status of the refusal.
func (r *running) dial(query string) (*websocket.Conn, int) {
	r.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience}
	ws, resp, err := d.Dial("ws://"+r.Listen+"/ws?"+query, nil)
	if err != nil {
		if !errors.Is(err, websocket.ErrBadHandshake) {
			r.t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	r.t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		r.t.Fatal(err)
	}
	return ws, resp.StatusCode
}

// login gives a connection that has been welcomed.
func (r *running) login(user string) *websocket.Conn {
	r.t.Helper()
	ws, status := r.dial("user=" + user)
	if ws == nil {
		r.t.Fatalf("refused with status %d", status)
	}
	r.hears(ws, "welcome")
	return ws
}

// hears reads to the first frame of an event, and gives its data.
func (r *running) hears(ws *websocket.Conn, event string) map[string]any {
	r.t.Helper()
	for {
		var frame struct {
			Event string
			Data  map[string]any
		}
		if err := ws.ReadJSON(&frame); err != nil {
			r.t.Fatalf("waiting for %s: %v", event, err)
		}
		if frame.Event == event {
			return frame.Data
		}
	}
}

// outcome sends a frame with an id, and gives the status in its ack.
func (r *running) outcome(ws *websocket.Conn, frame string) any {
	r.t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		r.t.Fatal(err)
	}
	return r.hears(ws, "ack")["status"]
}

func (r *running) isClosed(ws *websocket.Conn, code int) {
	r.t.Helper()
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, code) {
			r.t.Errorf("ended by %v, want code %d", err, code)
		}
		return
	}
}

func (r *running) get(url string) (int, string) {
	r.t.Helper()
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r.request(http.MethodGet, url))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (r *running) request(method, url string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return req
}

func (r *running) report(path string) (int, service.Report) {
	r.t.Helper()
	status, text := r.get("http://" + r.Ops + path)
	var report service.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		r.t.Fatal(err)
	}
	return status, report
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
