package browser

import (
	"strings"
	"testing"
)

func TestActing(t *testing.T) {
	p, _ := open(t, Options{})
	p.Click("textbox", "Your name")
	p.Type("Älice 😀")
	p.Click("button", "Enter") // once it is enabled
	p.AwaitText("Welcome, Älice 😀")
	p.Click("checkbox", "Mute") // by its label
	p.status("Muted")
	p.Click("button", "Catch me") // once it rests
	p.status("Caught")
	p.Click("button", "Beneath") // once nothing is above it
	p.status("Uncovered")
	p.Await("button", "Leave for good")
	p.Click("button", "Leave for good")
	p.AwaitGone("button", "Leave for good")
}

func TestActingFails(t *testing.T) {
	p, _ := open(t, Options{})
	p.WaitFor(`!document.getElementById("cover")`)
	p.Eval(`void document.querySelector(".under").append(Object.assign(document.createElement("div"), {id: "cover"}))`, nil)
	for want, do := range map[string]func(){
		`alice: click button "Beneath": it is behind <div id="cover">`:       func() { p.Click("button", "Beneath") },
		`alice: click button "Enter": it is disabled`:                        func() { p.Click("button", "Enter") },
		`alice: click button "Unseen": there are 0`:                          func() { p.Click("button", "Unseen") },
		`alice: click button "Twin": there are 2`:                            func() { p.Click("button", "Twin") },
		`alice: wait until heading "People" is gone: it is still there`:      func() { p.AwaitGone("heading", "People") },
		`alice: wait for the text "Nobody": it is not there`:                 func() { p.AwaitText("Nobody") },
		`alice: press "Shift+Hyper": no such key`:                            func() { p.Press("Shift+Hyper") },
		`alice: permission for teapot: granted: `:                            func() { p.Grant("teapot") },
		`alice: wait for sound from #mine: it is without a sound track`:      func() { p.AwaitSound("#mine") },
		`alice: wait until document.querySelector("#none").getVideoPlayback`: func() { p.AwaitFrames("#none", 1) },
	} {
		mentions(t, p.b.failures(do), want)
	}
}

func TestKeyboard(t *testing.T) {
	p, _ := open(t, Options{})
	if got := p.Focused(); got != "" {
		t.Errorf("%s has the keyboard", got)
	}
	p.Press("Tab")
	tree := p.Tree()
	mentions(t, tree,
		"RootWebArea \"A page to try the harness on\"\n  heading \"People\" level=1\n", "    button \"Enter\" disabled\n",
		"textbox \"Your name\" focused required", "\n  button \"Leave for good\"\n    StaticText \"×\"\n", "\n  status",
	)
	for _, hidden := range []string{"Unseen", "generic", `StaticText "Enter"`} {
		if strings.Contains(tree, hidden) {
			t.Errorf("there is %s in\n%s", hidden, tree)
		}
	}
	for _, step := range []struct{ key, focus string }{
		{"Shift+Tab", ""}, {"Tab", `textbox "Your name"`}, {"Tab", `checkbox "Mute"`}, {"Tab", `button "Catch me"`}, {"Shift+Tab", `checkbox "Mute"`},
	} {
		p.Press(step.key)
		if got := p.Focused(); got != step.focus {
			t.Errorf("%s leads to %s, want %s", step.key, got, step.focus)
		}
	}
	p.Press("Space")
	p.status("Muted")
	p.Press("Space", "Shift+Tab")
	p.Type("Bob")
	p.WaitFor(`!document.getElementById("enter").disabled`)
	p.Press("ArrowLeft", "Backspace", "Enter")
	p.status("Welcome, Bb")
	p.Press("Escape")
	p.WaitFor(`pressed.at(-1) === "Escape"`)
}
