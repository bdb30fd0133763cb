// Package stories tells what people live through on the page, in headless Chromium: each has a window of their own, clicks
// what a screen reader would name, and is at one of two gateways.
package stories

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/browser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is Beckon with two gateways, and a browser in which everybody has a page.
type house struct {
	t       *testing.T
	stack   *local.Stack
	browser *browser.Browser
}

func open(t *testing.T, o browser.Options, more ...func(*gateway.Config)) *house {
	t.Helper()
	stack, err := local.Start(context.WithoutCancel(t.Context()), local.Options{
		Gateways: 2,
		Gateway: func(_ int, c *gateway.Config) {
			c.Drain = 0 // nobody is left when it stops
			for _, change := range more {
				change(c)
			}
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return &house{t, stack, browser.Start(t, o)}
}

// url is the page of the ith gateway.
func (h *house) url(i int) string { return "http://" + h.stack.Gateways[i].Listen + "/" }

// person is somebody on the page.
type person struct {
	*browser.Page
	name string
}

// arrive opens the page of the ith gateway and joins.
func (h *house) arrive(name string, i int) *person {
	h.t.Helper()
	p := &person{h.browser.Page(name), name}
	p.Open(h.url(i))
	p.join()
	return p
}

func (p *person) join() {
	p.Click("textbox", "Your name")
	p.Type(p.name)
	p.Press("Enter")
	p.Await("button", "Leave")
}

// sees waits until the page shows so many people.
func (p *person) sees(people int) { p.Await("heading", fmt.Sprintf("People here %d", people)) }

func (p *person) calls(other *person, how string) {
	p.Click("button", fmt.Sprintf("Call %s %s", other.name, how))
}

// How somebody calls.
const (
	withVideo     = "with video"
	withSoundOnly = "with sound only"
)

// rings waits until a call comes in, and until the caller is told that it does.
func (p *person) rings(caller *person) {
	p.Await("dialog", caller.name+" is calling")
	caller.AwaitText("Ringing…")
}

// talk checks that both hear and see each other.
func talk(a, b *person) {
	for _, p := range []*person{a, b} {
		p.AwaitFrames("#remote", 10)
		p.AwaitSound("#remote")
	}
}

// meet is a call with video from its first ring to the first picture.
func meet(a, b *person) {
	a.calls(b, withVideo)
	b.rings(a)
	b.Click("button", "Accept with video")
	talk(a, b)
}

// atRest waits until the page is as it was before a call.
func (p *person) atRest() {
	p.AwaitGone("button", "Hang up")
	p.AwaitText("Call somebody, or wait until somebody calls you.")
}
