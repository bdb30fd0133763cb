package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/local"
	"beckon/local/client"
)

// A backend is anybody with a NATS client. What it publishes on signal.<user> reaches that user, and it learns what became
// of it.
func TestBackendSends(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	backend := connect(t, stack)
	phone := dial(t, stack, 0, client.Options{User: "bob"})
	alice := dial(t, stack, 1, client.Options{User: "alice"})
	unusual := dial(t, stack, 1, client.Options{User: "Ünï"})

	answers := func(subject, request, want string) {
		t.Helper()
		reply, err := backend.RequestWithContext(limited(t), subject, []byte(request))
		if err != nil || string(reply.Data) != want {
			t.Errorf("%s %s\nis answered %s (%v), want %s", subject, request, data(reply), err, want)
		}
	}
	arrives := func(c *client.Client, event, want string) {
		t.Helper()
		f, err := c.Next(limited(t), func(client.Frame) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if f.Event != event || string(f.Data) != want {
			t.Errorf("%s got %s %s, want %s %s", c.Welcome.UserID, f.Event, f.Data, event, want)
		}
	}
	status := func(i int, status string) string {
		return fmt.Sprintf(`{"v":1,"status":%q,"gateway":%q}`, status, stack.Gateways[i].Name)
	}

	answers("signal.bob", `{"v":1,"kind":"message","from":"billing","body":{"data":{"paid":true}}}`, status(0, "delivered"))
	arrives(phone, "message", `{"from":"billing","data":{"paid":true}}`)
	answers("signal.=w5xuw68", `{"v":1,"kind":"refuse","from":"billing","body":{}}`, status(1, "delivered"))
	arrives(unusual, "refuse", `{"from":"billing"}`)

	// Members stand in any order, null is as good as absent, and what nobody knows is ignored and does not travel.
	answers("signal.alice", `{"body":{"extra":1,"sdpMid":null,"candidate":""},"new":{},"fromSession":null,"from":"👾","callId":"c1","kind":"iceCandidate","v":1}`,
		status(1, "delivered"))
	arrives(alice, "remoteIceCandidate", `{"from":"👾","callId":"c1","candidate":"","sdpMid":null}`)
	answers("signal.alice", `{"v":1,"kind":"offer","from":"billing","fromSession":"s1","body":{"offerType":"offer","offerSDP":"v=0"}}`,
		status(1, "delivered"))
	arrives(alice, "offer", `{"from":"billing","fromSession":"s1","offerSDP":"v=0","offerType":"offer"}`)

	// One session of several, on whichever gateway it is: that gateway delivers, the other does not hold it.
	laptop := dial(t, stack, 1, client.Options{User: "bob"})
	for i, c := range []*client.Client{phone, laptop} {
		request := fmt.Sprintf(`{"v":1,"kind":"message","from":"billing","toSession":%q,"body":{"data":%d}}`, c.Welcome.SessionID, i)
		got := requestAll(t, backend, "signal.bob", request, 2)
		want := []string{status(i, "delivered"), status(1-i, "offline")}
		if !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("%s\nis answered %q, want %q", request, got, want)
		}
		arrives(c, "message", fmt.Sprintf(`{"from":"billing","data":%d}`, i))
	}
	laptop.Close()

	// Who does not ask is not told.
	if err := backend.Publish("signal.bob", []byte(`{"v":1,"kind":"disconnectPeer","from":"billing","body":{}}`)); err != nil {
		t.Fatal(err)
	}
	arrives(phone, "disconnectPeer", `{"from":"billing"}`)

	// Nobody holds that user, or holds him any more.
	for _, subject := range []string{"signal.nobody", "signal.=YQ"} {
		_, err := backend.RequestWithContext(limited(t), subject, []byte(`{"v":1,"kind":"refuse","from":"billing","body":{}}`))
		if !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("a signal on %s: %v, want %v", subject, err, nats.ErrNoResponders)
		}
	}
	unusual.Close()
	// A signal that meets his leaving may have no answer.
	until(t, "nobody holds the user who left", func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := backend.RequestWithContext(ctx, "signal.=w5xuw68", []byte(`{"v":1,"kind":"refuse","from":"billing","body":{}}`))
		return errors.Is(err, nats.ErrNoResponders)
	})
}

