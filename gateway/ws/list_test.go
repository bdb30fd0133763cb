package ws

import (
	"fmt"
	"testing"
)

func TestLargeRoom(t *testing.T) {
	f := start(t, setup{listUsers: 3})
	first := f.login("user-0")
	for i := 1; i < 3; i++ {
		f.login(fmt.Sprint("user-", i))
	}
	c := f.open("user=late")
	for _, want := range []string{"welcome", "userCount"} {
		if h := c.next(); h.Event != want {
			t.Fatalf("heard %s, want %s", h, want)
		}
	}
	for {
		if h := first.next(); h.Event == "userCount" {
			if h.text("count") != "4" || h.text("version") == "" {
				t.Errorf("heard %s", h)
			}
			break
		}
	}

	page := c.ask(`{"event":"list","id":"1","data":{"prefix":"user-","limit":2}}`)
	if page.Event != "userlistPage" || page.text("users") != `["user-0","user-1"]` || page.text("more") != "true" || page.text("count") != "4" {
		t.Errorf("heard %s", page)
	}
	page = c.ask(`{"event":"list","id":"2","data":{"prefix":"user-","after":"user-1"}}`)
	if page.text("users") != `["user-2"]` || page.text("more") != "false" {
		t.Errorf("heard %s", page)
	}
	c.send(`{"event":"list"}`)
	if h := c.event(); h.Event != "userlistPage" || h.ID != nil || h.text("users") != `["late","user-0","user-1","user-2"]` {
		t.Errorf("heard %s", h)
	}
	if h := c.ask(`{"event":"list","id":"3","data":{"limit":0}}`); h.Event != "error" || h.text("code") != `"bad_field"` {
		t.Errorf("heard %s", h)
	}
}

func TestClientsAreToldThatPresenceIsAway(t *testing.T) {
	f := start(t, setup{})
	degraded := func(c *client) {
		t.Helper()
		for {
			h, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			if h.Event == "presence" {
				if h.text("state") != `"degraded"` {
					t.Errorf("heard %s", h)
				}
				return
			}
		}
	}
	degraded(f.login("alice"))
	degraded(f.login("bob")) // who comes when it is so
}

// A client cannot make a gateway send more than it could itself.
func TestPagesHaveALimit(t *testing.T) {
	f := start(t, setup{options: func(o *Options) { o.Rates = Rates{Frames: 1000, Bytes: 2000} }})
	c := f.login("alice")
	for i := range 40 { // of some 100 bytes each, as the answers have
		switch h := c.ask(fmt.Sprintf(`{"event":"list","id":"%d"}`, i)); {
		case h.Event == "userlistPage":
		case i > 0 && h.Event == "error" && h.text("code") == `"rate_limited"`:
			return
		default:
			t.Fatalf("heard %s", h)
		}
	}
	t.Error("forty pages at once")
}
