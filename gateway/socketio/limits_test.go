package socketio

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/session"
	"beckon/shared/wire"
)

func isProtocolError(err error) bool {
	return websocket.IsCloseError(err, websocket.CloseProtocolError)
}

// Who sends too much that is refused is sent away.
func TestTooManyRefusedEvents(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		c, bob := f.login(over, "alice"), f.login(over, "bob")
		c.emit(slices.Repeat([]string{`["message",{"to":"bob"}]`}, badBurst)...)
		c.serves()
		_ = c.try(slices.Repeat([]string{`42["message",{"to":"bob"}]`}, badBurst)...) // faster than 4 a second, however slow this machine
		c.endsWith(websocket.ClosePolicyViolation)
		f.AwaitSessions(1)
		bob.serves()
		f.ended("too_many_bad", 1)
	})
}

// An application may have events of its own, and say them to the wrong server.
func TestManyUnknownEvents(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		c := f.login(over, "alice")
		c.emit(slices.Repeat([]string{`["draw",{"x":1}]`}, 10*badBurst)...)
		c.serves()
		if got := f.refused(codeUnknown); got != 10*badBurst {
			t.Errorf("%v were counted", got)
		}
	})
}

// limited has a client say an event so often, with acks, and gives how many were delivered and how many refused as too
// many.
func (c *client) limited(n int, event string) (delivered, limited int) {
	c.t.Helper()
	packets := make([]string, n)
	for i := range packets {
		packets[i] = fmt.Sprintf("42%d%s", i, event)
	}
	c.say(packets...)
	answered := make(map[string]bool)
	for len(answered) < n {
		id, answer, ack := strings.Cut(c.packet(), "[")
		switch {
		case !ack || !strings.HasPrefix(id, "43"):
			continue
		case answered[id]:
			c.t.Errorf("%s came twice", id)
		case answer == `{"status":"delivered"}]`:
			delivered++
		case answer == `{"status":"error","code":"rate_limited","message":"more events or bytes than allowed"}]`:
			limited++
		default:
			c.t.Fatalf("heard %s[%s", id, answer)
		}
		answered[id] = true
	}
	return delivered, limited
}

func TestEventRate(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{options: func(o *Options) { o.Rates.Frames = 10 }})
		bob := f.login(over, "bob")
		c := f.login(over, "alice")
		delivered, limited := c.limited(60, `["refuse",{"to":"bob"}]`)
		if delivered < 20 || limited == 0 {
			t.Errorf("%d were accepted and %d refused; want 20 in a burst", delivered, limited)
		}
		if got := f.refused(codeRateLimited); got != float64(limited) {
			t.Errorf("%v were counted, want %d", got, limited)
		}
		bob.hears(slices.Repeat([]string{`42["refuse"]`}, delivered)...)
		later := time.Now().Add(200 * time.Millisecond)
		f.Await("time for another event", func() bool { return time.Now().After(later) })
		c.is(`["refuse",{"to":"bob"}]`, "delivered")
		bob.hears(`42["refuse"]`)
	})
}

func TestByteRate(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{options: func(o *Options) { o.Rates.Bytes = wire.MaxFrame }})
		f.login(over, "bob")
		c := f.login(over, "alice")
		const n = 5
		delivered, limited := c.limited(n, event("refuse", wire.MaxFrame))
		if delivered < 2 || limited == 0 {
			t.Errorf("%d were accepted and %d refused; want 2 in a burst", delivered, limited)
		}
	})
}

// A caller whose offer was one too many is refused, as of any that reaches nobody.
func TestRateLimitedOffer(t *testing.T) {
	f := startDoor(t, setup{options: func(o *Options) { o.Rates.Frames = 10 }})
	c := f.login(webSocket, "alice")
	c.emit(slices.Repeat([]string{offerToBob}, 60)...)
	c.hears(slices.Repeat([]string{`42["refuse"]`}, 60)...)
	if f.refused(codeRateLimited) == 0 {
		t.Error("none was too many")
	}
}

