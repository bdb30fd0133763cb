package presence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"beckon/shared/bus"
	"beckon/shared/wire"
)

// ask makes a request as any backend does, and gives the reply, or the service's error as "code: description".
func ask(t *testing.T, conn *bus.Conn, subject, request string) string {
	t.Helper()
	m, err := conn.NATS().Request(subject, []byte(request), patience)
	if err != nil {
		t.Fatalf("%s %s: %v", subject, request, err)
	}
	if len(m.Data) > wire.MaxMessage {
		t.Errorf("%s %s: a reply of %d bytes", subject, request, len(m.Data))
	}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		return code + ": " + m.Header.Get(micro.ErrorHeader)
	}
	return string(m.Data)
}

func TestQueries(t *testing.T) {
	r := run(t, config(t))
	conn := connect(t, r.NATS)
	if _, err := conn.NATS().Request(wire.ListSubject, nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("asked before the view is complete: %v, want %v", err, nats.ErrNoResponders)
	}
	a := gateway(t, conn, "gw-1")
	b := gateway(t, connect(t, r.NATS), "gw-2")
	a.Join(wire.Login{Session: "s1", User: "bob", Room: "lobby", Since: 1})
	a.Join(wire.Login{Session: "s2", User: "alice", Room: "lobby", Since: 2})
	b.Join(wire.Login{Session: "s3", User: "bob", Room: "attic", Since: 3})
	b.Join(wire.Login{Session: "s4", User: "bob", Room: "lobby", Since: 4})
	b.Join(wire.Login{Session: "s5", User: "Zoë \"Z\"", Room: "lobby", Since: 2})
	f := follow(t, conn, r.View)
	f.holds("bob", "alice", "bob", "bob", "Zoë \"Z\"")
	await(t, "the service is there", func() bool {
		_, err := conn.NATS().Request(wire.WhereSubject, []byte(`{"user":"alice"}`), patience)
		return !errors.Is(err, nats.ErrNoResponders)
	})

	for _, test := range []struct{ subject, request, want string }{
		{
			wire.ListSubject, `{"room":"lobby"}`,
			`{"v":1,"room":"lobby","count":3,"users":[{"user":"bob","since":1},{"user":"Zoë \"Z\"","since":2},{"user":"alice","since":2}]}`,
		},
		{
			wire.ListSubject, ``,
			`{"v":1,"room":"lobby","count":3,"users":[{"user":"bob","since":1},{"user":"Zoë \"Z\"","since":2},{"user":"alice","since":2}]}`,
		},
		{wire.ListSubject, `{"room":"attic","v":1}`, `{"v":1,"room":"attic","count":1,"users":[{"user":"bob","since":3}]}`},
		{wire.ListSubject, `{"room":"cellar"}`, `{"v":1,"room":"cellar","count":0,"users":[]}`},
		{
			wire.ListSubject, `{"limit":2}`,
			`{"v":1,"room":"lobby","count":3,"users":[{"user":"bob","since":1},{"user":"Zoë \"Z\"","since":2}],"next":"2/Zoë \"Z\""}`,
		},
		{
			wire.ListSubject, `{"limit":2,"after":"2/Zoë \"Z\""}`,
			`{"v":1,"room":"lobby","count":3,"users":[{"user":"alice","since":2}]}`,
		},
		{
			wire.ListSubject, `{"after":"1/someone who left"}`,
			`{"v":1,"room":"lobby","count":3,"users":[{"user":"Zoë \"Z\"","since":2},{"user":"alice","since":2}]}`,
		},
		{wire.CountSubject, `{"room":"lobby"}`, `{"v":1,"room":"lobby","users":3,"sessions":4}`},
		{wire.CountSubject, `{"room":"cellar"}`, `{"v":1,"room":"cellar","users":0,"sessions":0}`},
		{wire.CountSubject, `{}`, `{"v":1,"users":3,"sessions":5,"rooms":2,"gateways":2}`},
		{
			wire.WhereSubject, `{"user":"bob"}`, `{"v":1,"user":"bob","count":3,"sessions":[` +
				`{"gateway":"gw-1","session":"s1","room":"lobby","since":1},` +
				`{"gateway":"gw-2","session":"s3","room":"attic","since":3},` +
				`{"gateway":"gw-2","session":"s4","room":"lobby","since":4}]}`,
		},
		{wire.WhereSubject, `{"user":"nobody"}`, `{"v":1,"user":"nobody","count":0,"sessions":[]}`},

		{wire.ListSubject, `{`, `bad_request: the request is not valid JSON`},
		{wire.ListSubject, `{} {}`, `bad_request: the request is not valid JSON`},
		{wire.ListSubject, `{"room":"a","room":"b"}`, `bad_request: the request is not valid JSON`},
		{wire.ListSubject, "{\"room\":\"\xff\"}", `bad_request: the request is not valid JSON`},
		{wire.ListSubject, `["lobby"]`, `bad_request: the request must be an object`},
		{wire.ListSubject, `{"Room":"lobby"}`, `bad_request: "Room" is not a member of this request`},
		{wire.ListSubject, `{"room":1}`, `bad_request: room has a value of the wrong type`},
		{wire.ListSubject, `{"room":""}`, `bad_request: room is empty`},
		{wire.ListSubject, `{"room":"\u0000"}`, `bad_request: room has a control character`},
		{wire.ListSubject, `{"limit":0}`, `bad_request: limit must be 1 to 1000`},
		{wire.ListSubject, `{"limit":1001}`, `bad_request: limit must be 1 to 1000`},
		{wire.ListSubject, `{"limit":1e99}`, `bad_request: limit has a value of the wrong type`},
		{wire.ListSubject, `{"after":"alice"}`, `bad_request: after must be the next of another page`},
		{wire.ListSubject, `{"after":"1/"}`, `bad_request: after must be the next of another page`},
		{wire.ListSubject, `{"v":2}`, `bad_request: v must be 1 to 1`},
		{wire.CountSubject, `{"user":"bob"}`, `bad_request: "user" is not a member of this request`},
		{wire.CountSubject, `{"room":"` + strings.Repeat("r", 129) + `"}`, `bad_request: room is longer than 128 bytes`},
		{wire.WhereSubject, `{}`, `bad_request: user id is empty`},
		{wire.WhereSubject, `{"user":{"id":1}}`, `bad_request: user has a value of the wrong type`},
		{
			wire.WhereSubject, `{"` + strings.Repeat("x", 10_000) + `":1}`,
			`bad_request: "` + strings.Repeat("x", 64) + `..." is not a member of this request`,
		},
	} {
		if got := ask(t, conn, test.subject, test.request); got != test.want {
			t.Errorf("%s %.100s\ngives %s\nwant  %s", test.subject, test.request, got, test.want)
		}
	}
}

