package ws

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/frames"
	"beckon/gateway/socket"
	"beckon/shared/wire"
)

// pad makes a frame of so many bytes.
func pad(event string, size int) string {
	head, tail := `{"event":"`+event+`","id":"1","x":"`, `"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// After whatever frame, the client hears what was wrong with it, and the connection serves the next.
func TestBadFrames(t *testing.T) {
	f := start(t, setup{})
	alice, bob := f.login("alice"), f.login("bob")
	for _, test := range []struct{ frame, want string }{
		{`no JSON`, `{"event":"error","id":null,"data":{"code":"bad_frame","message":"malformed JSON at byte 1"}}`},
		{`{"event":"shout","id":"1"}`, `{"event":"error","id":"1","data":{"code":"unknown_event","message":"unknown event"}}`},
		{`{"event":"refuse","id":"1","data":{"to":"bob","to":"bob"}}`, `{"event":"error","id":"1","data":{"code":"bad_frame","message":"malformed JSON: duplicate name"}}`},
		{`{"event":"refuse","id":"1","data":{"to":5}}`, `{"event":"error","id":"1","data":{"code":"bad_field","message":"to must be a user id"}}`},
		{`{"event":"refuse","id":"1","data":{"TO":"bob"}}`, `{"event":"error","id":"1","data":{"code":"bad_field","message":"to must be a user id"}}`},
		{`{"event":"sync","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, `{"event":"error","id":null,"data":{"code":"bad_frame","message":"malformed JSON: nested deeper than 16"}}`},
		{`{"event":"refuse","id":"1","data":{"to":"\u0000"}}`, `{"event":"error","id":"1","data":{"code":"bad_field","message":"to must be a user id: user id has a control character"}}`},
	} {
		alice.send(test.frame)
		if got := alice.event(); test.want != "" && got.String() != test.want {
			t.Errorf("%.100s: heard\n%s, want\n%s", test.frame, got, test.want)
		}
		if h := alice.ask(`{"event":"refuse","id":"good","data":{"to":"bob"}}`); h.text("status") != `"delivered"` {
			t.Errorf("%.100s: then heard %s", test.frame, h)
		}
		if h := bob.event(); h.Event != "refuse" {
			t.Errorf("%.100s: bob heard %s", test.frame, h)
		}
	}
	if got := f.Metric("beckon_frames_refused_total", "bad_field"); got != 3 {
		t.Errorf("%v bad fields counted", got)
	}
}

func TestBinary(t *testing.T) {
	f := start(t, setup{})
	c := f.login("alice")
	if err := c.ws.WriteMessage(websocket.BinaryMessage, []byte(`{"event":"sync"}`)); err != nil {
		t.Fatal(err)
	}
	c.hears(`{"event":"error","id":null,"data":{"code":"binary","message":"frames are JSON text, not binary"}}`)
	c.serves()
}

func TestInvalidUTF8(t *testing.T) {
	f := start(t, setup{})
	c, bob := f.login("alice"), f.login("bob")
	c.send("{\"event\":\"message\",\"id\":\"1\",\"data\":{\"to\":\"bob\",\"data\":\"\xff\"}}")
	heard := c.endsWith(websocket.CloseInvalidFramePayloadData)
	if len(heard) == 0 || heard[len(heard)-1].text("code") != `"bad_utf8"` {
		t.Errorf("heard %v", heard)
	}
	f.AwaitSessions(1)
	bob.serves()
}