// A flood ends the connection, with what was said before it done and nothing after. Nobody else notices.
func TestFlood(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{options: func(o *Options) { o.Rates.Frames = 100 }}) // what a slow machine takes is a flood, too
		c, bob := f.login(over, "alice"), f.login(over, "bob")
		_ = c.try(slices.Repeat([]string{`42["refuse",{"to":"alice"}]`}, 100_000)...)
		c.ends()
		f.AwaitSessions(1)
		bob.serves()
		f.ended("", 1)
	})
}

// A hundred thousand events in one payload are none.
func TestFloodInOnePayload(t *testing.T) {
	f := startDoor(t, setup{options: unlimited})
	c, bob := f.login(polling, "alice"), f.login(polling, "bob")
	var status *answer
	if err := c.try(slices.Repeat([]string{`42["x"]`}, 100_000)...); !errors.As(err, &status) || status.status != http.StatusBadRequest {
		t.Errorf("answered by %v", err)
	}
	c.ends()
	f.AwaitSessions(1)
	bob.serves()
	f.ended("flood", 1)
	if got := f.refused(""); got != 0 {
		t.Errorf("%v events were counted", got)
	}
}

// Logging in, too, is for who means it.
func TestManyLogins(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{})
		c := f.open(over)
		for range 1000 {
			if c.try(`40{"user":5}`) != nil {
				break
			}
		}
		c.ends()
		if got := f.refused(codeBadUser); got < 10 || got > 900 {
			t.Errorf("%v logins were refused", got)
		}
	})
}

// fill sends to a user who does not read, until that user is slow. It gives how many were said to be delivered.
func fill(sender *client, user string) (delivered int) {
	sender.t.Helper()
	event := fmt.Sprintf(`["message",{"to":%q,"data":%q}]`, user, strings.Repeat("x", wire.MaxAppMessage-2))
	for range 10_000 {
		switch got := sender.ask(event); got {
		case `{"status":"delivered"}`:
			delivered++
		case `{"status":"slow"}`:
			return delivered
		default:
			sender.t.Fatalf("answered by %s", got)
		}
	}
	sender.t.Fatal("the client is never slow")
	return 0
}

// A client that reads nothing: its senders hear so, it is ended, and nobody else notices.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	f := startDoor(t, setup{narrow: true, options: unlimited})
	alice, other := f.join(polling, "alice"), f.join(webSocket, "other")
	stuck := make(map[transport]*client)
	delivered := make(map[transport]int)
	for _, over := range both {
		stuck[over] = f.lazy(over)
		stuck[over].say(fmt.Sprintf(`40{"user":%q}`, over))
	}
	f.AwaitSessions(4)
	for _, over := range both {
		delivered[over] = fill(alice, string(over))
		alice.is(`["offer",{"to":"`+string(over)+`","offerSDP":"v","offerType":"offer"}]`, "slow")
		alice.hears(`42["refuse"]`)
		alice.is(`["refuse",{"to":"`+string(over)+`"}]`, "slow")
	}
	alice.is(`["refuse",{"to":"other"}]`, "delivered")
	other.hears(`42["refuse"]`)
	if f.Metric("beckon_queue_full_total", "") < 3 {
		t.Error("full queues are not counted")
	}
	for _, over := range both {
		f.Await("ended", func() bool { return alice.ask(`["refuse",{"to":"`+string(over)+`"}]`) != `{"status":"slow"}` })
	}
	f.AwaitSessions(2)
	f.ended("too_slow", 2)
	for over, c := range stuck {
		c.start()
		messages := 0
		heard, _ := c.ends()
		for _, p := range heard {
			if strings.HasPrefix(p, `42["message",`) {
				messages++
			}
		}
		if messages > delivered[over] {
			t.Errorf("%d messages arrived over %s, %d were said to", messages, over, delivered[over])
		}
	}
	alice.seesOnly("alice", "other")
	alice.serves()
	other.serves()
}