// A crowd with long names comes in pages that fit.
func TestListInPages(t *testing.T) {
	const crowd = 3000
	r := run(t, config(t))
	conn := connect(t, r.NATS)
	a := gateway(t, conn, "gw-1")
	var want []string
	for i := range crowd {
		user := fmt.Sprintf("%04d%s", i, strings.Repeat(`"`, 124))
		want = append(want, user)
		a.Join(wire.Login{Session: fmt.Sprint("s", i), User: user, Room: "lobby", Since: 7})
		a.Join(wire.Login{Session: fmt.Sprint("t", i), User: "everywhere", Room: "attic", Since: 7})
	}
	f := follow(t, conn, r.View)
	f.until("everybody is there", func() bool { return len(f.entries) == 2*crowd })
	await(t, "the service is there", func() bool {
		_, err := conn.NATS().Request(wire.CountSubject, nil, patience)
		return !errors.Is(err, nats.ErrNoResponders)
	})

	var got []string
	request := map[string]any{"room": "lobby"}
	for pages := 1; ; pages++ {
		data, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Count int                     `json:"count"`
			Users []struct{ User string } `json:"users"`
			Next  string                  `json:"next"`
		}
		reply := ask(t, conn, wire.ListSubject, string(data))
		if err := json.Unmarshal([]byte(reply), &page); err != nil {
			t.Fatalf("%v in %.200s", err, reply)
		}
		for _, u := range page.Users {
			got = append(got, u.User)
		}
		if page.Count != crowd || len(page.Users) == 0 {
			t.Fatalf("page %d has %d users of %d", pages, len(page.Users), page.Count)
		}
		if page.Next == "" {
			if pages < 3 {
				t.Errorf("only %d pages", pages)
			}
			break
		}
		request["after"] = page.Next
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages have %d users, want %d", len(got), len(want))
	}

	// A user with more sessions than fit: those that came first.
	var where struct {
		Count    int               `json:"count"`
		Sessions []json.RawMessage `json:"sessions"`
	}
	if err := json.Unmarshal([]byte(ask(t, conn, wire.WhereSubject, `{"user":"everywhere"}`)), &where); err != nil {
		t.Fatal(err)
	}
	if where.Count != crowd || len(where.Sessions) == 0 || len(where.Sessions) >= crowd {
		t.Errorf("%d of %d sessions", len(where.Sessions), where.Count)
	}
}

// NATS' own tools find the service: `nats micro ls`, `nats micro info presence`.
func TestServiceIsFound(t *testing.T) {
	r := run(t, config(t))
	conn := connect(t, r.NATS)
	var info micro.Info
	await(t, "the service and its endpoints are there", func() bool { // which come one after the other
		reply, err := conn.NATS().Request("$SRV.INFO.presence", nil, patience)
		if errors.Is(err, nats.ErrNoResponders) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(reply.Data, &info); err != nil {
			t.Fatal(err)
		}
		return len(info.Endpoints) >= 3
	})
	var subjects []string
	for _, e := range info.Endpoints {
		subjects = append(subjects, e.Subject)
	}
	slices.Sort(subjects)
	if want := []string{wire.CountSubject, wire.ListSubject, wire.WhereSubject}; !slices.Equal(subjects, want) ||
		info.Metadata["view"] != r.View {
		t.Errorf("endpoints %v of view %s, want %v of %s", subjects, info.Metadata["view"], want, r.View)
	}

	r.stop(t)
}
