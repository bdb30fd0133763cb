// Package client speaks the native door's protocol (docs/protocol.md) in Go, for tests and load: it holds the protocol's
// rules against every frame that arrives, and remembers frames until somebody asks for them.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ErrBroken is in the error of a connection that ended because the gateway sent what it must not send.
var ErrBroken = errors.New("protocol broken")

// Options of a connection. Address alone is required.
type Options struct {
	Address   string // host:port of the gateway
	User      string // "" for a random id
	Room      string // "" for the default room
	FullLists bool   // whole lists instead of deltas
	Header    http.Header
	// Dial makes the connection below, from some other network than this process' own; nil for that.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// OnList is called by the reader for each frame about the list, before it is taken in; nil for nothing.
	OnList func()
}

// Welcome is the data of the first frame.
type Welcome struct {
	UserID     string            `json:"userId"`
	SessionID  string            `json:"sessionId"`
	Room       string            `json:"room"`
	ICEServers []json.RawMessage `json:"iceServers"`
	Limits     map[string]int    `json:"limits"`
	Version    int               `json:"version"`
}

// Frame is a frame of the gateway.
type Frame struct {
	Event string          `json:"event"`
	ID    *string         `json:"id"`
	Data  json.RawMessage `json:"data"`
}

// Into decodes the frame's data.
func (f Frame) Into(v any) error {
	if err := json.Unmarshal(f.Data, v); err != nil {
		return fmt.Errorf("data of %s: %w", f.Event, err)
	}
	return nil
}

// Member is one member of the frame's data as it was written; nil if it is not there.
func (f Frame) Member(name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(f.Data, &members) != nil {
		return nil
	}
	return members[name]
}

// Text is one member of the frame's data that is a string; "" if it is none.
func (f Frame) Text(name string) string {
	var s string
	_ = json.Unmarshal(f.Member(name), &s)
	return s
}

// Client is one session.
type Client struct {
	Welcome Welcome
	ws      *websocket.Conn
	onList  func()        // or nil
	done    chan struct{} // closed when the reader has ended

	writing sync.Mutex

	mu      sync.Mutex
	lastID  int
	frames  []Frame       // not asked for yet; a test's own traffic bounds them
	list    list          // as the frames so far make it
	changed chan struct{} // closed and replaced at every change of what mu guards
	err     error         // why the connection ended, or what broke the protocol
}

// Dial connects and waits for the welcome.
func Dial(ctx context.Context, o Options) (*Client, error) {
	query := url.Values{}
	if o.User != "" {
		query.Set("user", o.User)
	}
	if o.Room != "" {
		query.Set("room", o.Room)
	}
	if o.FullLists {
		query.Set("userlist", "full")
	}
	c, err := open(ctx, "ws://"+o.Address+"/ws?"+query.Encode(), o)
	if err != nil {
		return nil, err
	}
	first, err := c.Next(ctx, func(Frame) bool { return true })
	if err == nil && first.Event != "welcome" {
		err = fmt.Errorf("the first frame is %s %s", first.Event, first.Data)
	}
	if err == nil {
		err = first.Into(&c.Welcome)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("log in: %w", err)
	}
	return c, nil
}

// Open connects and waits for nothing. If the gateway refuses the upgrade the error is a *[Refusal].
func Open(ctx context.Context, address string, header http.Header) (*Client, error) {
	return open(ctx, address, Options{Header: header})
}

