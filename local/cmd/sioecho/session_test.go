package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// answer is an HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %q", a.status, a.body) }

// refusal is the answer to a request that is refused.
func (a answer) refusal(t testing.TB, code int, message string) {
	t.Helper()
	var got struct {
		Code    *int
		Message string
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	if a.status != http.StatusBadRequest || got.Code == nil || *got.Code != code || got.Message != message {
		t.Fatalf("%v, want 400 with code %d, %q", a, code, message)
	}
}

// is checks status and body.
func (a answer) is(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Fatalf("%v, want %d %q", a, status, body)
	}
}

// badRequest checks the status alone.
func (a answer) badRequest(t testing.TB) {
	t.Helper()
	if a.status != http.StatusBadRequest {
		t.Fatalf("%v, want 400", a)
	}
}

// ask makes a request. header are names and values by turns.
func ask(ctx context.Context, method, url, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(said)}, err
}

func request(t testing.TB, method, url, body string, header ...string) answer {
	t.Helper()
	a, err := ask(limited(t), method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(t testing.TB, url string) answer {
	t.Helper()
	return request(t, http.MethodGet, url, "")
}

func post(t testing.TB, url, body string) answer {
	t.Helper()
	return request(t, http.MethodPost, url, body, "Content-Type", "text/plain;charset=UTF-8")
}

// pending is a GET that waits for its answer.
type pending struct {
	ended chan struct{}
	got   answer // read these after ended is closed
	err   error
}

// waiting is a GET that is on its way. The server may not have read it yet.
func waiting(t testing.TB, url string) *pending {
	t.Helper()
	ctx, abort := context.WithCancel(limited(t))
	p := &pending{ended: make(chan struct{})}
	written := make(chan struct{}, 1) // filled once a connection, and it is tried on few
	go func() {
		defer close(p.ended)
		p.got, p.err = ask(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
			select {
			case written <- struct{}{}:
			default:
			}
		}}), http.MethodGet, url, "")
	}()
	t.Cleanup(func() {
		abort()
		<-p.ended
	})
	select {
	case <-written:
	case <-p.ended:
	}
	return p
}

func (p *pending) answer(t testing.TB) answer {
	t.Helper()
	<-p.ended // ask is bounded
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.got
}

// opening is the content of an open packet.
type opening struct {
	SID          string
	Upgrades     []string
	PingInterval int
	PingTimeout  int
	MaxPayload   int
}

// opened reads the open packet, which has exactly the keys that the protocol names and what the server is configured with.
func opened(t testing.TB, e *echoServer, raw string, upgrades ...string) opening {
	t.Helper()
	content, ok := strings.CutPrefix(raw, "0")
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(content), &keys); err != nil || !ok {
		t.Fatalf("open packet %q: %v", raw, err)
	}
	var o opening
	for key, value := range map[string]any{
		"sid": &o.SID, "upgrades": &o.Upgrades, "pingInterval": &o.PingInterval, "pingTimeout": &o.PingTimeout, "maxPayload": &o.MaxPayload,
	} {
		if err := json.Unmarshal(keys[key], value); err != nil {
			t.Errorf("%s in open packet %q: %v", key, raw, err)
		}
		delete(keys, key)
	}
	if len(keys) > 0 {
		t.Errorf("open packet %q has more than it should", raw)
	}
	if len(o.SID) < 16 || o.Upgrades == nil || strings.Join(o.Upgrades, " ") != strings.Join(upgrades, " ") ||
		o.PingInterval != int(pingInterval.Milliseconds()) || o.PingTimeout != int(e.pingTimeout.Milliseconds()) || o.MaxPayload != maxPayload {
		t.Fatalf("open packet %q", raw)
	}
	return o
}

// packet is one of Engine.IO's: text with its type in front, or the bytes of a binary message.
type packet struct {
	binary bool
	data   string
}

const separator = "\x1e"

var (
	ping = text("2")
	pong = text("3")
	noop = text("6")
	over = text("1")
)

func text(s string) packet { return packet{false, s} }

func binary(s string) packet { return packet{true, s} }

func texts(s ...string) []packet {
	packets := make([]packet, len(s))
	for i := range s {
		packets[i] = text(s[i])
	}
	return packets
}

func (p packet) String() string {
	if len(p.data) > 200 {
		return fmt.Sprintf("%.200q and more, %d bytes", p.data, len(p.data))
	}
	if p.binary {
		return fmt.Sprintf("% x (binary)", p.data)
	}
	return fmt.Sprintf("%q", p.data)
}

// encode makes a payload of polling.
func encode(packets []packet) string {
	var b strings.Builder
	for i, p := range packets {
		if i > 0 {
			b.WriteString(separator)
		}
		if p.binary {
			b.WriteString("b" + base64.StdEncoding.EncodeToString([]byte(p.data)))
		} else {
			b.WriteString(p.data)
		}
	}
	return b.String()
}

func decode(payload string) ([]packet, error) {
	var packets []packet
	for raw := range strings.SplitSeq(payload, separator) {
		if encoded, ok := strings.CutPrefix(raw, "b"); ok {
			data, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return nil, fmt.Errorf("packet %q: %w", raw, err)
			}
			packets = append(packets, binary(string(data)))
			continue
		}
		packets = append(packets, text(raw))
	}
	return packets, nil
}

