package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/client"
)

// A client that stops reading costs those who write to it a `slow`, and is given up after a while. Nobody else notices.
func TestClientThatStopsReading(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2, Gateway: func(_ int, cfg *gateway.Config) {
		cfg.RateBytes = 1 << 30 // as much as it takes to fill every buffer on the way
	}})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	bob := dial(t, stack, 1, client.Options{User: "bob"})
	deaf := unread(t, stack.Gateways[1].Listen, "sloth")
	defer deaf.Close()
	shows(t, alice, "alice", "bob", "sloth")

	slow, sent := 0, 0
	began := time.Now()
	for gone := false; !gone; {
		many, data := 16, strings.Repeat("x", 16<<10-2)
		if slow > 0 { // the queue is full
			many, data = 1, "x"
		}
		for range many {
			sent++
			if err := alice.Send("message", fmt.Sprint(sent), object{"to": "sloth", "data": data}); err != nil {
				t.Fatal(err)
			}
		}
		outcome(t, alice, "message", object{"to": "bob", "data": 1}, "delivered")
		event(t, bob, "message")
		for range many {
			switch got := event(t, alice, "ack").Text("status"); got {
			case "delivered":
			case "slow":
				slow++
			case "offline":
				gone = true
			default:
				t.Fatalf("outcome %q", got)
			}
		}
		if time.Since(began) > patience {
			t.Fatalf("still there after %v, %d times slow", patience, slow)
		}
	}
	t.Logf("given up after %v, having been slow %d times", time.Since(began).Round(time.Millisecond), slow)
	if slow == 0 {
		t.Error("nobody was told that it was slow")
	}
	shows(t, alice, "alice", "bob")
	shows(t, bob, "alice", "bob")
}

// A client that sends far more than it may is told so, frame by frame, and then sent away. Nobody else notices.
func TestClientThatFloods(t *testing.T) {
	const rate = 100
	stack := start(t, local.Options{Gateways: 2, Gateway: func(_ int, cfg *gateway.Config) {
		cfg.RateFrames = rate // so low that a slow machine's flood is one, too
	}})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	bob := dial(t, stack, 1, client.Options{User: "bob"})
	flood := dial(t, stack, 0, client.Options{User: "flood", Room: "elsewhere"})

	sent := make(chan error, 1) // filled once
	go func() {
		for i := range 30_000 {
			if err := flood.Send("refuse", fmt.Sprint(i), object{"to": "nobody"}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range 50 {
		outcome(t, alice, "message", object{"to": "bob", "data": i}, "delivered")
		event(t, bob, "message")
	}
	var closed *websocket.CloseError
	if err := flood.Ended(limited(t)); !errors.As(err, &closed) || closed.Code != 4429 {
		t.Errorf("it ended with %v, want close code 4429", err)
	}
	<-sent
	first, refused := 0, 0
	for {
		f, err := flood.Next(limited(t), func(client.Frame) bool { return true })
		if err != nil {
			break
		}
		switch {
		case f.Event == "ack":
		case f.Event == "error" && f.Text("code") == "rate_limited" && f.ID != nil:
			if refused++; refused == 1 {
				first, err = strconv.Atoi(*f.ID)
			}
		default:
			err = errors.New("neither an outcome nor a refusal")
		}
		if err != nil {
			t.Fatalf("got %s %s: %v", f.Event, f.Data, err)
		}
	}
	t.Logf("from frame %d on %d were refused before it was sent away", first, refused)
	if first < 2*rate || refused < 64 {
		t.Errorf("want at least what the limits allow, and an answer to each frame that they do not")
	}
	outcome(t, alice, "message", object{"to": "bob", "data": 1}, "delivered")
}

// As many set-ups as a hundred calls a second from one session pass all limits.
func TestHundredCallsASecond(t *testing.T) {
	stack := start(t, local.Options{Gateways: 2})
	caller := dial(t, stack, 0, client.Options{User: "caller"})
	callee := dial(t, stack, 1, client.Options{User: "callee"})
	sdp := strings.Repeat("a=candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host\r\n", 45)
	id := 0
	next := func() string { id++; return fmt.Sprint(id) }
	for range 100 {
		if err := caller.Send("offer", next(), object{"to": "callee", "offerSDP": sdp, "offerType": "offer", "audioOnly": false}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := caller.Send("iceCandidate", next(), object{"to": "callee", "candidate": sdp[:55], "sdpMid": "0", "sdpMLineIndex": 0}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range id {
		f, err := caller.Next(limited(t), func(f client.Frame) bool { return f.ID != nil })
		if err != nil {
			t.Fatal(err)
		}
		if f.Text("status") != "delivered" {
			t.Fatalf("frame %s: %s %s", *f.ID, f.Event, f.Data)
		}
	}
	for range 100 {
		event(t, callee, "offer")
		for range 5 {
			event(t, callee, "remoteIceCandidate")
		}
	}
}

// A client whose network has gone without a word leaves the list when it has not answered pings for 25 seconds.
func TestClientThatGoesSilent(t *testing.T) {
	stack := start(t, local.Options{Gateways: 2})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	silent := unread(t, stack.Gateways[1].Listen, "silent")
	defer silent.Close()
	shows(t, alice, "alice", "silent")
	began := time.Now()
	t.Parallel() // from here on, so that the silence begins before the other tests run
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	err := alice.AwaitList(ctx, func(l client.List) bool { return !slices.Contains(l.Users, "silent") })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("gone after %v", time.Since(began).Round(time.Millisecond))
	outcome(t, alice, "refuse", object{"to": "silent"}, "offline")
}

// unread logs in and reads nothing from then on, not even pings, with little room in the kernel for what arrives.
func unread(t *testing.T, address, user string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	}}
	ws, _, err := dialer.DialContext(limited(t), "ws://"+address+"/ws?user="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}
