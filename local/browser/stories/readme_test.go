package stories

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"beckon/local/browser"
)

// The page in the README, which answers every call, works as it stands there, from another origin than the gateway's.
func TestPageOfTheREADME(t *testing.T) {
	h := open(t, browser.Options{})
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)\n```html\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatal("the README has no page")
	}
	html := strings.ReplaceAll(string(found[1]), "127.0.0.1:9000", h.stack.Gateways[1].Listen)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNoContent) // the browser asks for an icon
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(html))
	}))
	t.Cleanup(server.Close)

	bob := &person{h.browser.Page("bob"), "bob"}
	bob.Open(server.URL)
	alice := h.arrive("alice", 0)
	alice.sees(2)
	alice.calls(bob, withVideo)
	alice.AwaitFrames("#remote", 10)
	alice.AwaitSound("#remote")
	bob.AwaitFrames("#video", 10)
	alice.Click("button", "Hang up")
	alice.atRest()
}
