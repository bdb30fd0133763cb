package ws

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// client is the other end of a connection. Nothing reads from it but its methods.
type client struct {
	t  testing.TB
	ws *websocket.Conn
}

// heard is a frame as a client hears it.
type heard struct {
	Event string          `json:"event"`
	ID    *string         `json:"id"`
	Data  json.RawMessage `json:"data"`
}

func (h heard) String() string {
	b, _ := json.Marshal(h)
	return string(b)
}

// text is a member of the data as it was written.
func (h heard) text(member string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(h.Data, &members); err != nil {
		return err.Error()
	}
	return string(members[member])
}

// dial connects: a client, or the answer of a gateway that does not upgrade.
func (f *fixture) dial(query string, header http.Header) (*client, *http.Response) {
	f.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience}
	ws, resp, err := d.Dial("ws://"+f.Address+"/ws?"+query, header)
	if err != nil {
		if !errors.Is(err, websocket.ErrBadHandshake) {
			f.t.Fatal(err)
		}
		return nil, resp
	}
	return newClient(f.t, ws), resp
}

func newClient(t testing.TB, ws *websocket.Conn) *client {
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, ws: ws}
}

// open connects and waits for nothing.
func (f *fixture) open(query string) *client {
	f.t.Helper()
	c, resp := f.dial(query, nil)
	if c == nil {
		f.t.Fatalf("refused with %s", resp.Status)
	}
	return c
}

// login connects and waits for the welcome and the list.
func (f *fixture) login(user string) *client {
	f.t.Helper()
	c := f.open("user=" + user)
	for _, want := range []string{"welcome", "updateUserlist"} {
		if h := c.next(); h.Event != want {
			f.t.Fatalf("heard %s, want %s", h, want)
		}
	}
	return c
}

func (c *client) send(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// next is the next frame, whatever it is, but what is said of presence: nobody plays its part here, and clients are told
// so after a second.
func (c *client) next() heard {
	c.t.Helper()
	for {
		h, err := c.read()
		if err != nil {
			c.t.Fatal(err)
		}
		if h.Event != "presence" {
			return h
		}
	}
}

func (c *client) read() (heard, error) {
	kind, msg, err := c.ws.ReadMessage()
	if err != nil {
		return heard{}, err
	}
	var h heard
	d := json.NewDecoder(strings.NewReader(string(msg)))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil || kind != websocket.TextMessage || h.Event == "" {
		c.t.Errorf("heard %q: %v", msg, err)
	}
	return h, nil
}

// event is the next frame that is no list.
func (c *client) event() heard {
	c.t.Helper()
	for {
		if h := c.next(); !h.isList() {
			return h
		}
	}
}

func (h heard) isList() bool {
	return h.Event == "updateUserlist" || h.Event == "userlistDelta" || h.Event == "userCount"
}

// hears checks the next frame that is no list.
func (c *client) hears(want string) {
	c.t.Helper()
	if got := c.event().String(); got != want {
		c.t.Errorf("heard %s, want %s", got, want)
	}
}

// ask sends a frame with an id and waits for what is said with that id.
func (c *client) ask(text string) heard {
	c.t.Helper()
	c.send(text)
	return c.answer()
}

func (c *client) answer() heard {
	c.t.Helper()
	for {
		if h := c.next(); h.ID != nil {
			return h
		}
	}
}

// serves checks that a connection still does.
func (c *client) serves() {
	c.t.Helper()
	if h := c.ask(`{"event":"sync","id":"still here"}`); h.Event != "ack" || *h.ID != "still here" {
		c.t.Errorf("heard %s", h)
	}
}

// ends reads to the end of the connection and closes it, and gives what is heard until then and how it ends.
func (c *client) ends() ([]heard, error) {
	c.t.Helper()
	var all []heard
	for {
		h, err := c.read()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				c.t.Fatal("the connection does not end")
			}
			c.ws.Close()
			return all, err
		}
		all = append(all, h)
	}
}

// endsWith checks the close code.
func (c *client) endsWith(code int) []heard {
	c.t.Helper()
	all, err := c.ends()
	if !websocket.IsCloseError(err, code) {
		c.t.Errorf("ended by %v, want code %d", err, code)
	}
	return all
}

// isCut checks that the connection ends without a word.
func (c *client) isCut() {
	c.t.Helper()
	_, err := c.ends()
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		c.t.Errorf("ended by %v", err)
	}
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
