package socketio

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"beckon/shared/wire"
)

// abort ends a client without a word. Over polling it begins a poll that it gives up; nothing must be left to be polled, and
// the client be lazy.
func (c *client) abort(f *fixture) {
	c.t.Helper()
	if c.over == webSocket {
		c.ws.Close()
		return
	}
	conn, err := net.Dial("tcp", f.Address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	_, path, _ := strings.Cut(c.url, f.Address)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, f.Address); err != nil {
		c.t.Fatal(err)
	}
}

// Whatever ends a connection, its session leaves once, and nothing of it stays.
func TestEnds(t *testing.T) {
	const closings = "beckon_connections_closed_total"
	ends := map[string]struct {
		by     func(*client, *fixture)
		reason string // as it is counted; none when it is nobody's fault
	}{
		"DISCONNECT":          {func(c *client, _ *fixture) { c.say("41") }, ""},
		"close packet":        {func(c *client, _ *fixture) { c.say("1") }, ""},
		"no word":             {func(c *client, f *fixture) { c.abort(f) }, ""},
		"malformed packet":    {func(c *client, _ *fixture) { _ = c.try("4x") }, "bad_data"},
		"malformed event":     {func(c *client, _ *fixture) { _ = c.try(`42["refuse",`) }, "bad_data"},
		"CONNECT twice":       {func(c *client, _ *fixture) { _ = c.try("40") }, "bad_data"},
		"attachment too much": {func(c *client, _ *fixture) { _ = c.try("bAQID") }, "bad_data"},
		"refused events": {func(c *client, _ *fixture) {
			_ = c.try(slices.Repeat([]string{`42["offer",{"to":"x"}]`}, 3*badBurst)...)
		}, "too_many_bad"},
		"all at once": {func(c *client, f *fixture) {
			_ = c.try("41", `42["refuse",`, "1")
			c.abort(f)
		}, ""}, // it had left by then
	}
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		announced, err := f.Conn.NATS().SubscribeSync(wire.AnnounceSubject("gw-test"))
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string]float64)
		for name, end := range ends {
			c := f.lazy(over)
			c.say(fmt.Sprintf(`40{"user":"alice","room":%q}`, name)) // nobody's before, so that its list is told at once
			for heard := ""; heard != users("alice"); {
				h := c.fetch()
				if h.err != nil {
					t.Fatal(h.err)
				}
				heard = h.packets[len(h.packets)-1]
			}
			end.by(c, f)
			f.AwaitSessions(0)
			if end.reason != "" {
				want[end.reason]++
				f.Await("counted: "+name, func() bool { return f.Metric(closings, end.reason) == want[end.reason] })
			}
			c.end()
		}
		total := 0.0
		for _, n := range want {
			total += n
		}
		if got := f.Metric(closings, ""); got != total {
			t.Errorf("%v connections counted as ended, want %v", got, total)
		}
		left := make(map[string]int)
		for joined := make(map[string]int); len(left) < len(ends); {
			msg, err := announced.NextMsg(patience)
			if err != nil {
				t.Fatalf("%v; %d of %d have left", err, len(left), len(ends))
			}
			var said wire.Announcement
			if err := wire.Decode(msg.Data, &said); err != nil {
				t.Fatal(err)
			}
			for _, login := range said.Joined {
				joined[login.Session]++
			}
			for _, session := range said.Left {
				if left[session]++; left[session] != 1 || joined[session] != 1 {
					t.Errorf("%s joined %d times and left %d times", session, joined[session], left[session])
				}
			}
		}
		for _, name := range []string{"beckon_sessions", "beckon_users"} {
			if got := f.Metric(name, ""); got != 0 {
				t.Errorf("%s is %v", name, got)
			}
		}
	})
}

// A gateway that stops ends its connections so that clients come again: never with DISCONNECT.
func TestDrain(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice, bob := f.login(over, "alice"), f.login(over, "bob")
		nobody := f.open(over)
		if err := f.Hub.Drain(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*client{alice, bob} {
			for _, p := range c.endsWith(websocket.CloseServiceRestart) {
				if !isList(p) {
					t.Errorf("%s heard %s", c.id, p)
				}
			}
		}
		f.turnsAway(over, "draining", "this gateway is stopping")
		f.ended("draining", 2)
		nobody.say(`40`)
		if heard := nobody.endsWith(websocket.CloseServiceRestart); len(heard) > 0 {
			t.Errorf("who came late heard %q", heard)
		}
	})
}

// Who has not logged in is ended with the door.
func TestClose(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		quiet, alice := f.open(over), f.login(over, "alice")
		f.door.Close()
		for _, c := range []*client{quiet, alice} {
			c.endsWith(websocket.CloseGoingAway)
		}
		if got := f.Hub.Sessions(); got != 0 {
			t.Errorf("%d sessions", got)
		}
	})
}

