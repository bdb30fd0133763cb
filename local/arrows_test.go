package local

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrow says what a package, or a tree of packages ending in /..., may import of Beckon and of what is named here.
// Everything that a rule does not allow is forbidden.
type arrow struct {
	from    string
	may     []string
	mustNot []string // imports of others
}

// arrows are the directions in which packages depend on each other: gateway -> shared <- presence, local -> all; the contract is pure data;
// the doors know the core and not each other. The first rule that matches a package is its rule.
var arrows = []arrow{
	{from: "beckon/shared/wire", mustNot: []string{"time", "net", "os", "github.com/nats-io/..."}},
	{from: "beckon/shared/coalesce", mustNot: []string{"net", "os", "github.com/nats-io/..."}},
	{from: "beckon/shared/bus", may: []string{"beckon/shared/wire", "beckon/shared/coalesce"}},
	{from: "beckon/shared/embednats", mustNot: []string{"github.com/nats-io/nats.go/..."}},
	{from: "beckon/shared/service", mustNot: []string{"github.com/nats-io/..."}},

	{from: "beckon/gateway/session", may: []string{"beckon/gateway/roster", "beckon/shared/..."}},
	{from: "beckon/gateway/roster", may: []string{"beckon/shared/..."}},
	{from: "beckon/gateway/socket"},
	{from: "beckon/gateway/certs"},
	{from: "beckon/gateway/origin"},
	{from: "beckon/gateway/ice"},
	{from: "beckon/gateway/web"},
	{from: "beckon/gateway/ws", may: []string{
		"beckon/gateway/session", "beckon/gateway/roster", "beckon/gateway/frames", "beckon/gateway/socket",
		"beckon/gateway/origin", "beckon/gateway/ice", "beckon/shared/...",
	}},
	{from: "beckon/gateway/socketio/clock"},
	{from: "beckon/gateway/socketio/engineio", may: []string{
		"beckon/gateway/socketio/clock", "beckon/gateway/frames", "beckon/gateway/socket",
	}},
	{from: "beckon/gateway/socketio/sio", may: []string{
		"beckon/gateway/socketio/engineio", "beckon/gateway/socketio/clock", "beckon/gateway/frames",
	}},
	{from: "beckon/gateway/socketio", may: []string{
		"beckon/gateway/socketio/sio", "beckon/gateway/socketio/engineio", "beckon/gateway/socketio/clock",
		"beckon/gateway/session", "beckon/gateway/roster", "beckon/gateway/frames", "beckon/gateway/socket",
		"beckon/gateway/origin", "beckon/shared/...",
	}},
	{from: "beckon/gateway/doortest", may: []string{
		"beckon/gateway/session", "beckon/gateway/roster", "beckon/gateway/socket", "beckon/shared/...",
	}},
	{from: "beckon/gateway/...", may: []string{"beckon/gateway/...", "beckon/shared/..."}, mustNot: onlyTests},

	{from: "beckon/presence/roster", may: []string{"beckon/shared/wire", "beckon/shared/coalesce"}, mustNot: []string{"net", "os"}},
	{from: "beckon/presence/...", may: []string{"beckon/presence/...", "beckon/shared/..."}},

	{from: "beckon/local/...", may: []string{"beckon/..."}, mustNot: onlyTests},
}

// onlyTests are what nothing but tests may import.
var onlyTests = []string{"beckon/gateway/doortest"}

func TestImportArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "beckon/shared/...",
		"beckon/gateway/...", "beckon/presence/...", "beckon/local/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg, imports := fields[0], fields[1:]
		i := slices.IndexFunc(arrows, func(a arrow) bool { return matches(a.from, pkg) })
		if i < 0 {
			t.Errorf("%s has no rule", pkg)
			continue
		}
		seen++
		for _, imported := range imports {
			ours := strings.HasPrefix(imported, "beckon/")
			if ours && !matchesAny(arrows[i].may, imported) || matchesAny(arrows[i].mustNot, imported) {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
	if seen < len(arrows) {
		t.Errorf("only %d packages for %d rules: is a rule out of date?", seen, len(arrows))
	}
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, pkg) })
}

// matches reports that pkg is the pattern, or below it when it ends in /...
func matches(pattern, pkg string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == tree || strings.HasPrefix(pkg, tree+"/")
	}
	return pattern == pkg
}
