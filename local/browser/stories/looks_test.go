package stories

import (
	_ "embed"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"beckon/local/browser"
	"beckon/local/browser/tamper"
)

// contrast.js gives the texts on the page that are too faint, and the controls that are too small.
//
//go:embed contrast.js
var contrast string

// nameless are controls that a screen reader could only call by their kind.
var nameless = regexp.MustCompile(`(?m)^\s*(button|textbox|searchbox|dialog|link|heading|Video|group|region)( ""|$| focused| disabled)`)

// looks keeps pictures of the page, wide and narrow, light and dark, for people to look at, and checks in each what can be
// checked: contrast (WCAG 2.2, 1.4.3), the size of what is clicked (2.5.8), names (4.1.2), and that nothing sticks out.
func (p *person) looks(t *testing.T, as string) {
	t.Helper()
	for _, size := range [][2]int{{1280, 800}, {390, 844}} {
		for _, dark := range []bool{false, true} {
			picture := p.Screenshot(as, size[0], size[1], dark)
			var faults []string
			p.Eval(contrast, &faults)
			var wide int // a phone would show all of a page that is too wide, small
			p.Eval(`document.documentElement.scrollWidth`, &wide)
			if wide > size[0] {
				faults = append(faults, fmt.Sprintf("the page is %d wide", wide))
			}
			for _, fault := range faults {
				t.Errorf("%s: %s", picture, fault)
			}
		}
	}
	if found := nameless.FindString(p.Tree()); found != "" {
		t.Errorf("%s: without a name: %s\n%s", as, strings.TrimSpace(found), p.Tree())
	}
}

func TestLooks(t *testing.T) {
	h := open(t, browser.Options{})
	proxy := tamper.Start(t, h.stack.Gateways[0].Listen)
	alice := &person{h.browser.Page("Alice"), "Alice"}
	alice.Open(proxy.URL())
	alice.looks(t, "join")
	alice.join()
	alice.looks(t, "alone")
	bob := h.arrive("Bob", 1)
	long := h.arrive("Wilhelmina Aleksandrovna von und zu Hohenlohe-Langenburg", 1)
	alice.sees(3)
	alice.looks(t, "list")
	long.CloseTab()
	alice.sees(2)

	alice.calls(bob, withVideo)
	bob.rings(alice)
	alice.looks(t, "ringing")
	bob.looks(t, "incoming")
	bob.Click("button", "Accept with video")
	talk(alice, bob)
	alice.looks(t, "call")
	bob.Click("button", "Camera off")
	alice.WaitFor(`!document.getElementById("call").classList.contains("seen")`)
	alice.looks(t, "call-without-picture")

	alice.Expect("503", "WebSocket connection to")
	proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"60"}})
	proxy.Cut()
	alice.AwaitText("Your call goes on.")
	alice.looks(t, "call-without-gateway")
	bob.CloseTab()
	alice.AwaitText("Bob is gone.")
	alice.looks(t, "ended")
	alice.Click("button", "Close")
	alice.looks(t, "away")
}

// Everything can be done with a keyboard, in an order that follows the page.
func TestKeyboard(t *testing.T) {
	h := open(t, browser.Options{})
	bob := h.arrive("Bob", 1)
	alice := &person{h.browser.Page("Alice"), "Alice"}
	alice.Open(h.url(0))
	if focus := alice.Focused(); focus != `textbox "Your name"` {
		t.Errorf("at the start the focus is on %s", focus)
	}
	alice.Type("Alice")
	alice.Press("Enter")
	alice.sees(2)
	walk := func(p *person, want ...string) {
		t.Helper()
		var got []string
		for range want {
			p.Press("Tab")
			got = append(got, p.Focused())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: Tab goes to %q, want %q", p.name, got, want)
		}
	}
	if focus := alice.Focused(); focus != `heading "People here 2"` {
		t.Errorf("after joining the focus is on %s", focus)
	}
	walk(alice, `button "Call Bob with sound only"`, `button "Call Bob with video"`)
	alice.Press("Enter")
	bob.rings(alice)
	bob.Press("Escape", "Space", "Enter") // choose nothing
	bob.WaitFor(`!document.getElementById("accept").disabled`)
	walk(bob, `button "Accept with video"`, `button "Accept with sound only"`, `button "Refuse"`)
	bob.Press("Shift+Tab", "Shift+Tab", "Enter")
	talk(alice, bob)
	if focus := bob.Focused(); focus != `button "Hang up"` {
		t.Errorf("in the call the focus is on %s", focus)
	}
	bob.Press("Shift+Tab", "Space")
	bob.WaitFor(`document.getElementById("camera").ariaPressed === "true"`)
	bob.Press("Shift+Tab", "Space")
	bob.WaitFor(`document.getElementById("mute").ariaPressed === "true"`)
	bob.Press("Tab", "Tab", "Enter")
	bob.atRest()
	alice.atRest()
	if focus := bob.Focused(); focus != `heading "People here 2"` {
		t.Errorf("after the call the focus is on %s", focus)
	}
}
