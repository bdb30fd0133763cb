package ice

import (
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServers(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"none", "", `null`},
		{"none, with space", " \n", `null`},
		{"an empty array", "[]", `[]`},
		{"one", "stun:stun.example.org", `[{"urls":["stun:stun.example.org"]}]`},
		{"several", "stun:a:3478, stuns:b.example:5349", `[{"urls":["stun:a:3478"]},{"urls":["stuns:b.example:5349"]}]`},
		{"addresses", "stun:192.0.2.1:3478,stun:[2001:db8::1]:3478", `[{"urls":["stun:192.0.2.1:3478"]},{"urls":["stun:[2001:db8::1]:3478"]}]`},
		{"JSON with one URL", `[{"urls":"stun:a"}]`, `[{"urls":["stun:a"]}]`},
		{"JSON with several", ` [{"urls":["stun:a","stuns:b"]}, {"urls":["stun:c"]}] `, `[{"urls":["stun:a","stuns:b"]},{"urls":["stun:c"]}]`},
		{
			"turn", `[{"urls":["turn:a","turn:a?transport=tcp","turns:a:443?transport=tcp"],"username":"u","credential":"<&>\u0001"}]`,
			`[{"urls":["turn:a","turn:a?transport=tcp","turns:a:443?transport=tcp"],"username":"u","credential":"\u003c\u0026\u003e\u0001"}]`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Servers
			if err := s.UnmarshalText([]byte(test.text)); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			// A browser's own form comes back as it went.
			var again Servers
			if len(s) > 0 {
				if err := again.UnmarshalText(got); err != nil {
					t.Errorf("its own JSON was refused: %v", err)
				}
			}
		})
	}
}

// A bad list is refused whole, and nothing that may be a credential comes back in the error.
func TestBadServers(t *testing.T) {
	const secret = "s3cret"
	for _, test := range []struct{ name, text string }{
		{"another scheme", "http://u:s3cret@turn.example"},
		{"no scheme", "s3cret"},
		{"no host", "stun:"},
		{"slashes", "stun://stun.example.org"},
		{"an empty entry", "stun:a,,stun:b"},
		{"a user in the URL", "turn:u:s3cret@turn.example:3478"},
		{"a user in a stun URL", "stun:s3cret@stun.example:3478"},
		{"a port that is none", "stun:a:s3cret"},
		{"transport of stun", "stun:a?transport=udp"},
		{"transport that does not exist", `[{"urls":"turn:a?transport=s3cret","username":"u","credential":"c"}]`},
		{"space", "stun:a b"},
		{"turn without credentials", "turn:turn.example"},
		{"turn without a credential", `[{"urls":"turn:a","username":"s3cret"}]`},
		{"turn without a username", `[{"urls":["stun:a","turns:a"],"credential":"s3cret"}]`},
		{"no urls", `[{"username":"u","credential":"s3cret"}]`},
		{"null urls", `[{"urls":null,"credential":"s3cret"}]`},
		{"urls of numbers", `[{"urls":[1],"credential":"s3cret"}]`},
		{"urls that are an object", `[{"urls":{},"credential":"s3cret"}]`},
		{"a credential of another type", `[{"urls":"turn:a","username":"u","credential":{"s3cret":1}}]`},
		{"an unknown member", `[{"urls":"stun:a","s3cret":1}]`},
		{"no object", `["s3cret"]`},
		{"an object alone", `{"urls":"s3cret"}`},
		{"cut off", `[{"urls":"stun:a","credential":"s3cret"`},
		{"text behind", `[{"urls":"stun:a"}] s3cret`},
		{"a bracket behind", `[{"urls":"stun:a"}]]`},
		{"another array behind", `[][]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Servers{{URLs: []string{"stun:before"}}}
			err := s.UnmarshalText([]byte(test.text))
			if err == nil {
				t.Fatalf("taken as %+v", s)
			}
			if len(s) != 1 || s[0].URLs[0] != "stun:before" {
				t.Errorf("left something behind: %+v", s)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
		})
	}
}
