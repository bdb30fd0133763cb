package origin

import (
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestVerdicts(t *testing.T) {
	const host = "gw.example.org:9000"
	for _, test := range []struct {
		name    string
		rules   string
		origins []string
		want    bool
	}{
		{"no browser", "", nil, true},
		{"the gateway's own page", "", []string{"http://gw.example.org:9000"}, true},
		{"its own page behind TLS", "", []string{"https://gw.example.org:9000"}, true},
		{"its own page, shouted", "", []string{"HTTP://GW.Example.ORG:9000"}, true},
		{"another port", "", []string{"http://gw.example.org:9001"}, false},
		{"no port", "", []string{"http://gw.example.org"}, false},
		{"another scheme", "", []string{"ftp://gw.example.org:9000"}, false},
		{"localhost", "", []string{"http://localhost"}, true},
		{"localhost, any port", "", []string{"https://LocalHost:5173"}, true},
		{"127.0.0.1", "", []string{"http://127.0.0.1:3000"}, true},
		{"[::1]", "", []string{"http://[::1]:3000"}, true},
		{"[::1] spelled out", "", []string{"http://[0:0:0:0:0:0:0:1]"}, true},

		{"another host", "", []string{"https://evil.example"}, false},
		{"another loopback address", "", []string{"http://127.0.0.2"}, false},
		{"a short address", "", []string{"http://127.1"}, false},
		{"an address as one number", "", []string{"http://2130706433"}, false},
		{"localhost as user", "", []string{"http://localhost@evil.example"}, false},
		{"localhost as user and password", "", []string{"http://localhost:80@evil.example"}, false},
		{"localhost as a part", "", []string{"http://localhost.evil.example"}, false},
		{"localhost as an end", "", []string{"http://evillocalhost"}, false},
		{"an address as a part", "", []string{"http://127.0.0.1.evil.example"}, false},
		{"the gateway as a part", "", []string{"http://gw.example.org:9000.evil.example"}, false},
		{"the gateway as user", "", []string{"http://gw.example.org:9000@evil.example"}, false},
		{"localhost behind a backslash", "", []string{`http://evil.example\@localhost`}, false},
		{"null", "", []string{"null"}, false},
		{"empty", "", []string{""}, false},
		{"a file", "", []string{"file://"}, false},
		{"a file on localhost", "", []string{"file://localhost"}, false},
		{"no host", "", []string{"http://"}, false},
		{"a host alone", "", []string{"localhost"}, false},
		{"two origins", "", []string{"http://localhost", "http://evil.example"}, false},
		{"the same twice", "", []string{"http://localhost", "http://localhost"}, false},

		{"listed", "https://app.example", []string{"https://app.example"}, true},
		{"listed second", "https://a.example, https://app.example:8443", []string{"https://app.example:8443"}, true},
		{"listed, shouted", "HTTPS://App.Example", []string{"https://app.example"}, true},
		{"listed with the port that browsers leave out", "https://app.example:443", []string{"https://app.example"}, true},
		{"listed with the other scheme's port", "http://app.example:443", []string{"http://app.example"}, false},
		{"listed with another scheme", "https://app.example", []string{"http://app.example"}, false},
		{"listed with another port", "https://app.example", []string{"https://app.example:8443"}, false},
		{"a part of a listed one", "https://app.example", []string{"https://x.app.example"}, false},
		{"an app's own scheme", "capacitor://localhost", []string{"capacitor://localhost"}, true},
		{"an app's own scheme, not listed", "", []string{"capacitor://localhost"}, false},
		{"not listed", "https://app.example", []string{"https://evil.example"}, false},
		{"the default ones stay", "https://app.example", []string{"http://localhost:1"}, true},

		{"all", "*", []string{"https://evil.example"}, true},
		{"all, null", "*", []string{"null"}, true},
		{"all among others", "https://a.example,*", []string{"https://evil.example"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rules Rules
			if err := rules.UnmarshalText([]byte(test.rules)); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "http://"+host+"/ws", nil)
			for _, o := range test.origins {
				r.Header.Add("Origin", o)
			}
			if got := rules.Allows(r); got != test.want {
				t.Errorf("allowed: %v, want %v", got, test.want)
			}
		})
	}
}

func TestBadRules(t *testing.T) {
	for _, text := range []string{
		"app.example", "https://", "https://:80", "https://app.example/", "https://app.example/page", "https://app.example?q",
		"https://user@app.example", "null", "file://", "https://*", "https://*.example",
		"https://a.example;https://b.example",
		"https://a.example https://b.example", "https://[::1", "https://a.example, b.example",
	} {
		rules := Rules{allowed: []string{"https://before.example"}}
		if err := rules.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken: %q", text, rules.allowed)
		}
		if rules.all || len(rules.allowed) != 1 {
			t.Errorf("%q left something behind: %+v", text, rules)
		}
	}
}

func TestNoRules(t *testing.T) {
	for _, text := range []string{"", " ", ",", " , "} {
		var rules Rules
		if err := rules.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if rules.all || len(rules.allowed) != 0 {
			t.Errorf("%q allows something: %+v", text, rules)
		}
	}
}
