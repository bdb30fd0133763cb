package sim

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// planted is a bug: in a source file, which must have it exactly once, is is put for was.
type planted struct {
	name, file string
	was, is    string
}

const (
	replicaRoster   = "presence/roster/roster.go"
	replicaGateway  = "presence/roster/gateway.go"
	replicaDetect   = "presence/roster/detect.go"
	gatewayFollower = "gateway/roster/follower.go"
	gatewayTable    = "gateway/roster/table.go"
	gatewayLists    = "gateway/roster/lists.go"
	busLedger       = "shared/bus/ledger.go"
	wireSnapshot    = "shared/wire/snapshot.go"
)

// bugs are the mechanisms of presence, each left out or turned around. Those of which another takes the place are not here:
// that leases rest while nothing comes back (a replica that hears nobody doubts itself), that a gateway does not begin to
// follow a view that is not complete (that gives no snapshot, and none of it would be adopted), and that a replica that hears
// nobody gives up nobody (it would not be followed before all are back).
var bugs = []planted{
	{"a gap between announcements is not seen", replicaRoster, "if a.Seq != g.seq+1 {", "if false {"},
	{"a gap between deltas is not seen", gatewayFollower, "case !f.needed && m.Version == f.version+1:", "case !f.needed:"},
	{"beats of gateways are not compared", replicaRoster, "if b.Seq != g.seq || b.Count != len(g.sessions) || b.Digest != g.digest {", "if false {"},
	{"digests of gateways are not compared", replicaRoster, "if b.Seq != g.seq || b.Count != len(g.sessions) || b.Digest != g.digest {", "if b.Seq != g.seq {"},
	{"beats of views are not compared", gatewayFollower, "if m.View == f.view && !f.needed {", "if false {"},
	{"digests of views are not compared", gatewayFollower, "case !now.Before(f.doubtAt):", "case false:"},
	{"a view is complete from the beginning", replicaRoster, "bool { return r.complete && !r.Doubts() }", "bool { return true }"},
	{"a late answer of an incarnation that ended is believed", replicaRoster, "if g == nil || !g.wanted || number < g.since {", "if g == nil || !g.wanted {"},
	{"an incarnation is believed without its snapshot", replicaGateway, "if incarnation == g.incarnation {", `if g.incarnation != "" {`},
	{"an older snapshot of a view is adopted", gatewayFollower, "if whole && r.complete && m.Version >= f.version {", "if whole && r.complete {"},
	{"deltas are not held during a snapshot", gatewayFollower, "f.held = append(f.held, m)", ""},
	{"a gateway's snapshot names the seq before", busLedger, "Incarnation: l.incarnation, Seq: l.seq, Chunk: i,", "Incarnation: l.incarnation, Seq: max(l.seq, 1) - 1, Chunk: i,"},
	{"a view's snapshot names the version before", replicaRoster, "View: r.view.name, Version: r.view.version, Chunk: i,", "View: r.view.name, Version: max(r.view.version, 1) - 1, Chunk: i,"},
	{"chunks of two snapshots are mixed", wireSnapshot, "if id != a.id || chunk != a.next {", "if chunk != a.next {"},
	{"who left leaves after who joined", replicaRoster, `	for _, session := range a.Left {
		r.view.leave(now, g, session)
	}
	for _, login := range a.Joined {
		r.view.join(now, g, login)
	}
`, `	for _, login := range a.Joined {
		r.view.join(now, g, login)
	}
	for _, session := range a.Left {
		r.view.leave(now, g, session)
	}
`},
	{"a dead gateway stays in the table", gatewayTable, "for _, gateway := range d.Gone {", "for _, gateway := range d.Gone[:0] {"},
	{"a client that had no room gets no new list", gatewayLists, "l.behind(now, p.viewer)", ""},
	{"a client that is behind gets deltas", gatewayLists, "v.behind = v.behind || switched || v.full && change != nil", "v.behind = !v.behind && first || switched || v.full && change != nil"},
	{"what a replica dropped is forgotten", replicaRoster, "r.want(r.gateways[name])", "_ = name"},
	{"what a gateway dropped is forgotten", gatewayFollower, `f.need("messages were dropped here")`, ""},
	{"a replica never doubts itself", replicaDetect, "case mass && !r.Doubts() && len(dying) > 0:", "case false:"},
	{"a new link is believed that nobody is there", replicaDetect, " || now.Sub(r.linked) < linkedFor", ""},
	{"a replica that has lost its link and has it again asks nobody", replicaRoster, `		r.renew(now)
		r.Lost(now)
`, `		r.renew(now)
`},
	{"a dead gateway is not noticed by silence", replicaDetect, "if g.dead || silence > Lease {", "if g.dead {"},
	{"a view that is quiet is followed on", gatewayFollower, "quietAfter = 1500 * time.Millisecond", "quietAfter = time.Hour"},
}

// enough schedules find every bug; none of them breaks without one.
const enough = "3000"

// The simulation finds what it is there for: each bug, planted into a copy of the real source, breaks an invariant.
func TestPlantedBugs(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, bug := range bugs {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			out := simulate(t, plant(t, root, bug))
			found := regexp.MustCompile(`schedule (\d+): seed \d+, after [^\n]*`).FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("no schedule has failed:\n%s", out)
			}
			t.Logf("%s: %s", bug.name, found[0])
		})
	}
}

// plant makes an overlay for the go command, in which the bug is.
func plant(t *testing.T, root string, bug planted) (overlay string) {
	path := filepath.Join(root, filepath.FromSlash(bug.file))
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), bug.was); n != 1 {
		t.Fatalf("%s has %d times, want once:\n%s", bug.file, n, bug.was)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	changed := write(filepath.Base(path), []byte(strings.Replace(string(source), bug.was, bug.is, 1)))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	return write("overlay.json", replace)
}

// simulate runs the simulation on other sources, and gives what it says. It must fail, and not for want of building.
func simulate(t *testing.T, overlay string) string {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-count=1", "-vet=off",
		"-run", "^TestSimulation$", ".", "-schedules="+enough)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "build failed") {
		t.Fatalf("%s", out)
	}
	return string(out)
}
