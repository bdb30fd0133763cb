package engineio

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"beckon/gateway/frames"
)

func TestHandshakeDefaults(t *testing.T) {
	f := start(t, Options{})
	a := f.do("GET", pollingQuery+"&t=abc", "")
	rest := `","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	if a.status != 200 || !strings.HasPrefix(a.text, `0{"sid":"`) || !strings.HasSuffix(a.text, rest) {
		t.Errorf("%v", a)
	}
	if kind, cache := a.header.Get("Content-Type"), a.header.Get("Cache-Control"); kind != "text/plain; charset=UTF-8" || cache != "no-store" {
		t.Errorf("Content-Type %q, Cache-Control %q", kind, cache)
	}
	ws := f.webSocket("EIO=4&transport=websocket")
	_, open, err := ws.ReadMessage()
	if err != nil || !strings.Contains(string(open), `"upgrades":[]`) {
		t.Errorf("%s, %v", open, err)
	}
	if polling, webSocket := f.server.Sessions(); polling != 0 || webSocket != 0 || f.server.Len() != 2 {
		t.Errorf("%d polling, %d over WebSocket have logged in", polling, webSocket)
	}
	for range 2 {
		next(t, f.opened, "session").Established()
	}
	if polling, webSocket := f.server.Sessions(); polling != 1 || webSocket != 1 {
		t.Errorf("%d polling, %d over WebSocket have logged in", polling, webSocket)
	}
}

func TestRefusals(t *testing.T) {
	f := start(t, Options{Origin: func(r *http.Request) bool { return r.Header.Get("Origin") != "http://evil.example" }})
	c := f.poller()
	unknown := `{"code":1,"message":"Session ID unknown"}`
	for _, test := range []struct {
		method, query, body string
		status              int
		want                string
	}{
		{"GET", "EIO=4", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=__proto__", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=polling&transport=x;y", "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", pollingQuery + "&sid=__proto__", "", 400, unknown},
		{"GET", pollingQuery + "&sid=constructor", "", 400, unknown},
		{"POST", pollingQuery + "&sid=" + strings.Repeat("x", 5000), "", 400, unknown},
		{"POST", pollingQuery, "", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"HEAD", pollingQuery, "", 400, ""},
		{"PUT", pollingQuery, "", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"GET", c.query, "a body", 400, `{"code":3,"message":"Bad request"}`},
		{"DELETE", c.query, "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=4&transport=websocket", "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", strings.Replace(c.query, "polling", "websocket", 1), "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=3&transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=04&transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`},
	} {
		if a := f.do(test.method, test.query, test.body); a.status != test.status || a.text != test.want {
			t.Errorf("%s %s: %v, want %d %s", test.method, test.query, a, test.status, test.want)
		}
	}
	if a := f.do("GET", pollingQuery, "", "Origin", "http://evil.example"); a.status != 403 ||
		a.text != `{"code":4,"message":"Forbidden"}` || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a)
	}
	resp, err := f.http.Client().Get(f.http.URL + "/engine.io/else?" + pollingQuery)
	if err != nil || resp.StatusCode != 404 {
		t.Errorf("another path: %v, %v", resp, err)
	}
	resp.Body.Close()
	c.is(c.post("4still here"), 200, "ok")
	if got := next(t, c.messages, "message"); got != "still here false" {
		t.Errorf("heard %s", got)
	}
}

