package chaos

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// fault is a row of the table: what is broken, what must hold then, and what was measured.
type fault struct {
	what, holds string

	t       *testing.T // nil if it was not tried
	figures []string
	verdict string // "" if all is well
}

// The rows, in their order.
var (
	gatewayKilled      = &fault{what: "kill -9 a gateway, 20 times", holds: "its users gone everywhere: p95 at most 1 s, never over 2 s"}
	gatewayStopped     = &fault{what: "SIGSTOP a gateway", holds: "gone within 5 s; after SIGCONT back within 3 s"}
	gatewayUnplugged   = &fault{what: "a gateway's cable pulled", holds: "gone within 5 s; after the cable's return back within 3 s"}
	presenceKilled     = &fault{what: "kill -9 the only presence, restart", holds: "nobody leaves any list; right within 2 s"}
	presenceUnplugged  = &fault{what: "the only presence's cable pulled for 12 s", holds: "nobody leaves any list; right within 10 s of the cable's return"}
	followedKilled     = &fault{what: "kill -9 the replica that is followed", holds: "right again within 3 s; clients see no duplicate, no step backwards"}
	natsRestarted      = &fault{what: "NATS restarted under 5,000 users", holds: "no socket dropped, nobody leaves any list, right within 5 s"}
	clusterPartitioned = &fault{what: "two gateways on two clustered NATS servers, partitioned 20 s, healed", holds: "both sides go on inside; right within 5 s of healing; at most one leave and one join a user"}
	leafSiteCut        = &fault{what: "an edge site's leaf (NATS, presence, a gateway) cut 20 s, healed", holds: "calls inside go on; remote users leave its lists; right within 5 s of healing; at most one leave and one join a user"}
	leafGatewayCut     = &fault{what: "a gateway with a leaf inside cut 20 s, healed", holds: "calls inside go on; its list stands still but for its own users; right within 5 s of healing; nobody left it"}
	userFlapping       = &fault{what: "one client logging in and out 50 times a second", holds: "others get at most 4 list frames a second"}
	gatewaysRolled     = &fault{what: "rolling restart of 3 gateways under 1,000 users that reconnect", holds: "every user back; at most one leave and join a user"}

	table = []*fault{
		gatewayKilled, gatewayStopped, gatewayUnplugged, presenceKilled, presenceUnplugged, followedKilled, natsRestarted, clusterPartitioned,
		leafSiteCut, leafGatewayCut, userFlapping, gatewaysRolled,
	}
)

// try begins a row.
func (f *fault) try(t *testing.T) {
	f.t = t
	kept := watchStalls(t)
	t.Cleanup(func() {
		if longest := kept(); longest > noticeable {
			f.measured("(this machine kept the test waiting for up to %s)", seconds(longest))
		}
		switch {
		case t.Failed():
			f.verdict = "failed"
		case t.Skipped():
			f.verdict = "not tried: no network namespaces"
		}
	})
}

// measured adds a figure to the row.
func (f *fault) measured(format string, args ...any) {
	f.t.Helper()
	figure := fmt.Sprintf(format, args...)
	f.figures = append(f.figures, figure)
	f.t.Log(figure)
}

// within adds a figure that must be at most most.
func (f *fault) within(most, took time.Duration, what string) {
	f.t.Helper()
	f.measured("%s %s", what, seconds(took))
	if most = bound(most); took > most {
		f.t.Errorf("%s took %s, want %s at most", what, seconds(took), seconds(most))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// printTable prints the rows that were tried, whatever became of them.
func printTable(w io.Writer) {
	var b strings.Builder
	for _, f := range table {
		if f.t == nil {
			continue
		}
		measured := strings.Join(f.figures, "; ")
		if f.verdict != "" {
			measured = strings.TrimSuffix("**"+f.verdict+"** "+measured, " ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.what, f.holds, measured)
	}
	if b.Len() == 0 {
		return
	}
	how := sized("", ", at small sizes; times may be three times as long")
	fmt.Fprintf(w, "\nFaults%s:\n\n| fault | must hold | measured |\n|---|---|---|\n%s\n", how, b.String())
}