// errClosed is a session's that the server has closed as it should.
var errClosed = errors.New("the server has closed the session")

// transport is one of the two of Engine.IO.
type transport interface {
	// write sends packets together where that is possible.
	write(packets ...packet) error
	// read is the next packet.
	read() (packet, error)
}

// session talks to a server. Its methods fail the test where the server does otherwise than they say.
type session struct {
	t testing.TB
	transport
	e   *echoServer
	sid string
}

// transports open a session each.
var transports = []struct {
	name string
	open func(testing.TB, *echoServer) *session
}{{"polling", openPolling}, {"WebSocket", openWebSocket}}

// onEach tells a story with sessions of either transport.
func onEach(t *testing.T, e *echoServer, story func(t testing.TB, open func() *session)) {
	t.Helper()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			story(t, func() *session { return tr.open(t, e) })
		})
	}
}

// steadilyOnEach is onEach for the tests of times, which take theirs.
func steadilyOnEach(t *testing.T, e *echoServer, story func(t testing.TB, open func() *session)) {
	t.Helper()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			steadily(t, func(t testing.TB) {
				story(t, func() *session { return tr.open(t, e) })
			})
		})
	}
}

// say sends packets in a session that must be open.
func (s *session) say(packets ...packet) {
	s.t.Helper()
	if err := s.write(packets...); err != nil {
		s.t.Fatalf("send %v: %v", packets, err)
	}
}

// try sends packets that the server may have heard enough of before it has them all.
func (s *session) try(packets ...packet) { _ = s.write(packets...) }

// listen is the next packet that is neither a ping, which it answers, nor a noop.
func (s *session) listen() (packet, error) {
	for {
		p, err := s.read()
		switch {
		case err != nil:
			return packet{}, err
		case p == ping:
			s.try(pong)
		case p != noop:
			return p, nil
		}
	}
}

// next is the next packet that is neither ping nor noop in a session that stays open.
func (s *session) next() packet {
	s.t.Helper()
	p, err := s.listen()
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// hears is that these packets come next.
func (s *session) hears(want ...packet) {
	s.t.Helper()
	for _, w := range want {
		if got := s.next(); got != w {
			s.t.Fatalf("heard %v, want %v", got, w)
		}
	}
}

// ends is that the server closes the session at once, and says nothing more in it. That is before the third ping: later it
// might be for want of a CONNECT.
func (s *session) ends() {
	s.t.Helper()
	for pings := 0; ; {
		switch p, err := s.read(); {
		case errors.Is(err, errClosed):
			return
		case err != nil:
			s.t.Fatal(err)
		case p == ping:
			if pings++; pings == 3 {
				s.t.Fatal("the session is still open")
			}
			s.try(pong)
		case p != noop:
			s.t.Fatalf("heard %v, want the session to end", p)
		}
	}
}

// greeting is what is said to a server, and what it answers to one that greets a second time.
func (s *session) greeting() (say, hear packet) {
	if s.e.mode == "engine" {
		return text("4hello"), text("4hello")
	}
	return text(`42["message","hello"]`), text(`42["message-back","hello"]`)
}

// goesOn is that the session, which is connected if it is one of Socket.IO, is open and in order. What the server still has
// to say of what it was sent before may come first.
func (s *session) goesOn() {
	s.t.Helper()
	if err := s.greet(); err != nil {
		s.t.Fatal(err)
	}
}

// goesOnOrEnds is that the server either goes on with the session or closes it in order, where the protocol leaves that to it.
func (s *session) goesOnOrEnds() {
	s.t.Helper()
	if err := s.greet(); err != nil && !errors.Is(err, errClosed) {
		s.t.Fatal(err)
	}
}

func (s *session) greet() error {
	say, hear := s.greeting()
	if err := s.write(say); err != nil && !errors.Is(err, errClosed) {
		return err
	}
	for {
		if p, err := s.listen(); err != nil || p == hear {
			return err
		}
	}
}

// isPinged is that a ping comes next.
func (s *session) isPinged() {
	s.t.Helper()
	for {
		switch p, err := s.read(); {
		case err != nil:
			s.t.Fatal(err)
		case p == ping:
			return
		case p != noop:
			s.t.Fatalf("heard %v, want a ping", p)
		}
	}
}

// isCut is that the WebSocket ends, with a close frame or without.
func (s *session) isCut() {
	s.t.Helper()
	for {
		p, err := s.read()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			s.t.Fatal(err)
		case err != nil:
			return
		case p != noop:
			s.t.Fatalf("heard %v, want the WebSocket to end", p)
		}
	}
}

// ready enters the main namespace where there is one.
func (s *session) ready() {
	s.t.Helper()
	if s.e.mode == "socketio" {
		s.connect("")
	}
}

// connect enters a namespace, whose name is "" or ends in a comma.
func (s *session) connect(namespace string) (sid string) {
	s.t.Helper()
	s.say(text("40" + namespace))
	sid = s.connected(namespace)
	s.hears(text("42" + namespace + `["auth",{}]`))
	return sid
}

