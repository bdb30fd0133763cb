package ws

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/doortest"
	"beckon/gateway/frames"
	"beckon/shared/wire"
)

// stall fills the way to a client that does not read, until the sender hears that it is slow. It gives the number of
// frames that were said to be delivered.
func (f *fixture) stall(sender *client, user string) (delivered int) {
	f.t.Helper()
	big := `{"event":"offer","id":"1","data":{"to":"` + user + `","offerType":"offer","offerSDP":"` +
		strings.Repeat("x", wire.MaxSDP) + `"}}`
	for range 10_000 {
		switch h := sender.ask(big); h.text("status") {
		case `"delivered"`:
			delivered++
		case `"slow"`:
			return delivered
		default:
			f.t.Fatalf("heard %s", h)
		}
	}
	f.t.Fatal("the client is never slow")
	return 0
}

// A client that reads nothing: its senders hear so, it is cut, and nobody else notices.
func TestStuckClient(t *testing.T) {
	t.Parallel()
	f := start(t, setup{narrow: true, options: func(o *Options) { o.Rates.Bytes = 1 << 30 }})
	alice, stuck, other := f.login("alice"), f.login("stuck"), f.login("other")
	delivered := f.stall(alice, "stuck")
	if h := alice.ask(`{"event":"refuse","id":"2","data":{"to":"stuck"}}`); h.text("status") != `"slow"` {
		t.Errorf("heard %s", h)
	}
	alice.send(`{"event":"refuse","data":{"to":"stuck"}}`)
	alice.hears(`{"event":"undeliverable","id":null,"data":{"to":"stuck","kind":"refuse","reason":"slow"}}`)
	if h := alice.ask(`{"event":"refuse","id":"3","data":{"to":"other"}}`); h.text("status") != `"delivered"` {
		t.Errorf("heard %s", h)
	}
	f.AwaitSessions(2)
	if got := f.Metric("beckon_connections_closed_total", "too_slow"); got != 1 {
		t.Errorf("%v counted as too slow", got)
	}
	if f.Metric("beckon_queue_full_total", "") < 3 {
		t.Error("full queues are not counted")
	}
	// Frames are whole and in order up to the cut.
	heard, _ := stuck.ends()
	offers := 0
	for _, h := range heard {
		if h.Event == "offer" {
			offers++
		}
	}
	if offers == 0 || offers > delivered {
		t.Errorf("%d offers arrived, %d were said to", offers, delivered)
	}
	for {
		if h := alice.next(); h.Event == "userlistDelta" && h.text("left") == `["stuck"]` {
			break
		}
	}
	other.serves()
}

// Frames that wait for a client leave together, once it reads again.
func TestFramesLeaveTogether(t *testing.T) {
	f := start(t, setup{narrow: true, options: func(o *Options) { o.Rates.Bytes = 1 << 30 }})
	alice, bob := f.login("alice"), f.login("bob")
	f.stall(alice, "bob")
	for { // until there is room for a few small frames, and the large ones before them leave as before
		if h := bob.event(); h.Event != "offer" {
			t.Fatalf("heard %s", h)
		}
		if h := alice.ask(`{"event":"refuse","id":"first","data":{"to":"bob"}}`); h.text("status") == `"delivered"` {
			break
		}
	}
	const n = 200
	delivered := 1
	for range n {
		if h := alice.ask(`{"event":"refuse","id":"more","data":{"to":"bob"}}`); h.text("status") == `"delivered"` {
			delivered++
		}
	}
	writes := &f.connOf("bob").link.Socket().Conn.(*doortest.Conn).Writes
	before := writes.Load()
	offers := 0
	for heard := 0; heard < delivered; {
		if bob.event().Event == "offer" {
			offers++
		} else {
			heard++
		}
	}
	// An offer is too large to be gathered, and takes two.
	if got := int(writes.Load() - before); delivered < n/2 || got > 2*offers+delivered/4 {
		t.Errorf("%d writes for %d small frames and %d large ones", got, delivered, offers)
	}
}