func open(ctx context.Context, address string, o Options) (*Client, error) {
	dialer := websocket.Dialer{
		NetDialContext: o.Dial, HandshakeTimeout: 10 * time.Second, ReadBufferSize: 4096, WriteBufferSize: 4096,
	}
	ws, resp, err := dialer.DialContext(ctx, address, o.Header)
	if err != nil {
		if resp != nil {
			return nil, &Refusal{resp.StatusCode, resp.Header}
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Client{ws: ws, onList: o.OnList, done: make(chan struct{}), changed: make(chan struct{})}
	go c.read()
	return c, nil
}

// Refusal is the answer of a gateway that does not upgrade.
type Refusal struct {
	Status int
	Header http.Header
}

func (r *Refusal) Error() string { return "refused with status " + strconv.Itoa(r.Status) }

// Close ends the connection without a word and waits for the reader.
func (c *Client) Close() {
	_ = c.ws.Close()
	<-c.done
}

// Conn is the WebSocket, for what a well-behaved client does not do. The client reads from it.
func (c *Client) Conn() *websocket.Conn { return c.ws }

// SendText sends one text frame as it is.
func (c *Client) SendText(frame []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.ws.WriteMessage(websocket.TextMessage, frame); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// Send sends {"event","id"?,"data"}; no id if it is "".
func (c *Client) Send(event, id string, data any) error {
	frame, err := json.Marshal(struct {
		Event string `json:"event"`
		ID    string `json:"id,omitempty"`
		Data  any    `json:"data,omitempty"`
	}{event, id, data})
	if err != nil {
		return fmt.Errorf("send %s: %w", event, err)
	}
	return c.SendText(frame)
}

// Ask sends a frame with an id of its own and waits for the answer: an ack or an error.
func (c *Client) Ask(ctx context.Context, event string, data any) (Frame, error) {
	c.mu.Lock()
	c.lastID++
	id := "ask-" + strconv.Itoa(c.lastID)
	c.mu.Unlock()
	if err := c.Send(event, id, data); err != nil {
		return Frame{}, err
	}
	return c.Next(ctx, func(f Frame) bool { return f.ID != nil && *f.ID == id })
}

// Outcome sends a signal and waits for its outcome, such as "delivered".
func (c *Client) Outcome(ctx context.Context, event string, data any) (string, error) {
	f, err := c.Ask(ctx, event, data)
	if err != nil {
		return "", err
	}
	if f.Event != "ack" {
		return "", fmt.Errorf("%s was answered by %s %s", event, f.Event, f.Data)
	}
	return f.Text("status"), nil
}

// Next waits for the first frame that match likes, among those that nobody has taken yet and those to come, and takes it.
func (c *Client) Next(ctx context.Context, match func(Frame) bool) (Frame, error) {
	var found Frame
	err := c.await(ctx, func() bool {
		i := slices.IndexFunc(c.frames, match)
		if i < 0 {
			return false
		}
		found = c.frames[i]
		c.frames = slices.Delete(c.frames, i, i+1)
		return true
	})
	return found, err
}

// Event is Next for an event.
func (c *Client) Event(ctx context.Context, event string) (Frame, error) {
	f, err := c.Next(ctx, func(f Frame) bool { return f.Event == event })
	if err != nil {
		err = fmt.Errorf("wait for %s: %w", event, err)
	}
	return f, err
}

// Ended waits for the end of the connection and says how it ended: a *websocket.CloseError if the gateway said.
func (c *Client) Ended(ctx context.Context) error {
	select {
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the connection: %w", context.Cause(ctx))
	}
}

// Err says why the connection has ended; nil while it has not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// await waits until good holds; c.mu is held while good is called.
func (c *Client) await(ctx context.Context, good func() bool) error {
	for {
		c.mu.Lock()
		ok, err, changed := good(), c.err, c.changed
		c.mu.Unlock()
		switch {
		case ok:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Client) read() {
	defer close(c.done)
	for {
		_, msg, err := c.ws.ReadMessage()
		if err == nil {
			err = c.take(msg)
		}
		if err != nil {
			c.mu.Lock()
			c.err = err
			c.announce()
			c.mu.Unlock()
			_ = c.ws.Close()
			return
		}
	}
}

func (c *Client) take(msg []byte) error {
	var f Frame
	if err := json.Unmarshal(msg, &f); err != nil {
		return fmt.Errorf("%w: %w: %.200q", ErrBroken, err, msg)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.announce()
	switch f.Event {
	case "":
		return fmt.Errorf("%w: a frame without an event", ErrBroken)
	case "updateUserlist":
		c.listed()
		return c.list.replace(f)
	case "userlistDelta":
		c.listed()
		return c.list.change(f)
	case "userCount": // for whoever waits for it, too
		c.listed()
		if err := c.list.tell(f); err != nil {
			return err
		}
	}
	c.frames = append(c.frames, f)
	return nil
}

func (c *Client) listed() {
	if c.onList != nil {
		c.onList()
	}
}

// announce wakes whoever waits; c.mu is held.
func (c *Client) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}