// A client that asks and asks and reads nothing is not read any more, and then ended.
func TestClientThatDoesNotReadItsAnswers(t *testing.T) {
	t.Parallel()
	f := startDoor(t, setup{narrow: true, options: unlimited})
	other := f.login(webSocket, "other")
	var asking sync.WaitGroup
	for _, over := range both {
		stuck := f.lazy(over)
		stuck.say(`40{"user":"stuck"}`)
		if over == webSocket {
			if err := stuck.ws.NetConn().SetWriteDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
		}
		asking.Go(func() {
			for stuck.try(slices.Repeat([]string{`42999999999999999["refuse",{}]`}, 100)...) == nil {
			}
		})
	}
	asking.Wait()
	f.AwaitSessions(1)
	f.ended("too_slow", 2)
	other.serves()
}

// turnsAway checks that nobody new may come, and what is said to who tries.
func (f *fixture) turnsAway(over transport, reason, why string) {
	f.t.Helper()
	before := f.turnedAway(reason)
	_, err := f.dial(over)
	var a *answer
	if !errors.As(err, &a) {
		f.t.Fatalf("answered by %v", err)
	}
	after, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusServiceUnavailable || err != nil || after < session.RetrySoonest || after > session.RetryLatest {
		f.t.Errorf("status %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	if kind := a.header.Get("Content-Type"); a.body != fmt.Sprintf(`{"code":3,"message":%q}`, why) || kind != "application/json" {
		f.t.Errorf("the answer is %s %s", kind, a.body)
	}
	if got := f.turnedAway(reason); got != before+1 {
		f.t.Errorf("%v were counted as turned away, want %v", got, before+1)
	}
}

func TestFull(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{maxSessions: 2})
		early := f.open(over) // comes before it is full, and wants in afterwards
		first, second := f.login(over, "first"), f.login(over, "second")
		f.turnsAway(over, "full", "this gateway is full")
		early.say("40")
		if heard := early.endsWith(websocket.CloseTryAgainLater); len(heard) > 0 {
			t.Errorf("heard %q", heard)
		}
		second.leave()
		f.AwaitSessions(1)
		f.login(over, "third").serves()
		first.serves()
	})
}

// Who has come and not logged in has one of a few places of its address, until somebody else comes.
func TestMaxHandshakes(t *testing.T) {
	overBoth(t, func(t *testing.T, over transport) {
		f := startDoor(t, setup{options: func(o *Options) { o.MaxHandshakes = 2 }})
		evicted := 0.0
		evicts := func(c *client, heard ...string) {
			t.Helper()
			evicted++
			if got := c.endsWith(websocket.ClosePolicyViolation); !slices.Equal(got, heard) {
				t.Errorf("heard %q, want %q", got, heard)
			}
			if got := f.turnedAway("address"); got != evicted {
				t.Errorf("%v were counted as turned away, want %v", got, evicted)
			}
		}
		first, second, third := f.open(over), f.open(over), f.open(over)
		evicts(first)
		second.connect("") // gives its place back
		fourth := f.open(over)
		third.say(`40{"user":""}`) // does not
		third.hears(`44{"message":"user: user id is empty","data":{"code":"bad_user"}}`)
		fifth := f.open(over)
		evicts(third)
		fourth.leave() // does
		f.Await("a place", func() bool { return f.door.server.Len() == 2 })
		sixth := f.open(over)
		second.leave() // had none any more
		f.AwaitSessions(0)
		for _, c := range []*client{fifth, sixth} {
			c.connect("")
			c.serves()
		}
		if got := f.turnedAway(""); got != evicted {
			t.Errorf("%v were counted as turned away, want %v", got, evicted)
		}
		f.ended("", 0) // for they were nobody yet
	})
}
