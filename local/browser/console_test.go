package browser

import (
	"context"
	"errors"
	"testing"
)

func TestComplaints(t *testing.T) {
	p, _ := open(t, Options{})
	p.Eval(`console.log("fine"), console.debug("fine"), console.info("fine")`, nil)
	if got := p.b.failures(p.Clean); got != "" {
		t.Errorf("complained of %s", got)
	}
	for does, want := range map[string]string{
		`console.error("wrong", {a: 1}, 7, undefined)`:                              "console.error: wrong Object 7 undefined",
		`console.warn("doubtful")`:                                                  "console.warning: doubtful",
		`console.assert(false, "untrue")`:                                           "console.assert: untrue",
		`setTimeout(() => { throw new TypeError("thrown") })`:                       "exception: Uncaught TypeError: thrown",
		`setTimeout(() => Promise.reject(new TypeError("late")))`:                   "exception: Uncaught (in promise) TypeError: late",
		`fetch("/missing")`:                                                         "network error: Failed to load resource: the server responded with a status of 404",
		`document.body.setAttribute("style", "color: red")`:                         "security error: Applying inline style violates",
		`setTimeout(() => { try { new Function("1") } catch {} })`:                  "security error: ",
		`setTimeout(() => alert("look"))`:                                           "dialog: look",
		`document.body.append(Object.assign(new Image(), {src: "http://a.test/"}))`: "security error: Loading the image",
	} {
		p.mu.Lock()
		p.console, p.expected = nil, nil
		p.mu.Unlock()
		p.Eval("void "+does, nil)
		err := p.await(func(context.Context) error {
			if len(p.complaints()) == 0 {
				return errors.New("no complaint")
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", does, err)
			continue
		}
		mentions(t, p.b.failures(p.Clean), "alice: the page complains: "+want)
		p.Expect("something else", want[len(want)-4:])
		if got := p.b.failures(p.Clean); got != "" {
			t.Errorf("%s: complained of %s, which was expected", does, got)
		}
	}
}