// What a backend says wrong it is told, and nobody gets it.
func TestBackendIsRefused(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{})
	backend := connect(t, stack)
	bob := dial(t, stack, 0, client.Options{User: "bob"})
	signal := func(members string) string { return `{"v":1,"kind":"message","from":"billing",` + members + `}` }
	for name, tc := range map[string]struct{ request, want string }{
		"nothing":              {``, "malformed JSON"},
		"not JSON":             {`hello`, "malformed JSON"},
		"an array":             {`[]`, "malformed JSON"},
		"text after it":        {signal(`"body":{"data":1}`) + `{}`, "malformed JSON"},
		"a name twice":         {signal(`"body":{"data":1},"from":"alice"`), "malformed JSON: duplicate name"},
		"a name twice inside":  {signal(`"body":{"data":1,"data":2}`), "malformed JSON: duplicate name"},
		"not UTF-8":            {signal("\"body\":{\"data\":\"\xff\"}"), "malformed JSON"},
		"too deep":             {signal(`"body":{"data":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`), "nested deeper than 16"},
		"no version":           {`{"kind":"refuse","from":"billing","body":{}}`, "v must be the contract's version"},
		"a version in letters": {`{"v":"1","kind":"refuse","from":"billing","body":{}}`, "v must be the contract's version"},
		"a newer version":      {`{"v":2,"kind":"refuse","from":"billing","body":{}}`, "another version of the contract: 2, this side speaks 1"},
		"no kind":              {`{"v":1,"from":"billing","body":{}}`, "kind must be"},
		"an unknown kind":      {`{"v":1,"kind":"ring","from":"billing","body":{}}`, "kind must be"},
		"an event for a kind":  {`{"v":1,"kind":"remoteIceCandidate","from":"billing","body":{"candidate":""}}`, "kind must be"},
		"no from":              {`{"v":1,"kind":"refuse","body":{}}`, "from must be a user id"},
		"an empty from":        {`{"v":1,"kind":"refuse","from":"","body":{}}`, "from must be a user id"},
		"a bad session":        {signal(`"toSession":"a.b","body":{"data":1}`), "toSession must be a session id"},
		"a long call id":       {signal(`"callId":"` + strings.Repeat("c", 65) + `","body":{"data":1}`), "callId must be"},
		"no body":              {`{"v":1,"kind":"refuse","from":"billing"}`, "body must be an object"},
		"a body of letters":    {signal(`"body":"{}"`), "body must be an object"},
		"an empty body":        {signal(`"body":{}`), "data must be JSON of at most 16384 bytes"},
		"a number for an SDP":  {`{"v":1,"kind":"offer","from":"billing","body":{"offerSDP":0,"offerType":"offer"}}`, "offerSDP must be a string of at most 32768 bytes"},
		"a long message":       {signal(`"body":{"data":"` + strings.Repeat("x", 16<<10) + `"}`), "data must be JSON of at most 16384 bytes"},
		"far too long":         {signal(`"body":{"data":"` + strings.Repeat("x", 80<<10) + `"}`), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			reply, err := backend.RequestWithContext(limited(t), "signal.bob", []byte(tc.request))
			if err != nil {
				t.Fatal(err)
			}
			var receipt struct {
				V                      int
				Status, Gateway, Error string
			}
			decode(t, reply.Data, &receipt)
			if receipt.V != 1 || receipt.Status != "refused" || receipt.Gateway != stack.Gateways[0].Name ||
				!strings.Contains(receipt.Error, tc.want) {
				t.Errorf("answered %s, want an error with %q", reply.Data, tc.want)
			}
		})
	}
	if _, err := backend.RequestWithContext(limited(t), "signal.bob", []byte(signal(`"body":{"data":"good"}`))); err != nil {
		t.Fatal(err)
	}
	f, err := bob.Next(limited(t), func(client.Frame) bool { return true })
	if err != nil || f.Event != "message" || f.Text("data") != "good" {
		t.Errorf("bob got %s %s (%v), want what was not refused", f.Event, f.Data, err)
	}
}

