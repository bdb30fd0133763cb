package sio

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/frames"
	"beckon/gateway/socketio/engineio"
)

const patience = 10 * time.Second

// fixture is a server that records what it is told, and clients.
type fixture struct {
	t       *testing.T
	connect chan *Socket
	events  chan string
	left    chan string
	server  *Server
	url     string
}

func start(t *testing.T, o Options) *fixture {
	f := &fixture{t: t, connect: make(chan *Socket, 100), events: make(chan string, 100), left: make(chan string, 100)}
	o.Engine.Log = slog.New(slog.DiscardHandler)
	if o.Connect == nil {
		o.Connect = func(s *Socket) {
			s.Data = string(s.Auth)
			f.connect <- s
		}
	}
	o.Event = func(s *Socket, e *Event) error {
		args, err := e.Args()
		if err != nil {
			return err
		}
		f.events <- fmt.Sprintf("%s %s %s %v %q", s.Namespace(), e.Name, args.Values, e.Ack.Wanted(), args.Attachments)
		e.Ack.Send(args)
		return nil
	}
	o.Disconnect = func(s *Socket, why engineio.Reason) { f.left <- fmt.Sprint(s.Namespace(), " ", why) }
	f.server = New(o)
	web := httptest.NewServer(f.server)
	f.url = "ws" + strings.TrimPrefix(web.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	t.Cleanup(func() {
		f.server.Close()
		web.Close()
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

type peer struct {
	*fixture
	ws *websocket.Conn
}

func (f *fixture) client() *peer {
	f.t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial(f.url, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	resp.Body.Close()
	f.t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		f.t.Fatal(err)
	}
	if _, open, err := ws.ReadMessage(); err != nil || open[0] != '0' {
		f.t.Fatalf("%s, %v", open, err)
	}
	return &peer{f, ws}
}

// say sends texts, or what is behind "binary ".
func (c *peer) say(messages ...string) {
	c.t.Helper()
	for _, m := range messages {
		if err := c.ws.WriteMessage(kindOf(m)); err != nil {
			c.t.Fatal(err)
		}
	}
}

func kindOf(m string) (int, []byte) {
	if data, binary := strings.CutPrefix(m, "binary "); binary {
		return websocket.BinaryMessage, []byte(data)
	}
	return websocket.TextMessage, []byte(m)
}

func (c *peer) hear(want ...string) {
	c.t.Helper()
	for _, want := range want {
		if _, got, err := c.ws.ReadMessage(); err != nil || string(got) != want {
			c.t.Fatalf("heard %q, %v, want %q", got, err, want)
		}
	}
}

// isEnded reads to the end of the connection.
func (c *peer) isEnded() {
	c.t.Helper()
	for begun := time.Now(); ; {
		if _, _, err := c.ws.ReadMessage(); err != nil {
			if time.Since(begun) > patience {
				c.t.Error("it does not end")
			}
			return
		}
	}
}

func (f *fixture) is(c <-chan string, want string) {
	f.t.Helper()
	if got := next(f.t, c, "call"); got != want {
		f.t.Errorf("called with %s, want %s", got, want)
	}
}

// A socket is accepted when its owner likes; what the client says meanwhile is not lost.
func TestAcceptedLater(t *testing.T) {
	f := start(t, Options{})
	c := f.client()
	c.say(`40{"a": [1, "x y"] }`, `42["early",1]`)
	s := next(t, f.connect, "CONNECT")
	if s.Data != `{"a":[1,"x y"]}` {
		t.Errorf("auth %s", s.Data)
	}
	f.is(f.events, `/ early [1] false []`)
	s.Accept(`i"d`)
	c.hear(`40{"sid":"i\"d"}`)
	s.Emit("hello", Args{Values: []json.RawMessage{[]byte("1")}})
	s.Send(false, frames.Text(append(BeginEvent(nil, "/", "all"), `,{"x":0}]`...)))
	c.hear(`42["hello",1]`, `42["all",{"x":0}]`)
	c.ws.Close()
	f.is(f.left, fmt.Sprint("/ ", engineio.Gone))
}

// Who is refused may try again, and leaves no trace.
func TestRefused(t *testing.T) {
	f := start(t, Options{Namespaces: []string{"/", "/b"}})
	c := f.client()
	for range 3 {
		c.say(`40/b,`)
		next(t, f.connect, "CONNECT").Refuse("not you", map[string]string{"code": "x"})
		c.hear(`44/b,{"message":"not you","data":{"code":"x"}}`)
	}
	c.say(`40/b`)
	next(t, f.connect, "CONNECT").Accept("b")
	c.hear(`40/b,{"sid":"b"}`)
	c.say(`40/nowhere,{}`)
	c.hear(`44/nowhere,{"message":"Invalid namespace"}`)
	c.say(`42/b,1["event"]`)
	f.is(f.events, `/b event [] true []`)
	c.hear(`43/b,1[]`)
	c.say(`41/b,`)
	f.is(f.left, fmt.Sprint("/b ", engineio.ClientClosed))
	c.say(`40`)
	next(t, f.connect, "CONNECT").Refuse("not you", nil)
	c.hear(`44{"message":"not you"}`)
	c.say(`40/b,`)
	next(t, f.connect, "CONNECT")
	c.ws.Close()
	f.is(f.left, fmt.Sprint("/b ", engineio.Gone))
	if len(f.left) > 0 {
		t.Errorf("and then %s", <-f.left)
	}
}

// A client may be in no namespace for ConnectTimeout, also after it was in one or was refused.
func TestConnectTimeout(t *testing.T) {
	for name, words := range map[string][]string{
		"nothing said": {}, "after DISCONNECT": {`40`, `41`}, "refused": {`40/refused,`}, "unknown": {`40/unknown,`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, Options{
				Namespaces: []string{"/", "/refused"}, ConnectTimeout: 50 * time.Millisecond,
				Connect: func(s *Socket) {
					if s.Namespace() == "/refused" {
						s.Refuse("no", nil)
					} else {
						s.Accept("x")
					}
				},
			})
			stays := f.client()
			stays.say(`40`)
			stays.hear(`40{"sid":"x"}`)
			c := f.client()
			c.say(words...)
			c.isEnded()
			stays.say(`420["here"]`)
			stays.hear(`430[]`)
		})
	}
}

func TestBinary(t *testing.T) {
	f := start(t, Options{})
	c := f.client()
	c.say(`40`, `452-9["event",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "binary one", "binary ")
	f.is(f.events, `/ event [{"_placeholder":true,"num":1} {"_placeholder":true,"num":0}] true ["one" ""]`)
	c.hear(`462-9[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "one", "")
	c.say(`461-5[{"_placeholder":true,"num":0}]`, "binary nobody asked", `420["and on"]`)
	c.hear(`430[]`)
}

// Who has no use for attachments is told of their events, and keeps nothing.
func TestWithoutBinary(t *testing.T) {
	f := start(t, Options{WithoutBinary: true})
	c := f.client()
	c.say(`40`, `452-9["ev\"ent",{"_placeholder":true,"num":1},{"x":1}]`, "binary one", "binary two")
	f.is(f.events, `/ ev"ent [] true ["" ""]`)
	c.say(`461-5[{"_placeholder":true,"num":0}]`, "binary nobody asked", `420["and on"]`)
	f.is(f.events, `/ and on [] true []`)
}

// A malformed packet ends the connection, and nothing else.
func TestProtocolErrors(t *testing.T) {
	for _, without := range []bool{false, true} {
		t.Run(fmt.Sprint("without binary ", without), func(t *testing.T) { protocolErrors(t, without) })
	}
}

func protocolErrors(t *testing.T, withoutBinary bool) {
	f := start(t, Options{
		Engine: engineio.Options{MaxPayload: 1000}, WithoutBinary: withoutBinary, Connect: func(s *Socket) { s.Accept("x") },
	})
	for name, words := range map[string][]string{
		"no type":                           {`4`},
		"unknown type":                      {`47`},
		"no CONNECT first":                  {`42["event"]`},
		"an ack first":                      {`430[]`},
		"DISCONNECT first":                  {`41`},
		"CONNECT twice":                     {`40`, `40`},
		"CONNECT with an array":             {`40[]`},
		"CONNECT with null":                 {`40null`},
		"CONNECT with half an object":       {`40{"a"`},
		"CONNECT with more":                 {`40{}{}`},
		"DISCONNECT with a payload":         {`40`, `41{}`},
		"CONNECT_ERROR":                     {`40`, `44{"message":"x"}`},
		"an event of another namespace":     {`40`, `42/b,["event"]`},
		"after DISCONNECT":                  {`40`, `41`, `42["event"]`},
		"an object":                         {`40`, `42{}`},
		"an empty array":                    {`40`, `42[]`},
		"no payload":                        {`40`, `42`},
		"half an array":                     {`40`, `42["event"`},
		"more than an array":                {`40`, `42["event"]]`},
		"an ack id of letters":              {`40`, `42abc["event"]`},
		"an ack id that is too large":       {`40`, `429007199254740992["event"]`},
		"an ack id that is too long":        {`40`, `42` + strings.Repeat("1", 30) + `["event"]`},
		"a binary event of an object":       {`40`, `451-{}`},
		"a binary event of a reserved name": {`40`, `451-["connect"]`},
		"a binary ack of an object":         {`40`, `461-7{}`},
		"a binary ack without an id":        {`40`, `461-[]`},
		"a reserved name":                   {`40`, `42["disconnect"]`},
		"an ack without an id":              {`40`, `43[]`},
		"an ack without an array":           {`40`, `431{}`},
		"an ack of null":                    {`40`, `431null`},
		"no attachments":                    {`40`, `450-["event"]`},
		"eleven attachments":                {`40`, `4511-["event"]`},
		"text for an attachment":            {`40`, `451-["event",{"_placeholder":true,"num":0}]`, `42["event"]`},
		"an attachment of nothing":          {`40`, "binary x"},
		"an attachment too many":            {`40`, `451-["event"]`, "binary x", "binary y"},
		"a placeholder that points nowhere": {`40`, `451-["event",{"_placeholder":true,"num":1}]`, "binary x"},
		"attachments that are too large":    {`40`, `452-["event"]`, "binary " + strings.Repeat("x", 900), "binary " + strings.Repeat("y", 900)},
		"comes and goes":                    slices.Repeat([]string{`40`, `41`}, 100),
		"nested deeply":                     {`40`, `451-["event",` + strings.Repeat("[", 400), "binary x"},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.client()
			for _, word := range words {
				_ = c.ws.WriteMessage(kindOf(word)) // it may have ended before the last
			}
			c.isEnded()
		})
	}
	c := f.client()
	c.say(`40`, `420["error"]`)
	c.hear(`40{"sid":"x"}`, `430[]`)
}
