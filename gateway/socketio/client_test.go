package socketio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/shared/wire"
)

// transport is how a client talks to the door.
type transport string

const (
	polling   transport = "polling"
	webSocket transport = "websocket"
)

// both are all there are.
var both = []transport{polling, webSocket}

// overBoth runs a test over both, side by side.
func overBoth(t *testing.T, test func(*testing.T, transport)) {
	t.Helper()
	for _, over := range both {
		t.Run(string(over), func(t *testing.T) {
			t.Parallel()
			test(t, over)
		})
	}
}

// client is the other end of a connection. From start on, which opening it does unless it is lazy, what it is told is
// read.
type client struct {
	t    testing.TB
	over transport
	id   string // the Socket.IO sid

	url    string // over polling
	http   *http.Client
	ws     *websocket.Conn
	ctx    context.Context // ends its requests
	cut    context.CancelFunc
	saying sync.Mutex

	heard  chan heard
	pumped chan struct{} // closed when nothing is read any more; nil before start
	unread []string      // of what has been heard
	failed error         // how it ended
	kept   []string      // of that, passed over by ask
	shows  string        // the last list
	asked  int
}

// heard is what one poll, or one WebSocket message, brought.
type heard struct {
	packets []string
	at      time.Time
	err     error
}

// answer is what a request got.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a *answer) Error() string { return fmt.Sprintf("status %d: %s", a.status, a.body) }

// request makes a request of Engine.IO. The error of a status other than 200 is an *answer.
func (c *client) request(method, query, body string) (*answer, error) {
	r, err := http.NewRequestWithContext(c.ctx, method, c.url+query, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a := &answer{resp.StatusCode, string(text), resp.Header}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = a
	}
	return a, err
}

// dial makes the handshake of a lazy client. The error of a door that does not want it is an *answer.
func (f *fixture) dial(over transport) (*client, error) {
	f.t.Helper()
	c := &client{t: f.t, over: over, heard: make(chan heard, 100_000)} // more than any test is told
	c.ctx, c.cut = context.WithCancel(context.Background())
	f.t.Cleanup(c.end)
	path := f.Address + "/socket.io/?EIO=4&transport=" + string(over)
	var open string
	if over == polling {
		transport := &http.Transport{}
		f.t.Cleanup(transport.CloseIdleConnections)
		c.url, c.http = "http://"+path, &http.Client{Transport: transport, Timeout: 2 * patience}
		a, err := c.request("GET", "", "")
		if err != nil {
			return nil, err
		}
		open = a.body
	} else {
		d := websocket.Dialer{HandshakeTimeout: patience}
		ws, resp, err := d.Dial("ws://"+path, nil)
		if errors.Is(err, websocket.ErrBadHandshake) {
			text, err := io.ReadAll(resp.Body)
			return nil, errors.Join(err, &answer{resp.StatusCode, string(text), resp.Header})
		}
		if err == nil {
			c.ws = ws
			err = ws.SetReadDeadline(time.Now().Add(2 * patience))
		}
		if err != nil {
			return nil, err
		}
		_, msg, err := ws.ReadMessage()
		if err != nil {
			return nil, err
		}
		open = string(msg)
	}
	var shaken struct{ Sid string }
	if open == "" || open[0] != '0' || json.Unmarshal([]byte(open[1:]), &shaken) != nil || shaken.Sid == "" {
		f.t.Fatalf("the handshake is %q", open)
	}
	c.url += "&sid=" + shaken.Sid
	return c, nil
}