// A backend asks presence who is in a room, how many there are, and where somebody is.
func TestBackendAsksWhoIsThere(t *testing.T) {
	t.Parallel()
	stack := start(t, local.Options{Gateways: 2})
	backend := connect(t, stack)
	before := time.Now().UnixMilli()
	alice := dial(t, stack, 0, client.Options{User: "alice"})
	shows(t, alice, "alice")
	unusual := dial(t, stack, 1, client.Options{User: "Ünï"})
	shows(t, alice, "alice", "Ünï")
	first := dial(t, stack, 0, client.Options{User: "bob"})
	shows(t, unusual, "alice", "Ünï", "bob")
	attic := dial(t, stack, 1, client.Options{User: "bob", Room: "attic"})
	dave := dial(t, stack, 0, client.Options{User: "dave", Room: "attic"})
	shows(t, attic, "bob", "dave")
	shows(t, dave, "bob", "dave")

	ask := func(subject, request string) *nats.Msg {
		t.Helper()
		var reply *nats.Msg
		until(t, subject+" is answered", func(ctx context.Context) bool {
			var err error
			reply, err = backend.RequestWithContext(ctx, subject, []byte(request))
			if err != nil && !errors.Is(err, nats.ErrNoResponders) { // no replica knows the whole yet
				t.Fatalf("%s %s: %v", subject, request, err)
			}
			return err == nil
		})
		return reply
	}

	type user struct {
		User  string
		Since int64
	}
	type page struct {
		V     int
		Room  string
		Count int
		Users []user
		Next  string
	}
	list := func(request string) page {
		t.Helper()
		reply := ask("presence.list", request)
		if reply.Header.Get("Nats-Service-Error-Code") != "" {
			t.Fatalf("%s is answered by an error: %v", request, reply.Header)
		}
		var p page
		decode(t, reply.Data, &p)
		return p
	}

	whole := list(`{"room":"lobby"}`)
	var users []string
	last := before
	for _, u := range whole.Users {
		if u.Since < last || u.Since > time.Now().UnixMilli() {
			t.Errorf("%s has been there since %d, want %d or later", u.User, u.Since, last)
		}
		users, last = append(users, u.User), u.Since
	}
	if want := []string{"alice", "Ünï", "bob"}; !slices.Equal(users, want) || whole.V != 1 || whole.Room != "lobby" || whole.Count != 3 || whole.Next != "" {
		t.Fatalf("the lobby is %+v, want %q", whole, want)
	}
	for _, request := range []string{``, `{}`, `{"v":1,"room":"lobby","limit":1000}`} {
		if got := list(request); !slices.Equal(got.Users, whole.Users) {
			t.Errorf("%q gives %+v, want %+v", request, got, whole)
		}
	}
	for _, limit := range []int{1, 2, 3} {
		var got []user
		request := fmt.Sprintf(`{"limit":%d}`, limit)
		for request != "" {
			p := list(request)
			if p.Count != 3 || len(p.Users) == 0 || len(p.Users) > limit {
				t.Fatalf("%s gives %+v", request, p)
			}
			got = append(got, p.Users...)
			request = ""
			if p.Next != "" {
				if at := p.Users[len(p.Users)-1]; p.Next != fmt.Sprintf("%d/%s", at.Since, at.User) {
					t.Errorf("the page behind %v is after %q", at, p.Next)
				}
				request = fmt.Sprintf(`{"limit":%d,"after":%q}`, limit, p.Next)
			}
		}
		if !slices.Equal(got, whole.Users) {
			t.Errorf("pages of %d give %v, want %v", limit, got, whole.Users)
		}
	}

	var where struct {
		V        int
		User     string
		Count    int
		Sessions []struct {
			Gateway, Session, Room string
			Since                  int64
		}
	}
	decode(t, ask("presence.where", `{"user":"bob"}`).Data, &where)
	if where.V != 1 || where.User != "bob" || where.Count != 2 || len(where.Sessions) != 2 {
		t.Fatalf("bob is at %+v", where)
	}
	if s := where.Sessions[0]; s.Gateway != stack.Gateways[0].Name || s.Session != first.Welcome.SessionID || s.Room != "lobby" || s.Since != last {
		t.Errorf("bob's first session is %+v", s)
	}
	if s := where.Sessions[1]; s.Gateway != stack.Gateways[1].Name || s.Session != attic.Welcome.SessionID || s.Room != "attic" || s.Since < last {
		t.Errorf("bob's second session is %+v", s)
	}

	for _, tc := range []struct{ subject, request, want string }{
		{"presence.list", `{"room":"cellar"}`, `{"v":1,"room":"cellar","count":0,"users":[]}`},
		{"presence.count", `{"room":"lobby"}`, `{"v":1,"room":"lobby","users":3,"sessions":3}`},
		{"presence.count", `{"room":"cellar"}`, `{"v":1,"room":"cellar","users":0,"sessions":0}`},
		{"presence.count", `{}`, `{"v":1,"users":4,"sessions":5,"rooms":2,"gateways":2}`},
		{"presence.count", ``, `{"v":1,"users":4,"sessions":5,"rooms":2,"gateways":2}`},
		{"presence.where", `{"user":"nobody"}`, `{"v":1,"user":"nobody","count":0,"sessions":[]}`},
	} {
		if reply := ask(tc.subject, tc.request); string(reply.Data) != tc.want || len(reply.Header) > 0 {
			t.Errorf("%s %s gives %s %v, want %s", tc.subject, tc.request, reply.Data, reply.Header, tc.want)
		}
	}
	for _, tc := range []struct{ subject, request, want string }{
		{"presence.list", `{`, `the request is not valid JSON`},
		{"presence.list", `["lobby"]`, `the request must be an object`},
		{"presence.list", `{"room":"a","room":"b"}`, `the request is not valid JSON`},
		{"presence.list", `{"Room":"lobby"}`, `"Room" is not a member of this request`},
		{"presence.list", `{"room":7}`, `room has a value of the wrong type`},
		{"presence.list", `{"room":""}`, `room is empty`},
		{"presence.list", `{"limit":0}`, `limit must be 1 to 1000`},
		{"presence.list", `{"limit":1001}`, `limit must be 1 to 1000`},
		{"presence.list", `{"after":"alice"}`, `after must be the next of another page`},
		{"presence.list", `{"v":2}`, `v must be 1 to 1`},
		{"presence.count", `{"user":"bob"}`, `"user" is not a member of this request`},
		{"presence.where", ``, `user id is empty`},
		{"presence.where", `{"user":"` + strings.Repeat("x", 129) + `"}`, `user id is longer than 128 bytes`},
	} {
		reply := ask(tc.subject, tc.request)
		code, why := reply.Header.Get("Nats-Service-Error-Code"), reply.Header.Get("Nats-Service-Error")
		if code != "bad_request" || why != tc.want || len(reply.Data) > 0 {
			t.Errorf("%s %.100s gives %q, %q, %q; want bad_request, %q", tc.subject, tc.request, code, why, reply.Data, tc.want)
		}
	}

	// NATS' own tools find the service so.
	var info struct {
		Name, Version string
		Endpoints     []struct{ Name, Subject string }
	}
	if err := json.Unmarshal(ask("$SRV.INFO.presence", ``).Data, &info); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range info.Endpoints {
		subjects = append(subjects, e.Subject)
	}
	if want := []string{"presence.count", "presence.list", "presence.where"}; info.Name != "presence" || !slices.Equal(sorted(subjects), want) {
		t.Errorf("the service is %+v, want endpoints %q", info, want)
	}
}

// connect gives a backend's connection to the stack's NATS: one that knows nothing of Beckon.
func connect(t *testing.T, stack *local.Stack) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(stack.Presence.NATS, nats.Name("backend"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// requestAll sends a request that n will answer.
func requestAll(t *testing.T, nc *nats.Conn, subject, request string, n int) []string {
	t.Helper()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sub.Unsubscribe(); err != nil {
			t.Error(err)
		}
	}()
	if err := nc.PublishRequest(subject, inbox, []byte(request)); err != nil {
		t.Fatal(err)
	}
	var replies []string
	for range n {
		reply, err := sub.NextMsgWithContext(limited(t))
		if err != nil {
			t.Fatalf("after %d answers to %s: %v", len(replies), request, err)
		}
		replies = append(replies, string(reply.Data))
	}
	return replies
}

// until asks again and again: what happens on other connections than the one that asks has no other sign.
func until(t *testing.T, what string, good func(context.Context) bool) {
	t.Helper()
	ctx := limited(t)
	for !good(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// decode reads a reply that has no other members than v has.
func decode(t *testing.T, reply []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(reply))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, reply)
	}
}

func data(m *nats.Msg) string {
	if m == nil {
		return "nothing"
	}
	return string(m.Data)
}
