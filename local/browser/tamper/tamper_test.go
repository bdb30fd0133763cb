package tamper

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/local"
	"beckon/local/client"
)

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs a stack, and a proxy in front of its first gateway.
func start(t *testing.T, o local.Options) (*local.Stack, *Proxy) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	stack, err := local.Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return stack, Start(t, stack.Gateways[0].Listen)
}

func dial(t *testing.T, address, user string) *client.Client {
	t.Helper()
	c, err := client.Dial(limited(t), client.Options{Address: address, User: user, Header: http.Header{"Origin": {"http://" + address}}})
	if err != nil {
		t.Fatalf("log in as %q: %v", user, err)
	}
	t.Cleanup(c.Close)
	return c
}

type object = map[string]any

// sends sends a message with a number in it, and checks that it is delivered.
func sends(t *testing.T, c *client.Client, to string, n int) {
	t.Helper()
	if got, err := c.Outcome(limited(t), "message", object{"to": to, "data": n}); err != nil || got != "delivered" {
		t.Fatalf("message %d: outcome %q, error %v", n, got, err)
	}
}

// hears checks the number in the next message.
func hears(t *testing.T, c *client.Client, want string) {
	t.Helper()
	f, err := c.Event(limited(t), "message")
	if err != nil || string(f.Member("data")) != want {
		t.Fatalf("heard %s, error %v, want %s", f.Data, err, want)
	}
}

func shows(t *testing.T, c *client.Client, users ...string) {
	t.Helper()
	err := c.AwaitList(limited(t), func(l client.List) bool { return slices.Equal(l.Users, users) })
	if err != nil {
		t.Fatalf("%s: want %q: %v", c.Welcome.UserID, users, err)
	}
}

func get(t *testing.T, url string, header http.Header) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(limited(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err == nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}

// refused dials and gives the answer of who does not upgrade.
func refused(t *testing.T, address string, header http.Header) *client.Refusal {
	t.Helper()
	c, err := client.Open(limited(t), "ws://"+address+"/ws?user=eve", header)
	if err == nil {
		c.Close()
	}
	var refusal *client.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v, want a refusal", err)
	}
	return refusal
}

