package ws

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway/ice"
	"beckon/gateway/origin"
)

func TestLogin(t *testing.T) {
	servers := ice.Servers{{URLs: []string{"stun:stun.example.org"}}}
	f := start(t, setup{options: func(o *Options) { o.ICEServers = servers }})
	alice := f.open("user=alice")
	welcome := alice.next()
	if welcome.Event != "welcome" {
		t.Fatalf("the first frame is %s", welcome)
	}
	for member, want := range map[string]string{
		"userId": `"alice"`, "room": `"lobby"`, "iceServers": `[{"urls":["stun:stun.example.org"]}]`, "version": "1",
		"limits": `{"frame":65536,"sdp":32768,"candidate":2048,"message":16384,"framesPerSecond":1000,"bytesPerSecond":4194304}`,
	} {
		if got := welcome.text(member); got != want {
			t.Errorf("%s is %s, want %s", member, got, want)
		}
	}
	if list := alice.next(); list.Event != "updateUserlist" || list.text("userList") != `["alice"]` {
		t.Errorf("then comes %s", list)
	}

	bob := f.open("user=bob&userlist=full")
	if h := bob.next(); h.text("userId") != `"bob"` {
		t.Errorf("heard %s", h)
	}
	if h := bob.next(); h.Event != "updateUserlist" || h.text("userList") != `["alice","bob"]` {
		t.Errorf("heard %s", h)
	}
	if h := alice.next(); h.Event != "userlistDelta" || h.text("joined") != `["bob"]` || h.text("left") != `[]` {
		t.Errorf("heard %s", h)
	}
	carol := f.open("room=another")
	if h := carol.next(); h.text("userId") == `"carol"` || h.text("room") != `"another"` {
		t.Errorf("heard %s", h)
	}
	alice.ws.Close()
	if h := bob.next(); h.Event != "updateUserlist" || h.text("userList") != `["bob"]` {
		t.Errorf("heard %s", h)
	}
}

// Somebody who is given no servers gets none, not null, on which RTCPeerConnection would fail.
func TestNoICEServers(t *testing.T) {
	f := start(t, setup{})
	if got := f.open("").next().text("iceServers"); got != "[]" {
		t.Errorf("iceServers is %s", got)
	}
}

