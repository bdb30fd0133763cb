package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"beckon/local"
	"beckon/local/client"
)

// Every signal has exactly one outcome, none is lost, none arrives twice, and each pair's arrive in order: 50 pairs across
// two gateways, 1,000 signals each.
func TestEverySignalHasOneOutcome(t *testing.T) {
	const pairs, each = 50, 1000
	stack := start(t, local.Options{Gateways: 2})
	var from, to [pairs]*client.Client
	for i := range pairs {
		from[i] = dial(t, stack, i%2, client.Options{User: fmt.Sprintf("from-%d", i), Room: "calls"})
		to[i] = dial(t, stack, (i+1)%2, client.Options{User: fmt.Sprintf("to-%d", i), Room: "calls"})
	}
	var all sync.WaitGroup
	for i := range pairs {
		all.Go(func() { send(t, from[i], to[i].Welcome.UserID, each) })
		all.Go(func() { receive(t, to[i], each) })
	}
	all.Wait()
}

// window is how many signals a sender leaves without an outcome: few enough that a busy machine is through with those of all
// pairs in much less than the second after which an outcome is unknown.
const window = 4

func send(t *testing.T, from *client.Client, to string, n int) {
	ctx := limited(t)
	outcomes := make(map[string]int, n)
	sent := 0
	for len(outcomes) < n {
		for ; sent < n && sent-len(outcomes) < window; sent++ {
			if err := from.Send("message", fmt.Sprint(sent), object{"to": to, "data": sent}); err != nil {
				t.Error(err)
				return
			}
		}
		f, err := from.Event(ctx, "ack")
		if err != nil {
			t.Errorf("after %d outcomes: %v", len(outcomes), err)
			return
		}
		if status := f.Text("status"); status != "delivered" {
			t.Errorf("signal %s: %s", *f.ID, status)
			return
		}
		if outcomes[*f.ID]++; outcomes[*f.ID] > 1 {
			t.Errorf("signal %s has %d outcomes", *f.ID, outcomes[*f.ID])
			return
		}
	}
}

func receive(t *testing.T, to *client.Client, n int) {
	ctx := limited(t)
	for want := range n {
		f, err := to.Event(ctx, "message")
		if err != nil {
			t.Errorf("after %d signals: %v", want, err)
			return
		}
		var got int
		if err := json.Unmarshal(f.Member("data"), &got); err != nil || got != want {
			t.Errorf("signal %s arrived, want %d", f.Member("data"), want)
			return
		}
	}
}

// A signal arrives with the fields of its kind, as they were written, and with a sender that the client cannot choose.
func TestFieldsTravel(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	bob := dial(t, stack, 1, client.Options{User: "bob"})
	for _, tc := range []struct{ event, sent, arrives string }{
		{"offer", `"offerSDP":"v=0\r\n","offerType":"offer","audioOnly":false`, "offer"},
		{"offer", `"offerSDP":"","offerType":"offer","audioOnly":true`, "offer"},
		{"answer", `"answerSDP":"\u0041","answerType":"answer"`, "answer"},
		{"iceCandidate", `"candidate":"","sdpMid":"0","sdpMLineIndex":0`, "remoteIceCandidate"},
		{"iceCandidate", `"candidate":null,"sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null`, "remoteIceCandidate"},
		{"message", `"data":{"n":1.0e2,"list":[false,0,null,""],"deep":{"big":12345678901234567890}}`, "message"},
	} {
		frame := fmt.Sprintf(`{"event":%q,"id":"x","data":{"to":"bob","from":"mallory","extra":1,%s}}`, tc.event, tc.sent)
		if err := alice.SendText([]byte(frame)); err != nil {
			t.Fatal(err)
		}
		if ack := event(t, alice, "ack"); ack.Text("status") != "delivered" {
			t.Fatalf("%s: %s", frame, ack.Data)
		}
		want := fmt.Sprintf(`{"from":"alice","fromSession":%q,%s}`, alice.Welcome.SessionID, tc.sent)
		if f := event(t, bob, tc.arrives); string(f.Data) != want {
			t.Errorf("%s arrived as\n%s, want\n%s", frame, f.Data, want)
		}
	}
	for _, kind := range []string{"refuse", "disconnectPeer"} {
		outcome(t, alice, kind, object{"to": "bob", "callId": "c☎"}, "delivered")
		want := fmt.Sprintf(`{"from":"alice","fromSession":%q,"callId":"c☎"}`, alice.Welcome.SessionID)
		if f := event(t, bob, kind); string(f.Data) != want {
			t.Errorf("%s arrived as %s, want %s", kind, f.Data, want)
		}
	}
}

