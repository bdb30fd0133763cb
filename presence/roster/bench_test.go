package roster_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

const (
	crowd    = 100_000
	gateways = 20
)

// populated is a replica that holds a crowd in one room, and the ledgers of its gateways.
func populated(b *testing.B) (*roster.Roster, []*bus.Ledger, time.Time) {
	b.Helper()
	now := start
	r := roster.New("view")
	r.Link(now, true)
	ledgers := make([]*bus.Ledger, gateways)
	for i := range ledgers {
		ledgers[i] = bus.NewLedger("inc")
		for n := range crowd / gateways {
			id := fmt.Sprintf("%06d", i*crowd/gateways+n)
			ledgers[i].Join(now, wire.Login{
				Session: "session-" + id, User: "user-" + id, Room: "lobby", Since: 1_700_000_000_000 + int64(n),
			})
		}
		_, beat := ledgers[i].Beat(now)
		r.Beat(now, gatewayName(i), &beat)
	}
	asks, _ := r.Advance(now)
	for i, ask := range asks {
		_, chunks := ledgers[i].Snapshot(now, "id")
		for _, chunk := range chunks {
			// As it comes from NATS: nothing shared with the ledger.
			data, err := wire.Encode(&chunk)
			if err != nil {
				b.Fatal(err)
			}
			var fresh wire.GatewaySnapshot
			if err := wire.Decode(data, &fresh); err != nil {
				b.Fatal(err)
			}
			r.Snapshot(now, ask.Gateway, ask.Number, &fresh)
		}
	}
	r.Advance(now)
	if n := r.Stats().Users; n != crowd {
		b.Fatalf("%d users", n)
	}
	return r, ledgers, now
}

func gatewayName(i int) string { return fmt.Sprint("gw-", i) }

// One login and the logout of another user, each in an announcement of its own, with the deltas when they are due.
func BenchmarkLoginAndLogout(b *testing.B) {
	r, ledgers, now := populated(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g := i % gateways
		now = now.Add(100 * time.Microsecond)
		ledgers[g].Join(now, wire.Login{
			Session: fmt.Sprint("new-session-", i), User: fmt.Sprint("new-user-", i), Room: "lobby", Since: 1_800_000_000_000 + int64(i),
		})
		ledgers[g].Leave(now, fmt.Sprint("new-session-", i-1000*gateways))
		said, _ := ledgers[g].Beat(now)
		for j := range said {
			r.Announced(now, gatewayName(g), &said[j])
		}
		r.Advance(now)
	}
}

func BenchmarkViewSnapshot(b *testing.B) {
	r, _, now := populated(b)
	for b.Loop() {
		_, chunks := r.ViewSnapshot(now, "id")
		bytes := 0
		for i := range chunks {
			data, err := wire.Encode(&chunks[i])
			if err != nil {
				b.Fatal(err)
			}
			bytes += len(data)
		}
		b.SetBytes(int64(bytes))
	}
}

func BenchmarkListPage(b *testing.B) {
	r, _, _ := populated(b)
	page, _ := r.List("lobby", nil, crowd/2)
	middle := page[len(page)-1]
	b.ReportAllocs()
	for b.Loop() {
		r.List("lobby", &middle, 100)
	}
}

// What a user costs in memory, as a gateway's snapshot puts it there.
func BenchmarkBytesPerUser(b *testing.B) {
	for b.Loop() {
		r, ledgers, _ := populated(b)
		clear(ledgers)
		with := heap()
		runtime.KeepAlive(r)
		r = nil
		b.ReportMetric(float64(with-heap())/crowd, "B/user")
		b.ReportMetric(0, "ns/op")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
