// Package library tests the browser client library in headless Chromium, against real gateways: each story has pages that
// import it, and does with it what an application would. The pages are the gateway's own, which nobody has joined, so that
// its content security policy holds for the library, too.
package library

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/browser"
	"beckon/local/browser/tamper"
	"beckon/local/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait in Go; the pages have bounds of their own.
const patience = 30 * time.Second

//go:embed kit.js
var kit string

// stage is a browser and a running system that several stories use, one after the other: to start them takes longer than
// most stories do. It stands for the test that is running, because a browser's failures are those of one test.
type stage struct {
	testing.TB
	profile string // the browser's
	browser *browser.Browser
	stack   *local.Stack
	pages   map[string]*browser.Page
}

func open(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	s := &stage{TB: t, pages: make(map[string]*browser.Page), stack: start(t, local.Options{Gateways: 2})}
	s.browser = browser.Start(s, browser.Options{Cameras: 3}) // the second shows what no call can send
	return s
}

// TempDir is what the browser asks for to keep its profile.
func (s *stage) TempDir() string {
	s.profile = s.TB.TempDir()
	return s.profile
}

// The stories are told on as many stages as can be told on at once with profit.

func TestGateway(t *testing.T) {
	s := open(t)
	connection(s)
	list(s)
	largeRooms(s)
	presenceAway(s)
	messages(s)
}

func TestCalls(t *testing.T) {
	s := open(t)
	calls(s)
	declarations(s)
}

func TestMedia(t *testing.T) {
	s := open(t)
	negotiation(s)
	survival(s)
}

func TestPeers(t *testing.T) {
	s := open(t)
	devices(s)
	olderClients(s)
	hostilePeers(s)
}

func start(t testing.TB, o local.Options) *local.Stack {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	more := o.Gateway
	o.Gateway = func(i int, c *gateway.Config) {
		c.Drain = 0
		if i == 1 {
			c.RateFrames = slowFrames
		}
		if more != nil {
			more(i, c)
		}
	}
	stack, err := local.Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return stack
}

// slowFrames is what one session may send a second on the second gateway, and twice as much in a burst.
const slowFrames = 100

// story tells one. Nobody is there when it begins.
func (s *stage) story(name string, tell func(h *house)) {
	s.TB.(*testing.T).Run(name, func(t *testing.T) {
		whole := s.TB
		s.TB = t
		defer func() { s.TB = whole }()
		h := &house{T: t, stage: s}
		defer h.leave()
		tell(h)
	})
}

// house is one story's.
type house struct {
	*testing.T
	stage   *stage
	people  []*person
	clients []*client.Client
}

func (h *house) gateway(i int) string { return h.stage.stack.Gateways[i].Listen }

func (h *house) proxy(i int) *tamper.Proxy { return tamper.Start(h, h.gateway(i)) }

// leave ends what the people do, checks that their pages have not complained, and waits until nobody is there any more.
func (h *house) leave() {
	for _, p := range h.people {
		p.Eval(`leave()`, nil)
		p.Clean()
	}
	for _, c := range h.clients {
		c.Close()
	}
	if h.Failed() {
		return
	}
	usher := h.dial("usher")
	defer usher.Close()
	err := usher.AwaitList(h.limited(), func(l client.List) bool { return slices.Equal(l.Users, []string{"usher"}) })
	if err != nil {
		h.Errorf("somebody is still there: %v", err)
	}
}

func (h *house) limited() context.Context {
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	h.Cleanup(cancel)
	return ctx
}

// dial logs in without a browser, until the end of the story.
func (h *house) dial(name string) *client.Client {
	h.Helper()
	c, err := client.Dial(h.limited(), client.Options{Address: h.gateway(0), User: name})
	if err != nil {
		h.Fatalf("log in as %q: %v", name, err)
	}
	h.clients = append(h.clients, c)
	return c
}

// person has a page with the library in it.
type person struct {
	*browser.Page
	h    *house
	page string // its name
}

// visit opens the page of a gateway, or of a proxy, on somebody's device.
func (h *house) visit(device, address string) *person {
	h.Helper()
	s := h.stage
	if s.pages[device] == nil {
		s.pages[device] = s.browser.Page(device)
		s.pages[device].Expect("/icon.svg") // is loaded when there is time, perhaps after the story
	}
	p := &person{s.pages[device], h, device}
	h.people = append(slices.DeleteFunc(h.people, func(other *person) bool { return other.page == device }), p)
	p.Grant("camera", "microphone") // whatever became of them in another story
	p.Open("http://" + address + "/")
	p.Eval(kit, nil)
	return p
}

// join opens the page of a gateway, or of a proxy, and logs in there.
func (h *house) join(name, address string) *person {
	h.Helper()
	return h.joinOn(name, name, address)
}

// joinOn is join on one of several devices.
func (h *house) joinOn(device, name, address string) *person {
	h.Helper()
	p := h.visit(device, address)
	p.Eval(fmt.Sprintf(`join({ user: %q })`, name), nil)
	return p
}

// couple are alice and bob on two gateways.
func (h *house) couple() (alice, bob *person) {
	h.Helper()
	return h.join("alice", h.gateway(0)), h.join("bob", h.gateway(1))
}

// is checks what an expression gives, which may await.
func (p *person) is(expression string, want any) {
	p.h.Helper()
	var got any
	p.Eval(`(async () => (`+expression+`))()`, &got)
	if g, w := compact(got), compact(want); g != w {
		p.h.Errorf("%s: %s is %s, want %s", p.page, expression, g, w)
	}
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// hears waits until a page has taken all that another one has signalled to it.
func (p *person) hears(other *person) {
	p.h.Helper()
	var user string
	p.Eval(`messages.length = 0, beckon.userId`, &user)
	other.Eval(fmt.Sprintf(`beckon.send(%q, "behind it")`, user), nil)
	p.WaitFor(`messages.length > 0`)
}

// rings waits until a call from a page rings at another one.
func (p *person) rings(caller *person) {
	p.h.Helper()
	p.WaitFor(`globalThis.call?.state === "ringing"`)
	caller.WaitFor(`call.state === "ringing"`)
}

// talk makes a call, with these options, and waits until both are connected.
func talk(alice, bob *person, options string) {
	alice.h.Helper()
	alice.Eval(`dial("bob", `+options+`)`, nil)
	bob.rings(alice)
	bob.Eval(`call.accept()`, nil)
	connected(alice, bob)
}

// What a call has.
const (
	withVideo     = `{ video: true }`
	withSoundOnly = `{ video: false }`
)

func connected(people ...*person) {
	for _, p := range people {
		p.h.Helper()
		p.WaitFor(`call.state === "connected"`)
	}
}

// ends waits until the call has ended, checks how, and that nothing is left of it.
func (p *person) ends(code string) {
	p.h.Helper()
	p.WaitFor(`call.ended`)
	p.is(`call.ended.code`, code)
	p.is(`left()`, "")
}