func TestCORS(t *testing.T) {
	f := start(t, Options{Origin: func(r *http.Request) bool { return r.Header.Get("Origin") == "http://app.example" }})
	a := f.do("OPTIONS", pollingQuery, "", "Origin", "http://app.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type,x-mine")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "http://app.example", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "content-type,x-mine", "Vary": "Origin",
	} {
		if got := a.header.Get(name); a.status != 204 || got != want {
			t.Errorf("%d, %s: %q, want %q", a.status, name, got, want)
		}
	}
	a = f.do("GET", pollingQuery, "", "Origin", "http://app.example")
	if got := a.header.Get("Access-Control-Allow-Origin"); a.status != 200 || got != "http://app.example" {
		t.Errorf("%v, allows %q", a, got)
	}
	if a = f.do("OPTIONS", pollingQuery, "", "Origin", "http://evil.example"); a.status != 403 {
		t.Errorf("%v", a)
	}
	f = start(t, Options{})
	for _, origin := range [][]string{nil, {"Origin", "http://app.example"}} {
		a := f.do("GET", pollingQuery, "", origin...)
		if allowed, credentials := a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Allow-Credentials"); a.status != 200 ||
			allowed != "*" || credentials != "" {
			t.Errorf("where all may, %q: %v, allows %q, credentials %q", origin, a, allowed, credentials)
		}
	}
}

func TestAdmit(t *testing.T) {
	f := start(t, Options{Admit: func(r *http.Request) *Refusal {
		if r.Header.Get("Full") == "" {
			return nil
		}
		return &Refusal{Status: 503, Code: 3, Message: "full", RetryAfter: "5"}
	}})
	if a := f.do("GET", pollingQuery, "", "Full", "yes"); a.status != 503 || a.header.Get("Retry-After") != "5" ||
		a.text != `{"code":3,"message":"full"}` {
		t.Errorf("%v", a)
	}
	f.poller()
}

// Who comes to an address that has too many that are nobody yet takes the place of the oldest of them.
func TestEviction(t *testing.T) {
	evicted := make(chan struct{}, 10)
	f := start(t, Options{MaxPending: 2, Evicted: func() { evicted <- struct{}{} }})
	somebody, oldest := f.poller(), f.poller()
	somebody.Established()
	somebody.Established()
	ws := f.webSocket("EIO=4&transport=websocket")
	over := next(t, f.opened, "session")
	waits := oldest.polling()
	last := f.poller()
	oldest.is(next(t, waits, "answer"), 200, "1")
	oldest.isClosed(ServerClosed)
	next(t, evicted, "word of it")
	another := f.poller()
	if code := f.ends(ws); code != codePolicy {
		t.Errorf("close code %d", code)
	}
	if got := next(t, over.closed, "end"); got != ServerClosed {
		t.Errorf("closed because of %d", got)
	}
	next(t, evicted, "word of it")
	for _, c := range []*client{somebody, last, another} {
		c.is(c.post("4hello"), 200, "ok")
		c.is(c.post("1"), 200, "ok")
		c.isClosed(ClientClosed)
		next(t, c.over, "end of what is left of the session")
	}
	next(t, oldest.over, "end of what is left of the session")
	next(t, over.over, "end of what is left of the session")
	f.server.mu.Lock()
	defer f.server.mu.Unlock()
	if len(f.server.pending)+len(f.server.sessions)+len(evicted) > 0 {
		t.Errorf("%d places and %d sessions are left, %d more were evicted", len(f.server.pending), len(f.server.sessions), len(evicted))
	}
}

