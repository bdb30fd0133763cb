package stories

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"beckon/gateway"
	"beckon/local/browser"
	"beckon/local/browser/tamper"
	"beckon/local/client"
)

// names are those of the people in a page's list, from top to bottom.
const names = `[...document.querySelectorAll("#people li .who")].map((who) => who.textContent).join()`

// finds waits until these are the people in the list, and the page says that of them.
func (p *person) finds(people, says string) {
	p.WaitFor(fmt.Sprintf(`%s === %q && document.getElementById("found").textContent === %q`, names, people, says))
}

// looksFor types into the field with which people are found, in place of what is there.
func (p *person) looksFor(text string) {
	p.Click("searchbox", "Find a person")
	p.Eval(`document.activeElement.select()`, nil)
	p.Press("Delete")
	p.Type(text)
}

// Of a large room the page shows how many there are, and those whom one looks for.
func TestLargeRoom(t *testing.T) {
	h := open(t, browser.Options{}, func(c *gateway.Config) { c.RoomListLimit = 100 })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	var guests []*client.Client
	guest := func(name string) {
		c, err := client.Dial(ctx, client.Options{Address: h.stack.Gateways[1].Listen, User: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		guests = append(guests, c)
	}
	for i := range 205 {
		guest(fmt.Sprintf("Guest %03d", i))
	}
	guest("anna")
	guest("Anton")
	bob := h.arrive("Bob", 1)
	alice := h.arrive("Alice", 0)
	alice.sees(209)
	alice.AwaitText("These are the first 100 by name.")
	alice.WaitFor(names + `.startsWith("Alice (you),Anton,Bob,Guest 000,")`)
	alice.looks(t, "crowd")

	// More of them come when they are asked for, and who uses a keyboard is where they begin.
	alice.Eval(`document.getElementById("show-more").focus()`, nil)
	alice.looks(t, "crowd-more")
	alice.Press("Enter")
	alice.AwaitText("These are the first 200 by name.")
	if focus := alice.Focused(); focus != `button "Call Guest 097 with sound only"` {
		t.Errorf("after more have come the focus is on %s", focus)
	}
	alice.Click("button", "Show more")
	alice.AwaitGone("button", "Show more")
	alice.WaitFor(names + `.endsWith("Guest 203,Guest 204,anna")`)
	alice.WaitFor(names + `.split(",").length === 209`)

	// Whoever looks for a name need not heed capitals.
	alice.looksFor("an")
	alice.finds("anna,Anton", "Names that begin with “an”: 2.")
	alice.looks(t, "crowd-found")
	alice.looksFor("GUEST 20")
	alice.finds("Guest 200,Guest 201,Guest 202,Guest 203,Guest 204", "Names that begin with “GUEST 20”: 5.")
	alice.looksFor("guest")
	alice.AwaitText("Names that begin with “guest”: the first 100.")
	alice.looksFor("Zoë")
	alice.finds("", "Names that begin with “Zoë”: none.")
	alice.looks(t, "crowd-nobody")
	alice.looksFor("bob")
	alice.finds("Bob", "Names that begin with “bob”: 1.")
	if focus := alice.Focused(); focus != `searchbox "Find a person"` {
		t.Errorf("while it looks for names the focus is on %s", focus)
	}
	alice.Resize(1280, 800, false)
	meet(alice, bob)
	bob.Click("button", "Hang up")
	alice.atRest()

	// When most have left it is a room like any other.
	for _, c := range guests[:200] {
		c.Close()
	}
	alice.sees(9)
	alice.finds("Bob", "")
	alice.looksFor("uest") // anywhere in the name
	alice.finds("Guest 200,Guest 201,Guest 202,Guest 203,Guest 204", "")
}

// What cannot be looked for now is said, and looked for again when it can be.
func TestLargeRoomWithoutGateway(t *testing.T) {
	h := open(t, browser.Options{}, func(c *gateway.Config) { c.RoomListLimit = 1 })
	proxy := tamper.Start(t, h.stack.Gateways[0].Listen)
	alice := &person{h.browser.Page("Alice"), "Alice"}
	alice.Open(proxy.URL())
	alice.join()
	bob := h.arrive("Bob", 1)
	alice.sees(2)
	alice.finds("Alice (you),Bob", "")

	// Who comes and goes is seen after a while.
	var guests []*client.Client
	guest := func(name string) {
		c, err := client.Dial(t.Context(), client.Options{Address: h.stack.Gateways[1].Listen, User: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		guests = append(guests, c)
	}
	guest("Abe")
	alice.sees(3)
	alice.finds("Alice (you),Bob", "")
	alice.Eval(`(() => {
		const now = performance.now.bind(performance);
		performance.now = () => now() + 30_000;
	})()`, nil)
	guest("Ada")
	alice.finds("Alice (you),Abe,Ada,Bob", "")
	for _, c := range guests {
		c.Close()
	}
	alice.sees(2)

	lost := proxy.Drop(tamper.ToPage, "userlistPage")
	alice.looksFor("bo")
	alice.finds("", "The server has not answered.")
	lost.End()
	alice.Click("button", "Try again")
	alice.finds("Bob", "Names that begin with “bo”: 1.")
	alice.AwaitGone("button", "Try again")

	alice.Expect("503", "WebSocket connection to")
	proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}})
	proxy.Cut()
	bob.sees(1)
	carol := h.arrive("Carol", 1)
	carol.sees(2)
	alice.looksFor("c")
	alice.finds("", "There is no connection to the server at the moment.")
	alice.AwaitGone("button", "Try again")
	alice.looks(t, "crowd-away")
	proxy.Admit()
	alice.finds("Carol", "Names that begin with “c”: 1.")
	alice.sees(3)
}