// NATS is away for longer than a login waits.
func TestNATSAway(t *testing.T) {
	t.Parallel()
	f := startDoor(t, setup{})
	var here, early []*client
	for _, over := range both {
		here = append(here, f.login(over, "here over "+string(over)))
		early = append(early, f.open(over))
	}
	f.SetLink(false)
	f.Await("closed", func() bool { reason, _ := f.Hub.Closed(); return reason == "nats_away" })
	for i, over := range both {
		f.turnsAway(over, "nats_away", "the message bus is away")
		here[i].is(`["refuse",{"to":"`+here[1-i].id+`"}]`, "unavailable")
		early[i].say("40")
	}
	for _, c := range early {
		if heard := c.endsWith(websocket.CloseTryAgainLater); len(heard) > 0 {
			t.Errorf("heard %q", heard)
		}
	}
	f.AwaitSessions(2)
	f.ended("not_ready", 2)
	f.SetLink(true)
	for i, over := range both {
		f.login(over, "new over "+string(over))
		here[i].is(`["refuse",{"to":"new over `+string(over)+`"}]`, "delivered")
		here[i].serves()
	}
}

// A login waits out a short absence of NATS, and so does what the client says meanwhile.
func TestEarlyEvents(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.login(over, "alice")
		f.SetLink(false)
		bob := f.open(over)
		said := make(chan error, 1)
		go func() {
			said <- bob.try(
				`40{"user":"bob"}`, `421["refuse",{"to":"alice"}]`, `42["shout"]`, `422["offer",{"to":"alice"}]`,
				`423["message",{"to":"alice","data":"early"}]`, `424["refuse",{"to":"bob"}]`,
			)
		}()
		f.AwaitSessions(2)
		f.SetLink(true)
		bob.connected()
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		answers := make(map[string]string)
		for refused := 0; len(answers) < 4 || refused < 1; {
			id, answer, ack := strings.Cut(bob.packet(), "[")
			switch {
			case ack && strings.HasPrefix(id, "43"):
				answers[id] = answer
			case id+"["+answer == `42["refuse"]`:
				refused++
			}
		}
		want := map[string]string{
			"431": `{"status":"delivered"}]`, "433": `{"status":"delivered"}]`, "434": `{"status":"offline"}]`,
			"432": `{"status":"error","code":"bad_field","message":"offerSDP must be a string of at most 32768 bytes"}]`,
		}
		if !maps.Equal(answers, want) {
			t.Errorf("the answers are %v, want %v", answers, want)
		}
		alice.hears(`42["refuse"]`, `42["message",{"from":"bob","data":"early"}]`)
	})
}

// Who leaves while the login waits is forgotten, and may come again.
func TestLeavingDuringALogin(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		alice := f.join(over, "alice")
		f.SetLink(false)
		c := f.open(over)
		gone := f.open(over)
		c.say(`40{"user":"bob"}`, "41")
		gone.say(`40{"user":"carol"}`, "1")
		f.AwaitSessions(1)
		f.SetLink(true)
		c.connect(`{"user":"dave"}`)
		if c.id != "dave" {
			t.Errorf("the id is %q", c.id)
		}
		alice.seesOnly("alice", "dave")
		c.seesOnly("alice", "dave")
	})
}

// Draining does not wait for logins that wait for NATS.
func TestDrainDuringALogin(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		f.SetLink(false)
		c := f.open(over)
		c.say("40")
		f.AwaitSessions(1)
		if err := f.Hub.Drain(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if heard := c.endsWith(websocket.CloseServiceRestart); len(heard) > 0 {
			t.Errorf("heard %q", heard)
		}
		f.SetLink(true)
	})
}

// The list of a login that has ended before its client read CONNECT is not sent after it.
func TestNoListAfterDisconnect(t *testing.T) {
	f := startDoor(t, setup{})
	bob := f.join(webSocket, "bob")
	c := f.lazy(polling)
	c.say(`40{"user":"one"}`)
	bob.seesOnly("bob", "one")
	c.say("41")
	bob.seesOnly("bob")
	heard := c.fetch()
	if heard.err != nil || !slices.Equal(heard.packets, []string{`40{"sid":"one"}`}) {
		t.Fatalf("heard %q, %v", heard.packets, heard.err)
	}
	c.say(`40{"user":"two"}`)
	c.start()
	c.connected()
	if got, want := c.list(), users("bob", "two"); got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

// Who has logged in is counted, by what its packets come.
func TestConnectionsMetric(t *testing.T) {
	f := startDoor(t, setup{})
	is := func(overPolling, overWebSocket float64) {
		t.Helper()
		const name = "beckon_socketio_connections"
		if p, w := f.Metric(name, "polling"), f.Metric(name, "websocket"); p != overPolling || w != overWebSocket {
			t.Errorf("%v over polling and %v over WebSocket, want %v and %v", p, w, overPolling, overWebSocket)
		}
	}
	is(0, 0)
	alice, bob, carol := f.login(polling, "alice"), f.login(webSocket, "bob"), f.login(polling, "carol")
	f.open(polling)
	f.open(webSocket)
	is(2, 1)
	// alice moves over.
	ws, _, err := websocket.DefaultDialer.Dial(strings.NewReplacer("http:", "ws:", "=polling", "=websocket").Replace(alice.url), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for _, word := range []string{"2probe", "5"} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	f.Await("moved", func() bool { return f.Metric("beckon_socketio_connections", "websocket") == 2 })
	is(1, 2)
	bob.is(`["refuse",{"to":"alice"}]`, "delivered")
	for _, want := range []string{"3probe", `42["refuse"]`} {
		if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
			if isList(string(got)) {
				continue
			}
			t.Errorf("heard %q, %v, want %q", got, err, want)
		}
	}
	carol.leave()
	bob.leave()
	f.Await("gone", func() bool { return f.Metric("beckon_socketio_connections", "") == 1 })
	is(0, 1)
}