// An owner ends a session behind what is queued.
func TestClose(t *testing.T) {
	hello := Message([]byte("hello"), false)
	t.Run("a poll that waits", func(t *testing.T) {
		c := start(t, Options{}).poller()
		answers := c.polling()
		c.Close(1012, "restart")
		c.is(next(t, answers, "answer"), 200, "1")
		c.isClosed(ServerClosed)
	})
	t.Run("the next poll", func(t *testing.T) {
		c := start(t, Options{}).poller()
		c.Send(false, hello)
		c.Close(1012, "restart")
		c.isClosed(ServerClosed)
		c.is(c.post("4late"), 400, `{"code":1,"message":"Session ID unknown"}`)
		c.is(c.poll(), 200, "4hello\x1e1")
		c.is(c.poll(), 400, `{"code":1,"message":"Session ID unknown"}`)
	})
	t.Run("nobody polls", func(t *testing.T) {
		c := start(t, Options{}).poller()
		c.Close(1012, "restart")
		c.isClosed(ServerClosed)
		next(t, c.over, "end of what is left of the session")
		if n := c.server.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
	t.Run("a WebSocket", func(t *testing.T) {
		f := start(t, Options{})
		ws := f.webSocket("EIO=4&transport=websocket")
		h := next(t, f.opened, "session")
		if _, _, err := ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		h.Send(false, hello)
		h.Close(1012, "restart")
		h.Close(1000, "again")
		f.hear(ws, "4hello")
		if code := f.ends(ws); code != 1012 {
			t.Errorf("close code %d", code)
		}
		if got := next(t, h.closed, "end"); got != ServerClosed {
			t.Errorf("closed because of %d", got)
		}
		if v := h.Send(true, hello); v != frames.Ended {
			t.Errorf("verdict %d", v)
		}
	})
	t.Run("the server", func(t *testing.T) {
		f := start(t, Options{})
		c := f.poller()
		ws := f.webSocket("EIO=4&transport=websocket")
		answers := c.polling()
		f.server.Close()
		c.is(next(t, answers, "answer"), 200, "1")
		if code := f.ends(ws); code != 1001 {
			t.Errorf("close code %d", code)
		}
		if a := f.do("GET", pollingQuery, ""); a.status != 503 {
			t.Errorf("a closed server: %v", a)
		}
		if late, err := f.dial("EIO=4&transport=websocket"); err == nil {
			if code := f.ends(late); code != 1001 {
				t.Errorf("close code %d", code)
			}
		}
	})
}

// A client says over one connection that it closes, while its GET is on its way over another: whichever is first, the GET
// hears of it.
func TestCloseOvertakesThePoll(t *testing.T) {
	f := start(t, Options{})
	heard := false
	for try := 0; try < 20 && !heard; try++ { // on a machine that stands still for 50 ms it is too late
		c := f.poller()
		posted := c.beside("POST", "1")
		until(t, "the POST waits", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.polled != nil || c.Session.closed
		})
		a := c.poll()
		if heard = a.text == "6"; heard {
			c.is(a, 200, "6")
		} else {
			c.is(a, 400, `{"code":1,"message":"Session ID unknown"}`)
		}
		c.is(next(t, posted, "answer to the POST"), 200, "ok")
		c.isClosed(ClientClosed)
		c.is(c.poll(), 400, `{"code":1,"message":"Session ID unknown"}`)
	}
	if !heard {
		t.Error("no GET heard of it")
	}
}

func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		message func(*handler, []byte, bool) error
		then    func(*client)
		why     Reason
	}{
		"a malformed packet": {then: func(c *client) { c.is(c.post("abc"), 400, `{"code":3,"message":"Bad request"}`) }, why: BadData},
		"an empty payload":   {then: func(c *client) { c.post("") }, why: BadData},
		"an empty packet":    {then: func(c *client) { c.post("4a\x1e") }, why: BadData},
		"a ping":             {then: func(c *client) { c.post("2") }, why: BadData},
		"an open packet":     {then: func(c *client) { c.post("0{}") }, why: BadData},
		"an upgrade":         {then: func(c *client) { c.post("5") }, why: BadData},
		"invalid base64":     {then: func(c *client) { c.post("bAQ=") }, why: BadData},
		"invalid UTF-8":      {then: func(c *client) { c.post("4\xff") }, why: BadData},
		"bytes":              {then: func(c *client) { c.do("POST", c.query, "4a", "Content-Type", "application/octet-stream; x=y") }, why: BadData},
		"too long a payload": {then: func(c *client) {
			c.is(c.post("4"+strings.Repeat("x", 2_000_000)), 413, `{"code":3,"message":"Payload too large"}`)
		}, why: Flood},
		"too many packets": {then: func(c *client) { c.post(strings.Repeat("6\x1e", 100_000) + "6") }, why: Flood},
		"packets beyond its rate": {options: Options{Packets: 10}, then: func(c *client) {
			c.is(c.post(strings.Repeat("6\x1e", 100)+"6"), 400, `{"code":3,"message":"Bad request"}`)
		}, why: Flood},
		"bytes beyond its rate": {options: Options{Bytes: 10}, then: func(c *client) {
			c.is(c.post("4"+strings.Repeat("x", 20)), 400, `{"code":3,"message":"Bad request"}`)
		}, why: Flood},
		"a close packet":        {then: func(c *client) { c.is(c.post("4a\x1e1\x1eabc"), 200, "ok") }, why: ClientClosed},
		"what the handler says": {message: func(*handler, []byte, bool) error { return errors.New("no") }, then: func(c *client) { c.post("4a") }, why: BadData},
		"a panic": {message: func(*handler, []byte, bool) error { panic("as handlers may") }, then: func(c *client) {
			c.is(c.post("4a"), 500, `{"code":3,"message":"Internal error"}`)
		}, why: Fault},
		"no pong": {options: Options{PingInterval: time.Millisecond, PingTimeout: time.Millisecond}, then: func(*client) {}, why: PingTimeout},
		"a second poll": {then: func(c *client) {
			answers := c.polling()
			c.is(c.poll(), 400, `{"code":3,"message":"Bad request"}`)
			c.is(next(c.t, answers, "answer"), 200, "1")
		}, why: BadData},
		"an aborted poll": {then: func(c *client) {
			ctx, cancel := context.WithCancel(context.Background())
			r, err := http.NewRequestWithContext(ctx, "GET", c.http.URL+"/engine.io/?"+c.query, nil)
			if err != nil {
				c.t.Fatal(err)
			}
			aborted := make(chan error, 1)
			go func() {
				_, err := c.http.Client().Do(r)
				aborted <- err
			}()
			for c.waits() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
			next(c.t, aborted, "end of the request")
		}, why: Gone},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, test.options)
			f.message = test.message
			c := f.poller()
			test.then(c)
			c.isClosed(test.why)
			next(t, c.over, "end of what is left of the session")
			c.is(c.poll(), 400, `{"code":1,"message":"Session ID unknown"}`)
		})
	}
}