// Whoever comes through the proxy notices nothing of it.
func TestPasses(t *testing.T) {
	stack, proxy := start(t, local.Options{})
	bob := dial(t, stack.Gateways[0].Listen, "bob")
	alice := dial(t, proxy.Address(), "alice")
	shows(t, alice, "bob", "alice")
	for n := range 100 {
		if err := alice.Send("message", "", object{"to": "bob", "data": n}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		hears(t, bob, strconv.Itoa(n))
	}
	sends(t, bob, "alice", 7)
	hears(t, alice, "7")
	proxy.Await(FromPage, "message", 100)
	if got := proxy.Seen(ToPage, "welcome"); got != 1 {
		t.Errorf("%d welcomes were seen", got)
	}

	page := http.Header{"Origin": {proxy.URL()}}
	if resp, err := get(t, proxy.URL()+"/ws", page); err != nil || resp.StatusCode != http.StatusUpgradeRequired ||
		resp.Header.Get("Access-Control-Allow-Origin") != proxy.URL() {
		t.Errorf("a fetch is answered by %+v, error %v", resp, err)
	}
	if got := refused(t, proxy.Address(), http.Header{"Origin": {"https://evil.example"}}); got.Status != http.StatusForbidden {
		t.Errorf("the gateway's refusal arrives as %v", got)
	}

	nobody, err := client.Open(limited(t), "ws://"+proxy.Address()+"/ws?user=", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nobody.Close)
	if err := nobody.Ended(limited(t)); !websocket.IsCloseError(err, 4400) {
		t.Errorf("the gateway's close code arrives as %v", err)
	}
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye")
	if err := alice.Conn().WriteControl(websocket.CloseMessage, message, time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := alice.Ended(limited(t)); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("ended by %v", err)
	}
	shows(t, bob, "bob")
}

func TestPings(t *testing.T) {
	_, proxy := start(t, local.Options{})
	ws, _, err := websocket.DefaultDialer.DialContext(limited(t), "ws://"+proxy.Address()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	pongs := make(chan string, 1)
	ws.SetPongHandler(func(data string) error {
		pongs <- data
		return errors.New("enough")
	})
	if err := ws.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, _, err = ws.ReadMessage()
	}
	select {
	case got := <-pongs:
		if got != "hello" {
			t.Errorf("pong %q", got)
		}
	default:
		t.Errorf("no pong; ended by %v", err)
	}
}

func TestDrop(t *testing.T) {
	stack, proxy := start(t, local.Options{})
	alice, bob := dial(t, stack.Gateways[0].Listen, "alice"), dial(t, proxy.Address(), "bob")
	deaf := proxy.Drop(ToPage, "message")
	sends(t, alice, "bob", 1)
	proxy.Await(ToPage, "message", 1)
	deaf.End()
	sends(t, alice, "bob", 2)
	hears(t, bob, "2")

	mute := proxy.Drop(FromPage, "message")
	if err := bob.Send("message", "", object{"to": "alice", "data": 3}); err != nil {
		t.Fatal(err)
	}
	proxy.Await(FromPage, "message", 1)
	mute.End()
	sends(t, bob, "alice", 4)
	hears(t, alice, "4")
}

// A delta that is lost is a gap.
func TestDropDelta(t *testing.T) {
	stack, proxy := start(t, local.Options{})
	alice := dial(t, proxy.Address(), "alice")
	shows(t, alice, "alice")
	deaf := proxy.Drop(ToPage, "userlistDelta")
	dial(t, stack.Gateways[0].Listen, "bob")
	proxy.Await(ToPage, "userlistDelta", 1)
	deaf.End()
	dial(t, stack.Gateways[0].Listen, "carol")
	// The test client holds the protocol's rules against what arrives, and does not ask again.
	if err := alice.Ended(limited(t)); err == nil || websocket.IsUnexpectedCloseError(err) {
		t.Errorf("ended by %v, want a gap", err)
	}
}

func TestHold(t *testing.T) {
	stack, proxy := start(t, local.Options{})
	alice, bob := dial(t, stack.Gateways[0].Listen, "alice"), dial(t, proxy.Address(), "bob")
	held := proxy.Hold(ToPage, "message")
	for n := range 3 {
		sends(t, alice, "bob", n)
	}
	if got, err := alice.Outcome(limited(t), "refuse", object{"to": "bob"}); err != nil || got != "delivered" {
		t.Fatalf("outcome %q, error %v", got, err)
	}
	proxy.Await(ToPage, "message", 3)
	if f, err := bob.Next(limited(t), func(f client.Frame) bool { return f.Event == "message" || f.Event == "refuse" }); err != nil || f.Event != "refuse" {
		t.Errorf("heard %s first, error %v", f.Event, err)
	}
	held.End()
	sends(t, alice, "bob", 3)
	for _, want := range []string{"0", "1", "2", "3"} {
		hears(t, bob, want)
	}
}

// A connection on which nothing arrives is still there for its gateway, and cannot be told from a dead one by its client.
func TestHoldEverything(t *testing.T) {
	_, proxy := start(t, local.Options{})
	alice := dial(t, proxy.Address(), "alice")
	silence := proxy.Hold(ToPage, Any)
	if err := alice.Send("ping", "1", nil); err != nil {
		t.Fatal(err)
	}
	proxy.Await(ToPage, "ack", 1)
	if err := alice.Send("ping", "2", nil); err != nil {
		t.Fatal(err)
	}
	proxy.Await(ToPage, "ack", 2)
	short, cancel := context.WithCancel(t.Context())
	cancel() // what has arrived, and nothing that may come
	if f, err := alice.Event(short, "ack"); err == nil {
		t.Errorf("heard %s", f.Data)
	}
	silence.End()
	for _, want := range []string{"1", "2"} {
		if f, err := alice.Event(limited(t), "ack"); err != nil || *f.ID != want {
			t.Errorf("heard %+v, error %v, want %s", f, err, want)
		}
	}
}

func TestCut(t *testing.T) {
	stack, proxy := start(t, local.Options{})
	witness := dial(t, stack.Gateways[0].Listen, "witness")
	alice, bob := dial(t, proxy.Address(), "alice"), dial(t, proxy.Address(), "bob")
	shows(t, witness, "witness", "alice", "bob")
	if got := proxy.Cut(); got != 2 {
		t.Errorf("%d were cut", got)
	}
	for _, c := range []*client.Client{alice, bob} {
		var closing *websocket.CloseError
		if err := c.Ended(limited(t)); errors.As(err, &closing) && closing.Code != websocket.CloseAbnormalClosure {
			t.Errorf("ended by %v", err)
		}
	}
	shows(t, witness, "witness")
	shows(t, dial(t, proxy.Address(), "alice"), "witness", "alice")
}

func TestRefuse(t *testing.T) {
	_, proxy := start(t, local.Options{})
	alice := dial(t, proxy.Address(), "alice")
	proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}})
	if got := refused(t, proxy.Address(), nil); got.Status != 503 || got.Header.Get("Retry-After") != "7" {
		t.Errorf("refused with %+v", got)
	}
	if resp, err := get(t, proxy.URL()+"/ws?user=bob", nil); err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("a fetch is answered by %+v, error %v", resp, err)
	}
	if resp, err := get(t, proxy.URL()+"/nothing", nil); err != nil || resp.StatusCode != 404 {
		t.Errorf("another path is answered by %+v, error %v", resp, err)
	}
	sends(t, dial(t, proxy.target(), "bob"), "alice", 1)
	hears(t, alice, "1")
	proxy.Admit()
	dial(t, proxy.Address(), "carol")
}

// A gateway goes, and its successor has another port.
func TestForward(t *testing.T) {
	stack, proxy := start(t, local.Options{Gateways: 2})
	alice := dial(t, proxy.Address(), "alice")
	proxy.Forward("127.0.0.1:1") // where nobody listens
	if c, err := client.Open(limited(t), "ws://"+proxy.Address()+"/ws", nil); err == nil {
		c.Close()
		t.Error("connected to nobody")
	} else if refusal := (*client.Refusal)(nil); errors.As(err, &refusal) {
		t.Errorf("refused by nobody: %v", refusal)
	}
	if resp, err := get(t, proxy.URL()+"/", nil); err == nil {
		t.Errorf("answered by nobody with status %d", resp.StatusCode)
	} else if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	proxy.Forward(stack.Gateways[1].Listen)
	bob := dial(t, proxy.Address(), "bob")
	shows(t, bob, "alice", "bob")
	sends(t, bob, "alice", 1) // who is still on the first
	hears(t, alice, "1")
}