func TestStrangeUsers(t *testing.T) {
	f := start(t, setup{})
	alice := f.login("alice")
	for query, user := range map[string]string{
		"*": "*", ">": ">", ".": ".", ">.x": ">.x", "a%20b": "a b", "%F0%9F%98%80": "😀", "%C3%9Cn%C3%AF": "Ünï", "%3DYQ": "=YQ",
		strings.Repeat("x", 128): strings.Repeat("x", 128), "%22%5C": `"\`, "%E2%80%A8": "\u2028",
	} {
		c := f.login(query)
		frame := fmt.Sprintf(`{"event":"refuse","id":"1","data":{"to":%q}}`, user)
		if user == "\u2028" {
			frame = `{"event":"refuse","id":"1","data":{"to":"` + user + `"}}`
		}
		if h := alice.ask(frame); h.text("status") != `"delivered"` {
			t.Errorf("%q: heard %s", user, h)
		}
		if h := c.event(); h.Event != "refuse" || h.text("from") != `"alice"` {
			t.Errorf("%q: heard %s", user, h)
		}
	}
	if !f.Conn.Up() {
		t.Error("the connection to NATS is gone")
	}
	alice.serves()
}

func TestBadLogins(t *testing.T) {
	f := start(t, setup{})
	for query, code := range map[string]string{
		"user=": codeBadUser, "user=%00": codeBadUser, "user=%FF": codeBadUser, "user=" + strings.Repeat("x", 5000): codeBadUser,
		"user=%zz": codeBadUser, "user=alice&room=": codeBadRoom, "room=a%7Fb": codeBadRoom,
	} {
		c := f.open(query)
		c.send(`{"event":"sync","id":"early"}`)
		heard := c.endsWith(4400)
		if len(heard) != 1 || heard[0].Event != "error" || heard[0].text("code") != `"`+code+`"` || heard[0].ID != nil {
			t.Errorf("%.40q: heard %v, want %s", query, heard, code)
		}
	}
	if got := f.Hub.Sessions(); got != 0 {
		t.Errorf("%d sessions", got)
	}
	if got := f.Metric("beckon_connections_closed_total", "bad_login"); got != 7 {
		t.Errorf("%v counted", got)
	}
}

func TestOrigin(t *testing.T) {
	var rules origin.Rules
	if err := rules.UnmarshalText([]byte("https://app.example")); err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{options: func(o *Options) { o.Origins = rules }})
	for o, want := range map[string]int{
		"https://app.example": 101, "http://localhost:5173": 101, "http://" + f.Address: 101,
		"https://evil.example": 403, "null": 403,
	} {
		c, resp := f.dial("", http.Header{"Origin": {o}})
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", o, resp.StatusCode, want)
		}
		if c != nil {
			c.serves()
		}
	}
	if got := f.Metric("beckon_handshakes_refused_total", "origin"); got != 2 {
		t.Errorf("%v counted", got)
	}
}

// fetch is a request that asks for no upgrade.
func (f *fixture) fetch(method string, header http.Header) *http.Response {
	f.t.Helper()
	r := httptest.NewRequest(method, "http://"+f.Address+"/ws?user=alice", nil)
	r.Header = header
	transport := &http.Transport{}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		resp.Body.Close()
		transport.CloseIdleConnections()
	})
	return resp
}

// readable checks that a page of this origin may read the answer, or that it is nobody's if there is no origin.
func readable(t *testing.T, resp *http.Response, origin string) {
	t.Helper()
	want := map[string]string{"Access-Control-Allow-Origin": origin, "Vary": "", "Access-Control-Expose-Headers": ""}
	if origin != "" {
		want["Vary"], want["Access-Control-Expose-Headers"] = "Origin", "Retry-After"
	}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s for %q: %q, want %q", name, origin, got, value)
		}
	}
}

// Who fetches the URL of a door that is open learns that it is one.
func TestFetch(t *testing.T) {
	var rules origin.Rules
	if err := rules.UnmarshalText([]byte("https://app.example")); err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{options: func(o *Options) { o.Origins = rules }})
	for _, o := range []string{"", "https://app.example", "http://localhost:5173", "http://" + f.Address} {
		header := make(http.Header)
		if o != "" {
			header.Set("Origin", o)
		}
		resp := f.fetch(http.MethodGet, header)
		if resp.StatusCode != http.StatusUpgradeRequired || resp.Header.Get("Upgrade") != "websocket" ||
			resp.Header.Get("Connection") != "Upgrade" || resp.Header.Get("Retry-After") != "" {
			t.Errorf("%q: status %d, %v", o, resp.StatusCode, resp.Header)
		}
		if text := body(t, resp); !strings.Contains(text, "wss://") || len(text) > 80 {
			t.Errorf("%q: told %q", o, text)
		}
		readable(t, resp, o)
		for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodOptions} {
			if resp := f.fetch(method, header); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET" {
				t.Errorf("%s from %q: status %d, %v", method, o, resp.StatusCode, resp.Header)
			}
		}
	}
	for _, o := range []string{"https://evil.example", "null"} {
		resp := f.fetch(http.MethodGet, http.Header{"Origin": {o}})
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%q: status %d", o, resp.StatusCode)
		}
		readable(t, resp, o)
	}
	// Only those from elsewhere; who fetches has not tried to connect.
	if got := f.Metric("beckon_handshakes_refused_total", ""); got != 2 {
		t.Errorf("%v counted", got)
	}
}

// HTTP/2 knows no Upgrade header, and a browser that is sent one takes the whole answer for an error.
func TestFetchHTTP2(t *testing.T) {
	f := start(t, setup{})
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	w := httptest.NewRecorder()
	f.door.ServeHTTP(w, r)
	if h := w.Header(); w.Code != http.StatusUpgradeRequired || h.Get("Upgrade") != "" || h.Get("Connection") != "" {
		t.Errorf("status %d, %v", w.Code, h)
	}
}

// A page that finds the door closed is told, when it asks, what it could not read before.
func TestFetchClosed(t *testing.T) {
	f := start(t, setup{})
	if err := f.Hub.Drain(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	origin := "http://localhost:5173"
	if c, resp := f.dial("", http.Header{"Origin": {origin}}); c != nil {
		t.Error("welcomed")
	} else {
		readable(t, resp, origin)
	}
	told := make(map[string]bool)
	for range 100 {
		resp := f.fetch(http.MethodGet, http.Header{"Origin": {origin}})
		after := resp.Header.Get("Retry-After")
		told[after] = true
		if seconds, err := strconv.Atoi(after); err != nil || seconds < 3 || seconds > 8 || resp.StatusCode != 503 {
			t.Fatalf("status %d, Retry-After %q", resp.StatusCode, after)
		}
		readable(t, resp, origin)
		if text := body(t, resp); !strings.Contains(text, "stopping") {
			t.Fatalf("told %q", text)
		}
	}
	if len(told) < 2 {
		t.Errorf("all were told %v", told)
	}
	resp := f.fetch(http.MethodGet, http.Header{"Origin": {"https://evil.example"}})
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Retry-After") != "" {
		t.Errorf("status %d", resp.StatusCode)
	}
	if got := f.Metric("beckon_handshakes_refused_total", "draining"); got != 1 {
		t.Errorf("%v counted", got)
	}
}

// What asks for an upgrade and cannot be upgraded is a bad request.
func TestBadHandshake(t *testing.T) {
	f := start(t, setup{})
	for _, version := range []string{"13", "12"} { // without a key, and of a version that nobody speaks
		resp := f.fetch(http.MethodGet, http.Header{
			"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {version},
		})
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("version %s: status %d", version, resp.StatusCode)
		}
	}
	if got := f.Metric("beckon_handshakes_refused_total", "handshake"); got != 2 {
		t.Errorf("%v counted", got)
	}
}

// A door that stands behind another listener cannot work, and says so instead of crashing.
func TestWithoutItsListener(t *testing.T) {
	f := start(t, setup{})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	f.door.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
}

func (f *fixture) isClosed(why, reason string) {
	f.t.Helper()
	c, resp := f.dial("", nil)
	if c != nil {
		f.t.Fatal("welcomed")
	}
	after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if text := body(f.t, resp); resp.StatusCode != 503 || err != nil || after < 3 || after > 8 || !strings.Contains(text, why) {
		f.t.Errorf("status %d, Retry-After %q: %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
	if f.Metric("beckon_handshakes_refused_total", reason) == 0 {
		f.t.Errorf("%s is not counted", reason)
	}
}

func TestFull(t *testing.T) {
	f := start(t, setup{maxSessions: 2})
	alice := f.login("alice")
	f.login("bob")
	f.isClosed("full", "full")
	alice.serves()
	alice.ws.Close()
	f.AwaitSessions(1)
	f.login("carol")
}

func TestDraining(t *testing.T) {
	f := start(t, setup{})
	clients := []*client{f.login("alice"), f.login("bob"), f.login("bob")}
	if err := f.Hub.Drain(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.endsWith(websocket.CloseServiceRestart)
	}
	f.isClosed("stopping", "draining")
	f.door.Wait()
	if got := f.Metric("beckon_connections_closed_total", "draining"); got != 3 {
		t.Errorf("%v counted", got)
	}
}

func TestSignals(t *testing.T) {
	f := start(t, setup{})
	alice, bob := f.login("alice"), f.login("bob")
	second := f.open("user=bob")
	session := strings.Trim(second.event().text("sessionId"), `"`)
	for _, test := range []struct{ says, hears string }{
		{
			`"event":"offer","data":{"to":"bob","callId":"c1","offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false,"from":"eve"}`,
			`{"event":"offer","id":null,"data":{"from":"alice","fromSession":"S","callId":"c1","offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false}}`,
		},
		{
			`"event":"answer","data":{"to":"bob","answerType":"answer","answerSDP":""}`,
			`{"event":"answer","id":null,"data":{"from":"alice","fromSession":"S","answerSDP":"","answerType":"answer"}}`,
		},
		{
			`"event":"iceCandidate","data":{"to":"bob","candidate":null,"sdpMid":null,"sdpMLineIndex":0}`,
			`{"event":"remoteIceCandidate","id":null,"data":{"from":"alice","fromSession":"S","candidate":null,"sdpMid":null,"sdpMLineIndex":0}}`,
		},
		{`"event":"refuse","data":{"to":"bob"}`, `{"event":"refuse","id":null,"data":{"from":"alice","fromSession":"S"}}`},
		{`"event":"disconnectPeer","data":{"to":"bob"}`, `{"event":"disconnectPeer","id":null,"data":{"from":"alice","fromSession":"S"}}`},
		{
			`"event":"message","data":{"to":"bob","data":[false,0,"",null,1.50]}`,
			`{"event":"message","id":null,"data":{"from":"alice","fromSession":"S","data":[false,0,"",null,1.50]}}`,
		},
	} {
		alice.send("{" + test.says + "}") // no answer, because it is delivered
		if h := alice.ask(`{"id":"1",` + test.says + "}"); h.String() != `{"event":"ack","id":"1","data":{"status":"delivered"}}` {
			t.Errorf("%s: heard %s", test.says, h)
		}
		for _, c := range []*client{bob, bob, second, second} {
			h := c.event()
			got := strings.Replace(h.String(), h.text("fromSession"), `"S"`, 1)
			if got != test.hears {
				t.Errorf("%s: heard\n%s, want\n%s", test.says, got, test.hears)
			}
		}
	}
	if h := alice.ask(`{"event":"refuse","id":"2","data":{"to":"bob","toSession":"` + session + `"}}`); h.text("status") != `"delivered"` {
		t.Errorf("heard %s", h)
	}
	if h := second.event(); h.Event != "refuse" {
		t.Errorf("heard %s", h)
	}
	for _, says := range []string{
		`"event":"iceCandidate","data":{"to":"no \"body\"","candidate":""}`,
		`"event":"iceCandidate","data":{"to":"bob","toSession":"another","candidate":""}`,
		`"event":"iceCandidate","data":{"to":"alice","candidate":""}`, // has no other session
	} {
		if h := alice.ask(`{"id":"3",` + says + "}"); h.String() != `{"event":"ack","id":"3","data":{"status":"offline"}}` {
			t.Errorf("heard %s", h)
		}
		alice.send("{" + says + "}")
		if h := alice.event(); h.Event != "undeliverable" || h.text("kind") != `"iceCandidate"` || h.text("reason") != `"offline"` {
			t.Errorf("heard %s", h)
		}
	}
	bob.serves() // and heard nothing of that
	alice.serves()
}

func TestEnds(t *testing.T) {
	f := start(t, setup{})
	t.Run("in good order", func(t *testing.T) {
		c := f.login("alice")
		message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye")
		if err := c.ws.WriteMessage(websocket.CloseMessage, message); err != nil {
			t.Fatal(err)
		}
		c.endsWith(websocket.CloseNormalClosure)
		f.AwaitSessions(0)
	})
	t.Run("without a word", func(t *testing.T) {
		f.login("alice").ws.Close()
		f.AwaitSessions(0)
	})
	t.Run("with frames under way", func(t *testing.T) {
		c := f.login("alice")
		for range 300 {
			c.send(`{"event":"refuse","id":"1","data":{"to":"nobody"}}`)
		}
		c.ws.Close()
		f.AwaitSessions(0)
	})
	if got := f.Metric("beckon_connections_closed_total", ""); got != 0 {
		t.Errorf("%v connections were ended by the gateway", got)
	}
}

// A client that has gone is offline as soon as the door knows, although its connection still lingers.
func TestSignalToOneWhoHasGone(t *testing.T) {
	f := start(t, setup{})
	alice, bob := f.login("alice"), f.login("bob")
	conn := f.connOf("bob")
	if err := bob.ws.WriteMessage(websocket.CloseMessage, nil); err != nil { // and does not close
		t.Fatal(err)
	}
	select {
	case <-conn.ended:
	case <-time.After(patience):
		t.Fatal("the door does not know")
	}
	if h := alice.ask(`{"event":"refuse","id":"1","data":{"to":"bob"}}`); h.text("status") != `"offline"` {
		t.Errorf("heard %s", h)
	}
}

func TestSync(t *testing.T) {
	f := start(t, setup{})
	c := f.login("alice")
	c.send(`{"event":"sync","data":{}}`, `{"event":"sync","id":"1"}`)
	var events []string
	for len(events) < 2 {
		h := c.next()
		events = append(events, h.Event)
		if h.isList() && h.text("userList") != `["alice"]` {
			t.Errorf("heard %s", h)
		}
	}
	slices.Sort(events)
	if !slices.Equal(events, []string{"ack", "updateUserlist"}) {
		t.Errorf("heard %q", events)
	}
}

// A ping is answered if it has an id, and otherwise by nothing at all.
func TestPing(t *testing.T) {
	f := start(t, setup{})
	c := f.login("alice")
	c.send(`{"event":"ping"}`, `{"event":"ping","data":{}}`, `{"event":"ping","id":"7"}`)
	if h := c.next(); h.String() != `{"event":"ack","id":"7","data":{"status":"delivered"}}` {
		t.Errorf("heard %s", h)
	}
	c.serves()
}
