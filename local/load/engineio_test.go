package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pollServer is a server of long polling that does what a test tells it.
type pollServer struct {
	http *httptest.Server
	gets chan string // what the GETs bring, one after the other
	says chan string // what POSTs bring
	ok   chan string // how those are answered
}

func newPollServer(t *testing.T) *pollServer {
	s := &pollServer{gets: make(chan string), says: make(chan string), ok: make(chan string)}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("EIO") != "4" || q.Get("transport") != "polling" {
			t.Errorf("asked for %s", r.URL)
		}
		if r.Method == http.MethodGet {
			select {
			case payload := <-s.gets:
				fmt.Fprint(w, payload)
			case <-r.Context().Done():
			}
			return
		}
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		select {
		case s.says <- string(payload):
			fmt.Fprint(w, <-s.ok)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.http.Close)
	return s
}

// take waits for what comes.
func take[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(handshakeTimeout):
		t.Fatal("nothing came")
	}
	return v
}

// give waits until v is taken.
func give[T any](t *testing.T, c chan<- T, v T) {
	t.Helper()
	select {
	case c <- v:
	case <-time.After(handshakeTimeout):
		t.Fatalf("nobody took %v", v)
	}
}

// client opens a session and receives. What receive said in the end is in ended.
func (s *pollServer) client(t *testing.T) (l *polling, got chan string, ended chan error) {
	l = newPolling(strings.TrimPrefix(s.http.URL, "http://"))
	opened := make(chan error)
	go func() { opened <- l.open() }()
	give(t, s.gets, `0{"sid":"S1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":10000}`)
	if err := take(t, opened); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(l.path, "&sid=S1") {
		t.Errorf("path %s", l.path)
	}
	got, ended = make(chan string), make(chan error)
	go func() {
		ended <- l.receive(func(packet []byte) error {
			got <- string(packet)
			return nil
		})
	}()
	return l, got, ended
}

func TestPollingGathersWhatIsToBeSent(t *testing.T) {
	s := newPollServer(t)
	l, _, ended := s.client(t)
	send := func(packets ...string) {
		for _, packet := range packets {
			if err := l.send([]byte(packet)); err != nil {
				t.Fatal(err)
			}
		}
	}
	posted := func(want string) {
		t.Helper()
		if got := take(t, s.says); got != want {
			t.Errorf("posted %.50q, want %.50q", got, want)
		}
	}
	long, rest := strings.Repeat("x", 9_995), strings.Repeat("y", 4)
	send("4a")
	posted("4a")
	send("4b", "4c", long, rest, "z")
	give(t, s.ok, "ok")
	posted("4b\x1e4c")
	give(t, s.ok, "ok")
	posted(long + "\x1e" + rest)
	give(t, s.ok, "ok")
	posted("z")
	give(t, s.ok, "ok")
	l.close()
	if err := take(t, ended); err == nil {
		t.Error("no error at the end")
	}
}

func TestPollingAnswersPings(t *testing.T) {
	s := newPollServer(t)
	l, got, ended := s.client(t)
	give(t, s.gets, "4one\x1e2\x1e4two")
	if one := take(t, got); one != "4one" {
		t.Errorf("got %q", one)
	}
	if two := take(t, got); two != "4two" {
		t.Errorf("got %q", two)
	}
	if pong := take(t, s.says); pong != "3" {
		t.Errorf("a ping was answered %q", pong)
	}
	give(t, s.ok, "ok")
	give(t, s.gets, "4three")
	if three := take(t, got); three != "4three" {
		t.Errorf("got %q", three)
	}
	l.close()
	take(t, ended)
}

func TestPollingEndsWhenAPostFails(t *testing.T) {
	s := newPollServer(t)
	l, _, ended := s.client(t)
	if err := l.send([]byte("4a")); err != nil {
		t.Fatal(err)
	}
	take(t, s.says)
	give(t, s.ok, "no")
	if err := take(t, ended); err == nil || !strings.Contains(err.Error(), `a POST was answered "no"`) {
		t.Errorf("the end: %v", err)
	}
}

func TestPollingEndsWithItsTaker(t *testing.T) {
	s := newPollServer(t)
	l := newPolling(strings.TrimPrefix(s.http.URL, "http://"))
	enough := errors.New("enough")
	ended := make(chan error)
	go func() { ended <- l.receive(func([]byte) error { return enough }) }()
	give(t, s.gets, "4a")
	if err := take(t, ended); !errors.Is(err, enough) {
		t.Errorf("the end: %v", err)
	}
}

func TestEnteringHasAnEnd(t *testing.T) {
	s := newPollServer(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	ended := make(chan error)
	go func() {
		_, _, err := enterPolling(ctx, client{server: strings.TrimPrefix(s.http.URL, "http://")})
		ended <- err
	}()
	give(t, s.gets, `0{"sid":"S1","maxPayload":10000}`)
	if connect := take(t, s.says); connect != "40" {
		t.Errorf("posted %q", connect)
	}
	cancel(enough)
	if err := take(t, ended); !errors.Is(err, enough) {
		t.Errorf("the end: %v", err)
	}
	close(s.ok)
}

func TestHandshakePackets(t *testing.T) {
	if o, err := readOpen([]byte(`0{"sid":"S1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)); err != nil ||
		o != (open{"S1", 1_000_000}) {
		t.Errorf("%+v, %v", o, err)
	}
	if user, err := readConnect([]byte(`40{"sid":"S2"}`), nil); user != "S2" || err != nil {
		t.Errorf("%q, %v", user, err)
	}
	for _, bad := range []string{"", "1", "0", "0{}", `0{"sid":"S1"}`, `4{"sid":"S1","maxPayload":1000000}`} {
		if _, err := readOpen([]byte(bad)); err == nil {
			t.Errorf("%q opens a session", bad)
		}
	}
	for _, bad := range []string{"", "40", "40{}", `44{"message":"no","data":{"code":"bad_room"}}`, `42["updateUserlist",{}]`} {
		if _, err := readConnect([]byte(bad), nil); err == nil {
			t.Errorf("%q lets us in", bad)
		}
	}
	for room, want := range map[string]string{"": "40", "r1": `40{"room":"r1"}`} {
		if got := string(connectPacket(room)); got != want {
			t.Errorf("room %q: %s", room, got)
		}
	}
}