// Without an id a sender hears of a signal only when it was not delivered.
func TestUndeliverable(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	if err := alice.Send("offer", "", object{"to": "no☎body", "offerSDP": "", "offerType": "offer"}); err != nil {
		t.Fatal(err)
	}
	want := `{"to":"no☎body","kind":"offer","reason":"offline"}`
	if f := event(t, alice, "undeliverable"); string(f.Data) != want || f.ID != nil {
		t.Errorf("got %s, want %s", f.Data, want)
	}
}

// A user may be there several times, on several gateways: a signal to the user reaches every session, one to a session
// reaches that one.
func TestSeveralSessions(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	phone := dial(t, stack, 0, client.Options{User: "bob"})
	laptop := dial(t, stack, 1, client.Options{User: "bob"})
	tablet := dial(t, stack, 1, client.Options{User: "bob"})
	shows(t, alice, "alice", "bob")

	outcome(t, alice, "message", object{"to": "bob", "data": "all"}, "delivered")
	for _, c := range []*client.Client{phone, laptop, tablet} {
		if got := event(t, c, "message").Text("data"); got != "all" {
			t.Errorf("got %q", got)
		}
	}
	for _, c := range []*client.Client{phone, laptop, tablet} {
		outcome(t, alice, "message", object{"to": "bob", "toSession": c.Welcome.SessionID, "data": c.Welcome.SessionID}, "delivered")
		if got := event(t, c, "message").Text("data"); got != c.Welcome.SessionID {
			t.Errorf("got %q, want what was for this session", got)
		}
	}
	// To oneself means to one's other sessions.
	outcome(t, phone, "message", object{"to": "bob", "data": "mine"}, "delivered")
	for _, c := range []*client.Client{laptop, tablet} {
		if got := event(t, c, "message").Text("data"); got != "mine" {
			t.Errorf("got %q", got)
		}
	}
	outcome(t, alice, "message", object{"to": "bob", "toSession": "GONE", "data": 1}, "offline")
	phone.Close()
	laptop.Close()
	outcome(t, alice, "message", object{"to": "bob", "data": "last"}, "delivered")
	if got := event(t, tablet, "message").Text("data"); got != "last" {
		t.Errorf("got %q", got)
	}
	tablet.Close()
	shows(t, alice, "alice")
	outcome(t, alice, "message", object{"to": "bob", "data": 1}, "offline")
}

// A user id may be anything that people call themselves.
func TestUnusualUsers(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	users := []string{"*", ">", ".", ">.x", "a b", "🦊", "Ünï", "=YQ", `"\`, strings.Repeat("ü", 64)}
	others := make([]*client.Client, len(users))
	for i, user := range users {
		others[i] = dial(t, stack, 1, client.Options{User: user})
	}
	everybody := sorted(append(users, "alice"))
	err := alice.AwaitList(limited(t), func(l client.List) bool { return slices.Equal(sorted(l.Users), everybody) })
	if err != nil {
		t.Fatalf("want %q: %v", everybody, err)
	}
	for _, user := range users {
		outcome(t, alice, "message", object{"to": user, "data": user}, "delivered")
	}
	for i, user := range users {
		if got := event(t, others[i], "message").Text("data"); got != user {
			t.Errorf("%q got what was for %q", user, got)
		}
		outcome(t, others[i], "message", object{"to": "alice", "data": 1}, "delivered")
		if got := event(t, alice, "message").Text("from"); got != user {
			t.Errorf("alice heard from %q, want %q", got, user)
		}
	}
	for _, c := range others {
		c.Close()
	}
	shows(t, alice, "alice")
}

// Whoever has left the list is offline from then on, whichever gateway held him: not a second later, when nobody has answered.
func TestWhoHasLeftIsOffline(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	for round := range 20 {
		name := fmt.Sprint("guest ", round)
		guest := dial(t, stack, round%2, client.Options{User: name})
		shows(t, alice, "alice", name)
		guest.Close()
		shows(t, alice, "alice")
		outcome(t, alice, "refuse", object{"to": name}, "offline")
	}
}