// A character may be cut in two by the fragments of a message.
func TestFragments(t *testing.T) {
	f := start(t, setup{})
	alice := f.login("alice")
	small := websocket.Dialer{WriteBufferSize: 16, HandshakeTimeout: patience}
	ws, _, err := small.Dial("ws://"+f.Address+"/ws?user=bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	bob := newClient(t, ws)
	w, err := ws.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("😀", 100)
	frame := []byte(`{"event":"message","id":"1","data":{"to":"alice","data":"` + text + `"}}`)
	for _, b := range frame { // one by one, so that they leave whenever the buffer is full
		if _, err := w.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if h := bob.answer(); h.text("status") != `"delivered"` {
		t.Errorf("heard %s", h)
	}
	if h := alice.event(); h.text("data") != `"`+text+`"` {
		t.Errorf("heard %s", h)
	}
}

func TestFrameSize(t *testing.T) {
	f := start(t, setup{})
	c, bob := f.login("alice"), f.login("bob")
	c.send(pad("sync", wire.MaxFrame))
	if h := c.answer(); h.Event != "ack" {
		t.Errorf("the longest frame: heard %s", h)
	}
	c.send(pad("sync", wire.MaxFrame+1))
	c.endsWith(websocket.CloseMessageTooBig)
	f.AwaitSessions(1)
	bob.serves()
	if got := f.Metric("beckon_connections_closed_total", "flood"); got != 1 {
		t.Errorf("%v counted", got)
	}
}

// The fragments of a message count together.
func TestFrameSizeInFragments(t *testing.T) {
	f := start(t, setup{})
	c := f.login("alice")
	w, err := c.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err = w.Write(make([]byte, 1000)); err != nil {
			break // the door has ended it
		}
	}
	if _, err := c.ends(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) && !isReset(err) {
		t.Errorf("ended by %v", err)
	}
	f.AwaitSessions(0)
}

// isReset reports that the kernel said so: a megabyte on its way is more than the door waits for.
func isReset(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && !network.Timeout()
}

func TestTooManyBadFrames(t *testing.T) {
	f := start(t, setup{})
	c, bob := f.login("alice"), f.login("bob")
	for range badBurst - 1 {
		c.send(`bad`)
	}
	for range badBurst - 1 {
		if h := c.event(); h.text("code") != `"bad_frame"` {
			t.Fatalf("heard %s", h)
		}
	}
	c.serves()
	for range badBurst { // faster than 4 a second, however slow this machine
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte(`bad`)); err != nil {
			break
		}
	}
	c.endsWith(4429)
	f.AwaitSessions(1)
	bob.serves()
	if got := f.Metric("beckon_connections_closed_total", "too_many_bad"); got != 1 {
		t.Errorf("%v counted", got)
	}
}

func TestFrameRate(t *testing.T) {
	f := start(t, setup{options: func(o *Options) { o.Rates.Frames = 10 }})
	c := f.login("alice")
	const n = 40
	for i := range n {
		c.send(fmt.Sprintf(`{"event":"sync","id":"%d"}`, i))
	}
	var acks, errors int
	for i := range n {
		h := c.answer()
		if *h.ID != fmt.Sprint(i) {
			t.Errorf("answer %d has id %s", i, *h.ID)
		}
		switch {
		case h.Event == "ack":
			acks++
		case h.text("code") == `"rate_limited"`:
			errors++
		default:
			t.Errorf("heard %s", h)
		}
	}
	if acks < 20 || errors == 0 {
		t.Errorf("%d accepted and %d refused; want 20 in a burst", acks, errors)
	}
	limit := f.connOf("alice").frames
	f.Await("time for another frame", func() bool { return limit.Tokens() >= 1 })
	c.serves()
}

func TestByteRate(t *testing.T) {
	f := start(t, setup{options: func(o *Options) { o.Rates.Bytes = wire.MaxFrame }})
	c := f.login("alice")
	const n = 8
	for range n {
		c.send(pad("sync", wire.MaxFrame))
	}
	var acks int
	for range n {
		if c.answer().Event == "ack" {
			acks++
		}
	}
	if acks < 2 || acks == n {
		t.Errorf("%d of %d accepted; want 2 in a burst", acks, n)
	}
	c.send(`{"event":"sync","id":"small"}`)
	c.answer()
}

// Pings are frames, and count as such.
func TestPingRate(t *testing.T) {
	f := start(t, setup{options: func(o *Options) { o.Rates.Frames = 10 }})
	c := f.login("alice")
	const n = 40
	for range n {
		c.send(`{"event":"ping","id":"1"}`)
	}
	acks := 0
	for range n {
		switch h := c.answer(); {
		case h.Event == "ack":
			acks++
		case h.text("code") != `"rate_limited"`:
			t.Errorf("heard %s", h)
		}
	}
	if acks < 20 || acks == n {
		t.Errorf("%d of %d accepted; want 20 in a burst", acks, n)
	}
}

