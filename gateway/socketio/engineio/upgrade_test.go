package engineio

import (
	"strings"
	"testing"
	"time"

	"beckon/gateway/frames"
)

// What is queued while a client polls arrives over the WebSocket to which it moves, in order.
func TestUpgradeKeepsOrder(t *testing.T) {
	f := start(t, Options{})
	c := f.poller()
	answers := c.polling()
	ws := f.webSocket(strings.Replace(c.query, "polling", "websocket", 1))
	f.say(ws, "2probe")
	f.hear(ws, "3probe")
	c.is(next(t, answers, "answer"), 200, "6")
	for _, text := range []string{"one", "two", "three", "four", "five", "six", "seven"} {
		c.Send(false, Message([]byte(text), false))
	}
	c.Send(false, Message([]byte{0xff}, true))
	f.say(ws, "5")
	for _, text := range []string{"4one", "4two", "4three", "4four", "4five", "4six", "4seven", "\xff"} {
		f.hear(ws, text)
	}
	c.is(c.poll(), 400, `{"code":3,"message":"Bad request"}`)
	c.is(c.post("4x"), 400, `{"code":3,"message":"Bad request"}`)
	second := f.webSocket(strings.Replace(c.query, "polling", "websocket", 1))
	if code := f.ends(second); code != 1000 {
		t.Errorf("close code %d", code)
	}
	f.say(ws, "4here")
	if got := next(t, c.messages, "message"); got != "here false" {
		t.Errorf("heard %s", got)
	}
}

// A GET that waited before the WebSocket was tried is answered at the latest when the client moves there; one that came
// after that is refused then, as one that comes after the move.
func TestUpgradeAnswersTheWaitingPoll(t *testing.T) {
	f := start(t, Options{})
	upgrade := func(c *client, meanwhile func()) {
		ws := f.webSocket(strings.Replace(c.query, "polling", "websocket", 1))
		f.say(ws, "2probe")
		f.hear(ws, "3probe")
		meanwhile()
		f.say(ws, "5")
	}
	early := f.poller()
	answers := early.polling()
	upgrade(early, func() {})
	early.is(next(t, answers, "answer"), 200, "6")

	late := f.poller()
	upgrade(late, func() { answers = late.polling() })
	if a := next(t, answers, "answer"); a.status != 400 && a.text != "6" { // as when the move takes more than noopWait
		t.Errorf("%v", a)
	}
}

// A client that is about to move polls no more, and has to be served all the same: also when it sends more than its queue
// holds, and whether its POST or its probe comes first.
func TestUpgradeWhilePosting(t *testing.T) {
	const n = 2 * frames.MaxFrames
	burst := strings.Repeat("4x\x1e", n) + "4last"
	for _, probeFirst := range []bool{true, false} {
		f := start(t, Options{})
		heard := make(chan struct{}, n+1)
		f.message = func(h *handler, data []byte, _ bool) error {
			h.Send(true, Message(data, false))
			heard <- struct{}{}
			return nil
		}
		c := f.poller()
		ws := f.webSocket(strings.Replace(c.query, "polling", "websocket", 1))
		var posted <-chan answer
		if !probeFirst {
			posted = c.beside("POST", burst)
			for range frames.MaxFrames {
				next(t, heard, "message")
			}
		}
		f.say(ws, "2probe")
		f.hear(ws, "3probe")
		if probeFirst {
			posted = c.beside("POST", burst)
		}
		c.is(next(t, posted, "answer to the POST"), 200, "ok")
		f.say(ws, "5")
		for range n {
			f.hear(ws, "4x")
		}
		f.hear(ws, "4last")
	}
}

// A probe that comes to nothing leaves the session as it was, and another may try.
func TestFailedUpgrades(t *testing.T) {
	f := start(t, Options{UpgradeTimeout: 50 * time.Millisecond})
	c := f.poller()
	query := strings.Replace(strings.Replace(c.query, "polling", "websocket", 1), "EIO=4", "EIO=3", 1) // is not looked at
	for _, words := range [][]string{{"4hello"}, {"5"}, {"2probe", "4hello"}, {"2probe", "2probe"}, {"3probe"}, {""}, {"2probe"}, {}} {
		ws := f.webSocket(query)
		for _, word := range words {
			f.say(ws, word)
		}
		f.ends(ws)
	}
	ws := f.webSocket(query)
	if err := ws.WriteMessage(2, []byte("2probe")); err != nil {
		t.Fatal(err)
	}
	f.ends(ws)
	c.is(c.post("4hello"), 200, "ok")
	if got := next(t, c.messages, "message"); got != "hello false" {
		t.Errorf("heard %s", got)
	}
	first := f.webSocket(query)
	f.say(first, "2probe")
	f.say(first, "5")
	if code := f.ends(f.webSocket(query)); code != 1000 {
		t.Errorf("who comes second: close code %d", code)
	}
	f.hear(first, "3probe")
	f.say(first, "4there")
	if got := next(t, c.messages, "message"); got != "there false" {
		t.Errorf("heard %s", got)
	}
}
