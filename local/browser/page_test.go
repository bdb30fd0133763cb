package browser

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func TestScripts(t *testing.T) {
	p, s := open(t, Options{})
	p.Expect("'script-src'") // which eval breaks
	var got struct {
		N    int
		List []string
	}
	p.Eval(`Promise.resolve({n: 7, list: ["a", "ü"]})`, &got)
	if got.N != 7 || strings.Join(got.List, " ") != "a ü" {
		t.Errorf("got %+v", got)
	}
	p.Eval(`window.later = 1`, nil)
	var none any = "something"
	if p.Eval("null", &none); none != nil {
		t.Errorf("null is %v", none)
	}
	var n int
	for expression, want := range map[string]string{
		`missing.thing`:                         "ReferenceError: missing is not defined",
		`Promise.reject(new RangeError("far"))`: "RangeError: far",
		`undefined`:                             "it is undefined",
		`"text"`:                                "cannot unmarshal string",
		`eval("1")`:                             "EvalError", // as for the page itself
		`new Promise(() => {})`:                 "deadline exceeded",
	} {
		mentions(t, p.b.failures(func() { p.Eval(expression, &n) }), "alice: evaluate ", want)
	}

	// WaitFor looks again and again.
	p.Eval(`void setTimeout(() => { window.ready = true }, 300)`, nil)
	p.WaitFor(`window.ready`)
	p.WaitFor(`Promise.resolve(1)`)
	p.Eval(`void setTimeout(() => { document.body.dataset.late = "yes" }, 300)`, nil)
	p.WaitFor(`document.querySelector("[data-late]").dataset.late === "yes"`) // which is null before
	p.Eval(`void setTimeout(() => { location = "/other.html" }, 300)`, nil)
	p.WaitFor(`document.title === "Another page"`)
	s.heardBye(t)
	mentions(t, p.b.failures(func() { p.WaitFor(`1 > 2`) }), "alice: wait until 1 > 2: ", "deadline exceeded")
	mentions(t, p.b.failures(func() { p.WaitFor(`(`) }), "SyntaxError")
}

// What is told of a wait that was in vain is enough to see why.
func TestFailure(t *testing.T) {
	p, s := open(t, Options{})
	p.Eval(`console.log("all is", 7, {a: 1}), console.info("well")`, nil)
	got := p.b.failures(func() { p.Await("button", "Call bob") })
	mentions(t, got,
		`alice: wait for button "Call bob": there are 0`, s.URL, `heading "People" level=1`, `textbox "Your name" required`,
		"console.log: all is 7 Object", "console.info: well", "alice-failed.png",
	)
	path := got[strings.Index(got, os.Getenv("BECKON_ARTEFACTS")):]
	path = path[:strings.Index(path, ".png")+len(".png")]
	if size, _ := picture(t, path); size.X == 0 {
		t.Error("the screenshot is empty")
	}
}

func TestCloseTab(t *testing.T) {
	alice, s := open(t, Options{})
	bob := alice.b.Page("bob")
	bob.Open(s.URL)
	bob.Click("heading", "People")
	bob.Eval(`void addEventListener("beforeunload", (event) => event.preventDefault())`, nil)
	bob.CloseTab()
	s.heardBye(t)
	bob.CloseTab() // does nothing
	mentions(t, alice.b.failures(func() { bob.Open(s.URL) }), "the page is closed")
	alice.Click("button", "Leave for good")
	alice.AwaitGone("button", "Leave for good")
}

// The browser crashes: its test hears of it at once and fails, nothing waits for what cannot come, and nothing is left.
func TestBrowserEnds(t *testing.T) {
	w := &witness{TB: t}
	var b *Browser
	t.Cleanup(func() {
		mentions(t, strings.Join(w.said, "\n"), "alice: close: ", "the browser has ended", "end Chromium: ", "DevTools listening")
		if _, err := os.Stat(b.profile); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the profile is still there: %v", err)
		}
	})
	b = Start(w, Options{})
	p := b.Page("alice")
	if err := chromedp.FromContext(b.ctx).Browser.Process().Kill(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err := p.await(func(ctx context.Context) error { return evaluate(ctx, "missing", nil) })
	if took := time.Since(start); err == nil || took > patience/2 {
		t.Errorf("error %v after %v", err, took)
	}
	mentions(t, b.failures(func() { p.Eval("1", nil) }), "alice: evaluate 1: ", "the browser has ended")
}

func TestOffline(t *testing.T) {
	p, _ := open(t, Options{})
	p.Expect("ERR_INTERNET_DISCONNECTED")
	p.Eval(`window.heard = [], addEventListener("offline", () => heard.push("offline")), addEventListener("online", () => heard.push("online"))`, nil)
	state := `(async () => [navigator.onLine, await fetch("/other.html", {cache: "no-store"}).then((r) => r.status, (e) => e.message), heard.join()].join(" "))()`
	for _, test := range []struct {
		off  bool
		want string
	}{{true, "false Failed to fetch offline"}, {false, "true 200 offline,online"}} {
		p.Offline(test.off)
		p.WaitFor(`heard.at(-1) === "` + map[bool]string{true: "offline", false: "online"}[test.off] + `"`)
		if got := p.script(state); got != test.want {
			t.Errorf("offline %v: %s, want %s", test.off, got, test.want)
		}
	}
	p.Clean()
}