// lazy makes the handshake of a client that does not read what it is told.
func (f *fixture) lazy(over transport) *client {
	f.t.Helper()
	c, err := f.dial(over)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// open makes the handshake.
func (f *fixture) open(over transport) *client {
	f.t.Helper()
	c := f.lazy(over)
	c.start()
	return c
}

// connect connects to the main namespace with auth, which may be empty, and waits until it is let in.
func (f *fixture) connect(over transport, auth string) *client {
	f.t.Helper()
	c := f.open(over)
	c.connect(auth)
	return c
}

func (c *client) connect(auth string) {
	c.t.Helper()
	c.say("40" + auth)
	c.connected()
}

func (c *client) connected() {
	c.t.Helper()
	p := c.packet()
	var let struct{ Sid string }
	if !strings.HasPrefix(p, "40") || json.Unmarshal([]byte(p[2:]), &let) != nil || let.Sid == "" {
		c.t.Fatalf("heard %q instead of CONNECT", p)
	}
	c.id = let.Sid
}

// login connects as a user in a room of its own, so that nobody waits for lists that others change.
func (f *fixture) login(over transport, user string) *client {
	f.t.Helper()
	return f.enter(over, user, user)
}

// join connects as a user in the lobby.
func (f *fixture) join(over transport, user string) *client {
	f.t.Helper()
	return f.enter(over, user, wire.DefaultRoom)
}

// enter connects as a user in a room, and waits for the first list.
func (f *fixture) enter(over transport, user, room string) *client {
	f.t.Helper()
	c := f.connect(over, fmt.Sprintf(`{"user":%q,"room":%q}`, user, room))
	c.list()
	return c
}

// start begins to read what the client is told, and to answer pings.
func (c *client) start() {
	c.pumped = make(chan struct{})
	go func() {
		defer close(c.pumped)
		for {
			h := c.fetch()
			for _, p := range h.packets {
				if p == "2" {
					h.err = errors.Join(h.err, c.try("3"))
				}
			}
			c.heard <- h
			if h.err != nil {
				return
			}
		}
	}()
}

// fetch takes what comes next.
func (c *client) fetch() heard {
	if c.over == polling {
		a, err := c.request("GET", "", "")
		if err != nil {
			return heard{err: err}
		}
		h := heard{packets: strings.Split(a.body, "\x1e"), at: time.Now()}
		if h.packets[len(h.packets)-1] == "1" {
			h.packets, h.err = h.packets[:len(h.packets)-1], errClosed
		}
		return h
	}
	kind, msg, err := c.ws.ReadMessage()
	if err != nil {
		return heard{err: err}
	}
	if kind != websocket.TextMessage {
		return heard{err: fmt.Errorf("a binary message: %x", msg)}
	}
	return heard{packets: []string{string(msg)}, at: time.Now()}
}

// errClosed is the end of a client over polling that was told so.
var errClosed = errors.New("told 1")

// say sends packets, over polling in one payload. A packet "b..." is a binary message in base64.
func (c *client) say(packets ...string) {
	c.t.Helper()
	if err := c.try(packets...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) try(packets ...string) error {
	c.saying.Lock()
	defer c.saying.Unlock()
	if c.over == polling {
		a, err := c.request("POST", "", strings.Join(packets, "\x1e"))
		if err == nil && a.body != "ok" {
			err = a
		}
		return err
	}
	for _, p := range packets {
		kind, msg := websocket.TextMessage, []byte(p)
		if data, binary := strings.CutPrefix(p, "b"); binary {
			var err error
			if msg, err = base64.StdEncoding.DecodeString(data); err != nil {
				return err
			}
			kind = websocket.BinaryMessage
		}
		if err := c.ws.WriteMessage(kind, msg); err != nil {
			return err
		}
	}
	return nil
}

// emit sends events, each a JSON array.
func (c *client) emit(events ...string) {
	c.t.Helper()
	packets := make([]string, len(events))
	for i, e := range events {
		packets[i] = "42" + e
	}
	c.say(packets...)
}

// next gives the next packet; the error is how the connection ended.
func (c *client) next() (string, error) {
	c.t.Helper()
	deadline := time.NewTimer(patience) // whatever pings come meanwhile
	defer deadline.Stop()
	for {
		for len(c.unread) > 0 {
			p := c.unread[0]
			c.unread = c.unread[1:]
			if p != "2" {
				return p, nil
			}
		}
		if c.failed != nil {
			return "", c.failed
		}
		select {
		case h := <-c.heard:
			c.unread, c.failed = h.packets, h.err
		case <-deadline.C:
			c.t.Fatal("nothing is heard")
		}
	}
}

// packet is the next packet.
func (c *client) packet() string {
	c.t.Helper()
	if len(c.kept) > 0 {
		p := c.kept[0]
		c.kept = c.kept[1:]
		return p
	}
	p, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func isList(packet string) bool {
	return strings.HasPrefix(packet, `42["updateUserlist",`) || strings.HasPrefix(packet, `42["userCount",`)
}

// hears checks the next packets that are no lists.
func (c *client) hears(want ...string) {
	c.t.Helper()
	for _, want := range want {
		p := c.packet()
		for isList(p) {
			p = c.packet()
		}
		if p != want {
			c.t.Errorf("heard %s, want %s", p, want)
		}
	}
}

// list is the next packet that is a list; others must not come.
func (c *client) list() string {
	c.t.Helper()
	p := c.packet()
	if !isList(p) {
		c.t.Fatalf("heard %s instead of a list", p)
	}
	c.shows = p
	return p
}

func users(names ...string) string {
	if names == nil {
		names = []string{}
	}
	list, _ := json.Marshal(names) // cannot fail: it is strings
	return `42["updateUserlist",{"userList":` + string(list) + `}]`
}

// seesOnly reads lists until one has exactly these users, if the last one had not.
func (c *client) seesOnly(names ...string) {
	c.t.Helper()
	for want := users(names...); c.shows != want; {
		c.list()
	}
}

// ask sends an event and gives the argument of its ack. What else is heard meanwhile is kept.
func (c *client) ask(event string) string {
	c.t.Helper()
	c.asked++
	id := strconv.Itoa(c.asked)
	c.say("42" + id + event)
	return c.answer(id)
}

// answer waits for the ack of an event.
func (c *client) answer(id string) string {
	c.t.Helper()
	for {
		p, err := c.next()
		if err != nil {
			c.t.Fatal(err)
		}
		if argument, ok := strings.CutPrefix(p, "43"+id+"["); ok {
			return strings.TrimSuffix(argument, "]")
		}
		c.kept = append(c.kept, p)
	}
}

// is checks the outcome of an event.
func (c *client) is(event, outcome string) {
	c.t.Helper()
	if got, want := c.ask(event), `{"status":"`+outcome+`"}`; got != want {
		c.t.Errorf("%.100s was answered by %s, want %s", event, got, want)
	}
}

// serves checks that a connection still does, and that nothing that is no list is left to hear.
func (c *client) serves() {
	c.t.Helper()
	c.is(`["refuse",{"to":"`+nobody+`"}]`, "offline")
	for _, p := range c.kept {
		if !isList(p) {
			c.t.Errorf("heard %s", p)
		}
	}
	c.kept = nil
}

// nobody is a user whom no test has.
const nobody = "nobody at all"

// ends reads to the end of the connection, and gives what is heard until then and how it ends.
func (c *client) ends() (all []string, how error) {
	c.t.Helper()
	for {
		p, err := c.next()
		if err != nil {
			var late interface{ Timeout() bool }
			if errors.As(err, &late) && late.Timeout() {
				c.t.Fatal("the connection does not end")
			}
			return append(c.kept, all...), err
		}
		all = append(all, p)
	}
}

// endsWith checks how the gateway ends a connection: with a close code, or over polling with a close packet.
func (c *client) endsWith(code int) []string {
	c.t.Helper()
	all, err := c.ends()
	if c.over == polling && !errors.Is(err, errClosed) || c.over == webSocket && !websocket.IsCloseError(err, code) {
		c.t.Errorf("ended by %v, want code %d", err, code)
	}
	return all
}

// leave closes the connection.
func (c *client) leave() {
	c.t.Helper()
	c.say("1")
	c.end()
}

// end ends the connection without a word, and what reads from it. Over polling that is noticed only if a poll waits.
func (c *client) end() {
	c.cut()
	if c.ws != nil {
		c.ws.Close()
	}
	if c.pumped != nil {
		<-c.pumped
	}
}