func (c *client) waits() *poll {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// Over WebSocket the same packets are errors.
func TestWebSocketEnds(t *testing.T) {
	f := start(t, Options{MaxPayload: 1000})
	for _, text := range []string{"", "abc", "2", "2probe", "0{}", "5", "bAQ==", "4\xff", "1", strings.Repeat("4", 1001)} {
		ws := f.webSocket("EIO=4&transport=websocket")
		h := next(t, f.opened, "session")
		f.say(ws, text)
		f.ends(ws)
		want := BadData
		switch {
		case text == "1":
			want = ClientClosed
		case len(text) > 1000:
			want = Flood
		}
		if got := next(t, h.closed, "end"); got != want {
			t.Errorf("%.10q: closed because of %d, want %d", text, got, want)
		}
	}
}

// A client that asks and reads nothing is not read any more, and then given up.
func TestClientThatDoesNotPoll(t *testing.T) {
	f := start(t, Options{})
	f.message = func(h *handler, data []byte, _ bool) error {
		h.Send(true, Message(data, false))
		return nil
	}
	c := f.poller()
	if a := c.post(strings.Repeat("4x\x1e", 2*frames.MaxFrames) + "6"); a.status != 200 {
		t.Errorf("%v", a)
	}
	c.isClosed(TooSlow)
}

func TestWritten(t *testing.T) {
	c := start(t, Options{}).poller()
	told := make(chan string, 3)
	c.Written(func() { told <- "nothing is queued" })
	if len(told) != 1 {
		t.Error("does not say that nothing is queued")
	}
	<-told
	c.Send(false, Message([]byte("a"), false), Message([]byte("b"), false))
	c.Written(func() { told <- "written" })
	if len(told) > 0 {
		t.Error("written before anybody polled")
	}
	c.is(c.poll(), 200, "4a\x1e4b")
	if got := next(t, told, "word"); got != "written" {
		t.Errorf("told %q", got)
	}
}
