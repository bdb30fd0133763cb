// Package tutorial tells what people live through whose page is no page of ours: it has the real socket.io-client, and
// behaves as those do that are written after the tutorial. They meet each other, on two gateways, and those on our page.
package tutorial

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/browser"
	"beckon/local/npm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is Beckon with two gateways, a web server that has nothing to do with it, and a browser in which everybody has a
// page.
type house struct {
	t       *testing.T
	stack   *local.Stack
	site    *httptest.Server
	browser *browser.Browser
}

func open(t *testing.T) *house {
	t.Helper()
	packages := filepath.Join("..", "..", "socketio")
	npm.Node(t, packages)
	stack, err := local.Start(context.WithoutCancel(t.Context()), local.Options{
		Gateways: 2,
		Gateway:  func(_ int, c *gateway.Config) { c.Drain = 0 }, // nobody is left when it stops
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS("testdata")))
	client := os.DirFS(filepath.Join(packages, "node_modules", "socket.io-client", "dist"))
	mux.Handle("/socket.io-client/", http.StripPrefix("/socket.io-client/", http.FileServerFS(client)))
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return &house{t, stack, site, browser.Start(t, browser.Options{})}
}

// person is somebody on a page, as others see them in their lists.
type person struct {
	*browser.Page
	user string
}

// How a page of the tutorial connects.
const (
	byDefault       = "" // by polling, and then by a WebSocket
	byPollingOnly   = "polling"
	byWebSocketOnly = "websocket"
)

// arrive opens a page of the tutorial that connects to the ith gateway.
func (h *house) arrive(name string, i int, transports string) *person {
	h.t.Helper()
	return h.arriveAt(name, "http://"+h.stack.Gateways[i].Listen, transports)
}

func (h *house) arriveAt(name, server, transports string) *person {
	h.t.Helper()
	p := &person{Page: h.browser.Page(name)}
	p.Open(h.site.URL + "/tutorial.html?" + url.Values{"url": {server}, "transports": {transports}}.Encode())
	p.connected(transports)
	return p
}

// connected waits until the library is content with how it is connected, and the page has found itself in its list.
func (p *person) connected(transports string) {
	by := transports
	if transports == byDefault {
		by = byWebSocketOnly
	}
	p.WaitFor(fmt.Sprintf(`socket.connected && socket.io.engine.transport.name === %q`, by))
	p.Eval(`socket.id`, &p.user)
	p.AwaitText(p.user + " (you)")
}

// arriveOnOurs opens the ith gateway's own page and joins.
func (h *house) arriveOnOurs(name string, i int) *person {
	h.t.Helper()
	p := &person{h.browser.Page(name), name}
	p.Open("http://" + h.stack.Gateways[i].Listen + "/")
	p.Click("textbox", "Your name")
	p.Type(name)
	p.Press("Enter")
	p.Await("button", "Leave")
	return p
}

// finds waits until a page of the tutorial shows these people, from top to bottom.
func (p *person) finds(people ...*person) {
	users := make([]string, len(people))
	for i, other := range people {
		users[i] = other.user
		if other == p {
			users[i] += " (you)"
		}
	}
	p.WaitFor(fmt.Sprintf(`[...document.querySelectorAll("#users span")].map((user) => user.textContent).join() === %q`,
		strings.Join(users, ",")))
}

// How somebody calls.
const (
	withVideo     = "with video"
	withSoundOnly = "with sound only"
)

func (p *person) calls(other *person, how string) {
	p.Click("button", fmt.Sprintf("Call %s %s", other.user, how))
}

// rings waits until a call comes in.
func (p *person) rings(caller *person) { p.Await("dialog", caller.user+" is calling") }

// meet is a call with video from its first ring to moving pictures at both ends.
func meet(a, b *person) {
	a.calls(b, withVideo)
	b.rings(a)
	b.Click("button", "Accept with video")
	for _, p := range []*person{a, b} {
		p.AwaitFrames("#remote", 5)
	}
}

// talk checks that both hear each other.
func talk(a, b *person) {
	for _, p := range []*person{a, b} {
		p.AwaitSound("#remote")
	}
}

// noPictures checks that neither end of a call has a picture.
func (p *person) noPictures() {
	p.WaitFor(`["local", "remote"].every((id) => document.getElementById(id).srcObject.getVideoTracks().length === 0)`)
}

// hasCandidates checks that a page of the tutorial was told addresses of the other end. There are none in the descriptions,
// which are sent before any is known.
func (p *person) hasCandidates() { p.WaitFor(`pc.remoteDescription.sdp.includes("a=candidate:")`) }

// over waits until the page has no call, rings no more, and says what became of it.
func (p *person) over(says string) {
	p.AwaitText(says)
	p.AwaitGone("button", "Hang up")
	p.WaitFor(`!document.getElementById("remote").srcObject && !document.getElementById("incoming").open`)
}
