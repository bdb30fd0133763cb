package browser

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name, chrome string
		has          []string
		want, err    string
	}{
		{name: "Debian's", has: []string{"chromium", "google-chrome"}, want: "/bin/chromium"},
		{name: "Google's", has: []string{"google-chrome"}, want: "/bin/google-chrome"},
		{name: "the one that is named", chrome: "mine", has: []string{"chromium", "mine"}, want: "/bin/mine"},
		{name: "one that is named and not there", chrome: "mine", has: []string{"chromium"}, err: "CHROME"},
		{name: "none", err: "install Debian's package chromium"},
	} {
		t.Run(test.name, func(t *testing.T) {
			look := func(name string) (string, error) {
				for _, has := range test.has {
					if has == name {
						return "/bin/" + name, nil
					}
				}
				return "", exec.ErrNotFound
			}
			got, err := find(func(string) string { return test.chrome }, look)
			if got != test.want || (err == nil) != (test.err == "") {
				t.Errorf("found %q, error %v, want %q", got, err, test.want)
			}
			if err != nil {
				mentions(t, err.Error(), test.err)
			}
		})
	}
}

// The script that sees to a Chromium knows the same programs.
func TestScriptFindsTheSame(t *testing.T) {
	script, err := os.ReadFile("../../.ci/chromium")
	if err != nil {
		t.Fatal(err)
	}
	mentions(t, string(script), programs...)
}

// Each page has a storage and a focus of its own, is in front, and runs at full speed.
func TestPagesAreApart(t *testing.T) {
	alice, s := open(t, Options{})
	bob := alice.b.Page("bob")
	bob.Open(s.URL)
	alice.Eval(`localStorage.setItem("who", "alice")`, nil)
	if got := bob.script(`String(localStorage.getItem("who"))`); got != "null" {
		t.Errorf("bob finds %s in his storage", got)
	}
	for _, p := range []*Page{alice, bob} {
		if got := p.script(`[document.visibilityState, document.hasFocus(), isSecureContext].join(" ")`); got != "visible true true" {
			t.Errorf("%s is %s", p.name, got)
		}
		p.Click("textbox", "Your name")
		p.Type(p.name)
	}
	for _, p := range []*Page{alice, bob} {
		if got := p.script(`document.getElementById("name").value`); got != p.name {
			t.Errorf("%s has typed %q", p.name, got)
		}
	}
}

// A page from afar, over plain HTTP, may not have a camera; and nobody from afar is reached at all.
func TestAfar(t *testing.T) {
	p, s := open(t, Options{})
	p.Open(strings.Replace(s.URL, "127.0.0.1", "beckon.test", 1))
	if got := p.script(`isSecureContext + " " + typeof navigator.mediaDevices`); got != "false undefined" {
		t.Errorf("secure context and devices: %s", got)
	}
	mentions(t, p.b.failures(func() { p.Open("http://example.com/") }), "alice: open http://example.com/", "ERR_NAME_NOT_RESOLVED")
	mentions(t, p.b.failures(func() { p.Open("http://127.0.0.1:1/") }), "ERR_UNSAFE_PORT")
	p.Expect("404")
	mentions(t, p.b.failures(func() { p.Open(s.URL + "/nothing") }), "status 404")
}
