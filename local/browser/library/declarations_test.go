package library

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const source = "../../../gateway/web/beckon"

// internal are members of a call that are there for Beckon, and of both for the library itself.
var internal = map[string][]string{
	"Beckon":      {"emit"},
	"BeckonError": nil,
	"Call": {
		"emit", "start", "ring", "owns", "waitsFor", "giveWay", "receive", "abandon", "taken", "presence", "online", "networkChanged",
	},
}

var (
	class  = regexp.MustCompile(`(?ms)^export class (\w+)[^{]*\{\n(.*?)^\}`)
	export = regexp.MustCompile(`(?m)^export (?:class|function) (\w+)`)
	note   = regexp.MustCompile(`(?s)/\*\*.*?\*/`)
	member = regexp.MustCompile(`(?m)^  (?:readonly )?(\w+)\??(?:<[^(]*>)?[(:]`)
	codes  = regexp.MustCompile(`(?s)export type (\w+) =(.*?);`)
	quoted = regexp.MustCompile(`"(\w+)"`)
)

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func declarations(s *stage) {
	declared := note.ReplaceAllString(read(s, filepath.Join(source, "beckon.d.ts")), "")

	s.story("the declarations have all members of the objects that run, and no others", func(h *house) {
		alice, bob := h.couple()
		talk(alice, bob, withSoundOnly)
		alice.Eval(`call.hangUp()`, nil)
		objects := map[string]string{
			"Beckon": `beckon`, "Call": `call`, "BeckonError": `await beckon.send("nobody", 1).catch((error) => error)`,
		}
		classes := class.FindAllStringSubmatch(declared, -1)
		if len(classes) != len(objects) {
			h.Fatalf("%d classes are declared", len(classes))
		}
		for _, c := range classes {
			name, want := c[1], []string(nil)
			for _, m := range member.FindAllStringSubmatch(c[2], -1) {
				want = append(want, m[1])
			}
			want = append(want, internal[name]...)
			slices.Sort(want)
			var got []string
			alice.Eval(`(async () => {
				const object = `+objects[name]+`;
				const names = new Set(["constructor", ...Object.keys(object)]);
				// What a story adds, and what every error has, is not the library's.
				for (let p = Object.getPrototypeOf(object); p !== Object.prototype && p !== Error.prototype; p = Object.getPrototypeOf(p)) {
					for (const name of Object.getOwnPropertyNames(p)) names.add(name);
				}
				return [...names].filter((name) => !["history", "notices"].includes(name)).sort();
			})()`, &got)
			if !slices.Contains(want, "constructor") { // applications make no calls and no errors
				want = append(want, "constructor")
				slices.Sort(want)
			}
			if want = slices.Compact(want); !slices.Equal(got, want) {
				h.Errorf("%s has %q, declared are %q", name, got, want)
			}
		}
	})

	s.story("what a module exports is declared", func(h *house) {
		alice := h.visit("alice", h.gateway(0))
		var names []string
		for _, m := range export.FindAllStringSubmatch(declared, -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		alice.is(`Object.keys(await import("/beckon/beckon.js")).sort()`, names)
	})
}

// TestCodes looks for codes in the sources, because no test makes all of them happen.
func TestCodes(t *testing.T) {
	sets := map[string][]string{}
	for _, m := range codes.FindAllStringSubmatch(note.ReplaceAllString(read(t, filepath.Join(source, "beckon.d.ts")), ""), -1) {
		for _, code := range quoted.FindAllStringSubmatch(m[2], -1) {
			sets[m[1]] = append(sets[m[1]], code[1])
		}
	}
	errorCodes := slices.Concat(sets["Outcome"], sets["ErrorCode"])
	made := map[string][]*regexp.Regexp{
		"errors": {
			regexp.MustCompile(`new BeckonError\("(\w+)"`),
			regexp.MustCompile(`\[\n?\s*"(\w+)",\n?\s*"[A-Z]`), // the tables of errors.js
			regexp.MustCompile(`(?m)^    (\w+): (?:"|` + "`)"),
		},
		"endings": {regexp.MustCompile(`#(?:end|leave)\("(\w+)"`), regexp.MustCompile(`(?m)^  (\w+): \((?:p)?\) => `)},
	}
	modules, err := filepath.Glob(filepath.Join(source, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range modules {
		text := read(t, path)
		for kind, patterns := range made {
			allowed := errorCodes
			if kind == "endings" {
				allowed = slices.Concat(errorCodes, sets["EndCode"])
			}
			for _, pattern := range patterns {
				for _, m := range pattern.FindAllStringSubmatch(text, -1) {
					seen[m[1]] = true
					if !slices.Contains(allowed, m[1]) {
						t.Errorf("%s makes the code %q, which is not declared", filepath.Base(path), m[1])
					}
				}
			}
		}
	}

	// And what is declared is made, here or by the gateway.
	protocol := read(t, "../../../docs/protocol.md")
	for _, code := range slices.Concat(errorCodes, sets["EndCode"]) {
		if !seen[code] && !strings.Contains(protocol, "| `"+code+"` |") {
			t.Errorf("the code %q is declared, and nobody makes it", code)
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d codes were found", len(seen))
	}
}