// Ten thousand frames a second: the limits are told, and then the connection ends. Nobody else notices.
func TestFrameFlood(t *testing.T) {
	f := start(t, setup{options: func(o *Options) { o.Rates.Frames = 100 }})
	c, bob := f.login("alice"), f.login("bob")
	for range 10_000 {
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte(`{"event":"refuse","id":"1","data":{"to":"bob"}}`)); err != nil {
			break
		}
	}
	limited := 0
	for _, h := range c.endsWith(4429) {
		if h.Event == "error" && h.text("code") == `"rate_limited"` {
			limited++
		}
	}
	if limited < badBurst {
		t.Errorf("%d frames were said to be too many", limited)
	}
	f.AwaitSessions(1)
	bob.serves()
}

// What never becomes a frame is bounded by the socket.
func TestSocketBudget(t *testing.T) {
	f := start(t, setup{budget: socket.Budget{Bytes: 100_000, Reads: 1000}})
	c := f.login("alice")
	if err := c.ws.NetConn().SetWriteDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	flood := []byte{0x01, 0x80, 0, 0, 0, 0} // the first fragment of a text, empty, masked as it must be
	for len(flood) < 1<<20 {
		flood = append(flood, 0x00, 0x80, 0, 0, 0, 0) // the next; the last never comes
	}
	_, _ = c.ws.NetConn().Write(flood) // fails when the door has had enough
	c.isCut()
	f.AwaitSessions(0)
	if got := f.Metric("beckon_connections_closed_total", "flood"); got != 1 {
		t.Errorf("%v counted", got)
	}
}

// Pongs that nobody asked for are no better than pings.
func TestPongs(t *testing.T) {
	f := start(t, setup{})
	c, bob := f.login("alice"), f.login("bob")
	for range badBurst / 2 {
		if err := c.ws.WriteMessage(websocket.PongMessage, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.serves()
	for range 1000 {
		if err := c.ws.WriteMessage(websocket.PongMessage, nil); err != nil {
			break
		}
	}
	c.isCut()
	f.AwaitSessions(1)
	bob.serves()
	if got := f.Metric("beckon_connections_closed_total", "flood"); got != 1 {
		t.Errorf("%v counted", got)
	}
}

func TestPings(t *testing.T) {
	f := start(t, setup{})
	c, bob := f.login("alice"), f.login("bob")
	pongs := make(chan string, 1000)
	c.ws.SetPongHandler(func(data string) error {
		pongs <- data
		return nil
	})
	for i := range badBurst {
		if err := c.ws.WriteMessage(websocket.PingMessage, []byte(fmt.Sprint("ping ", i))); err != nil {
			t.Fatal(err)
		}
	}
	c.serves()
	for i := range badBurst {
		if got, want := <-pongs, fmt.Sprint("ping ", i); got != want {
			t.Errorf("pong %q, want %q", got, want)
		}
	}
	for range 1000 {
		if err := c.ws.WriteMessage(websocket.PingMessage, nil); err != nil {
			break
		}
	}
	c.isCut()
	f.AwaitSessions(1)
	bob.serves()
	if got := f.Metric("beckon_connections_closed_total", "flood"); got != 1 {
		t.Errorf("%v counted", got)
	}
}

// A client that answers no pings is taken to be gone, one that does and says nothing else is not.
func TestHalfOpen(t *testing.T) {
	f := start(t, setup{door: func(d *Door) {
		links := linksOf(d.o)
		links.Ping, links.Pong = 50*time.Millisecond, 3*time.Second // longer than a busy machine stands still
		d.links = frames.NewServer(links)
	}})
	good, silent := f.login("good"), f.login("silent")
	pings := 0
	answer := good.ws.PingHandler()
	good.ws.SetPingHandler(func(data string) error {
		pings++
		return answer(data)
	})
	silent.ws.SetPingHandler(func(string) error { return nil })
	// Its own frames are no sign of life that could be taken for an answer.
	silent.send(`{"event":"sync"}`)
	for { // reading answers the pings
		if h := good.next(); h.Event == "userlistDelta" && h.text("left") == `["silent"]` {
			break
		}
	}
	good.serves()
	silent.isCut()
	if pings == 0 {
		t.Error("no pings came")
	}
	if got := f.Metric("beckon_connections_closed_total", "silent"); got != 1 {
		t.Errorf("%v counted", got)
	}
	f.AwaitSessions(1)
}