// The close frame stands behind everything that is queued, and nothing stands behind it.
func TestCloseFrameIsLast(t *testing.T) {
	f := start(t, setup{narrow: true, options: func(o *Options) { o.Rates.Bytes = 1 << 30 }})
	alice, bob := f.login("alice"), f.login("bob")
	delivered := f.stall(alice, "bob")
	f.connOf("bob").out.End(websocket.FormatCloseMessage(4000, "the end"))
	if h := alice.ask(`{"event":"refuse","id":"2","data":{"to":"bob"}}`); h.text("status") != `"offline"` {
		t.Errorf("heard %s", h)
	}
	offers := 0
	for _, h := range bob.endsWith(4000) {
		if h.Event == "offer" {
			offers++
		}
	}
	if offers != delivered {
		t.Errorf("%d offers arrived before the end, %d were said to", offers, delivered)
	}
}

// A client that asks and asks and reads nothing is not read any more, and then cut.
func TestClientThatDoesNotReadItsAnswers(t *testing.T) {
	t.Parallel()
	f := start(t, setup{narrow: true, options: func(o *Options) { o.Rates = Rates{1 << 30, 1 << 30} }})
	stuck, other := f.login("stuck"), f.login("other")
	if err := stuck.ws.NetConn().SetWriteDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat(`\u0041`, 64) // is repeated as it was written
	for {
		if err := stuck.ws.WriteMessage(websocket.TextMessage, []byte(`{"event":"sync","id":"`+id+`"}`)); err != nil {
			break
		}
	}
	f.AwaitSessions(1)
	if got := f.Metric("beckon_connections_closed_total", "too_slow"); got != 1 {
		t.Errorf("%v counted as too slow", got)
	}
	stuck.ends()
	other.serves()
}

// Nobody who does not read, or reads a little now and then, can hold up a gateway that wants to stop.
func TestDrainWithStuckClients(t *testing.T) {
	t.Parallel()
	f := start(t, setup{
		narrow: true, options: func(o *Options) { o.Rates.Bytes = 1 << 30 },
		door: func(d *Door) {
			links := linksOf(d.o)
			links.Write = time.Hour // which ends a stuck client, but no other
			d.links = frames.NewServer(links)
		},
	})
	alice := f.login("alice")
	f.login("stuck")
	trickle := f.login("trickle")
	f.stall(alice, "stuck")
	f.stall(alice, "trickle")
	trickling := make(chan struct{})
	go func() {
		defer close(trickling)
		slow := time.NewTicker(50 * time.Millisecond) // a minute for all that waits
		defer slow.Stop()
		for some := make([]byte, 1024); ; <-slow.C {
			if _, err := trickle.ws.NetConn().Read(some); err != nil {
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // as service managers have it
	defer cancel()
	if err := f.Hub.Drain(ctx, 0); err != nil {
		t.Error(err)
	}
	f.door.Wait()
	alice.endsWith(websocket.CloseServiceRestart)
	trickle.ws.Close()
	<-trickling
}

// A panic in a callback ends the connection that it is about, with a word, and leaves nothing behind.
func TestPanics(t *testing.T) {
	for name, test := range map[string]struct {
		sabotage func(*conn)
		then     func(*client)
	}{
		"while a frame is read": {
			func(c *conn) { c.bad = nil },
			func(c *client) { c.send(`bad`) },
		},
		"while a binary frame is read": {
			func(c *conn) { c.bad = nil },
			func(c *client) { _ = c.ws.WriteMessage(websocket.BinaryMessage, nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, setup{})
			alice := f.login("alice")
			test.sabotage(f.connOf("alice"))
			bob := f.login("bob")
			test.then(alice)
			alice.endsWith(websocket.CloseInternalServerErr)
			f.AwaitSessions(1)
			f.Await("forgotten", func() bool { return len(f.door.links.Owners()) == 1 })
			bob.serves()
			if h := bob.ask(`{"event":"refuse","id":"1","data":{"to":"alice"}}`); h.text("status") != `"offline"` {
				t.Errorf("heard %s", h)
			}
			if got := f.Metric("beckon_connections_closed_total", "fault"); got != 1 {
				t.Errorf("%v counted", got)
			}
		})
	}
}