// connected is that a CONNECT is answered.
func (s *session) connected(namespace string) (sid string) {
	s.t.Helper()
	p := s.next()
	content, ok := strings.CutPrefix(p.data, "40"+namespace)
	var got map[string]string
	if err := json.Unmarshal([]byte(content), &got); err != nil || !ok || len(got) != 1 || got["sid"] == "" {
		s.t.Fatalf("CONNECT is answered by %v", p)
	}
	if got["sid"] == s.sid {
		s.t.Fatal("the sid of Socket.IO is that of Engine.IO, which is a secret")
	}
	return got["sid"]
}

// serves is that the server takes new sessions, and goes on with them.
func (e *echoServer) serves(t testing.TB) {
	t.Helper()
	for _, tr := range transports {
		s := tr.open(t, e)
		s.ready()
		s.goesOn()
	}
}

// polling is the transport by HTTP requests.
type polling struct {
	t     testing.TB
	url   string
	queue []packet // of the latest answer
}

const pollingQuery = "EIO=4&transport=polling"

func openPolling(t testing.TB, e *echoServer) *session {
	t.Helper()
	a := get(t, e.url(pollingQuery))
	if a.status != http.StatusOK {
		t.Fatal(a)
	}
	sid := opened(t, e, a.body, "websocket").SID
	p := &polling{t: t, url: e.url(pollingQuery + "&sid=" + sid)}
	return &session{t, p, e, sid}
}

func (p *polling) write(packets ...packet) error {
	a, err := ask(limited(p.t), http.MethodPost, p.url, encode(packets), "Content-Type", "text/plain;charset=UTF-8")
	switch {
	case err != nil:
		return err
	case a.status == http.StatusBadRequest:
		return errClosed
	case a.status != http.StatusOK || a.body != "ok":
		return fmt.Errorf("POST is answered by %v", a)
	}
	return nil
}

func (p *polling) read() (packet, error) {
	for len(p.queue) == 0 {
		a, err := ask(limited(p.t), http.MethodGet, p.url, "")
		switch {
		case err != nil:
			return packet{}, err
		case a.status == http.StatusBadRequest:
			return packet{}, errClosed
		case a.status != http.StatusOK:
			return packet{}, fmt.Errorf("GET is answered by %v", a)
		}
		if p.queue, err = decode(a.body); err != nil {
			return packet{}, err
		}
	}
	next := p.queue[0]
	p.queue = p.queue[1:]
	if next != over {
		return next, nil
	}
	// The session is over, and nothing may follow.
	if len(p.queue) > 0 {
		return packet{}, fmt.Errorf("%v after the close packet", p.queue)
	}
	a, err := ask(limited(p.t), http.MethodGet, p.url, "")
	if err != nil {
		return packet{}, err
	}
	if a.status != http.StatusBadRequest {
		return packet{}, fmt.Errorf("GET after the close packet is answered by %v", a)
	}
	return packet{}, errClosed
}

// socket is the transport by WebSocket.
type socket struct{ *websocket.Conn }

const socketQuery = "EIO=4&transport=websocket"

func openWebSocket(t testing.TB, e *echoServer) *session {
	t.Helper()
	s := dial(t, e, socketQuery)
	p, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	s.sid = opened(t, e, p.data).SID
	return s
}

// dialSocket makes a WebSocket. Where that fails, the answer says why.
func dialSocket(t testing.TB, e *echoServer, query string) (*websocket.Conn, answer, error) {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(limited(t), "ws"+strings.TrimPrefix(e.url(query), "http"), nil)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		return conn, answer{}, nil
	}
	if resp == nil {
		return nil, answer{}, err
	}
	body, _ := io.ReadAll(resp.Body) // the dialer has read what there is
	return nil, answer{resp.StatusCode, resp.Header, string(body)}, err
}

// dial makes a WebSocket and reads nothing.
func dial(t testing.TB, e *echoServer, query string) *session {
	t.Helper()
	conn, a, err := dialSocket(t, e, query)
	if err != nil {
		t.Fatalf("%v: %v", err, a)
	}
	return &session{t: t, transport: socket{conn}, e: e}
}

func (s socket) write(packets ...packet) error {
	for _, p := range packets {
		kind := websocket.TextMessage
		if p.binary {
			kind = websocket.BinaryMessage
		}
		if err := s.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if err := s.WriteMessage(kind, []byte(p.data)); err != nil {
			return fmt.Errorf("%w: %w", errClosed, err)
		}
	}
	return nil
}

// read is errClosed after a close frame only.
func (s socket) read() (packet, error) {
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return packet{}, err
	}
	kind, data, err := s.ReadMessage()
	if err != nil {
		var frame *websocket.CloseError
		if errors.As(err, &frame) && frame.Code != websocket.CloseAbnormalClosure {
			return packet{}, fmt.Errorf("%w: %w", errClosed, err)
		}
		return packet{}, err
	}
	return packet{kind == websocket.BinaryMessage, string(data)}, nil
}
