package socketio

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"beckon/gateway/doortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = doortest.Patience

// setup is what a test may want otherwise.
type setup struct {
	options     func(*Options)
	listUsers   int // 0: many
	maxSessions int
	narrow      bool           // the kernel keeps little of what clients do not read
	writing     func(p []byte) // is given everything that clients are written
}

// fixture is a door with all that is behind it, on a real socket.
type fixture struct {
	*doortest.Fixture
	t    testing.TB
	door *Door
}

func startDoor(t testing.TB, s setup) *fixture {
	t.Helper()
	f := &fixture{t: t}
	f.Fixture = doortest.Start(t, doortest.Setup{
		ListUsers: s.listUsers, MaxSessions: s.maxSessions, Narrow: s.narrow, Writing: s.writing,
	}, func(behind *doortest.Fixture) (http.Handler, func()) {
		o := Options{
			Hub: behind.Hub, Rates: Rates{Frames: 1000, Bytes: 4 << 20}, MaxSessions: 10_000, MaxHandshakes: 1000,
			Metrics: behind.HubMetrics, Log: doortest.Discard,
		}
		if s.options != nil {
			s.options(&o)
		}
		f.door = New(o)
		behind.Registry.MustRegister(f.door.Collectors()...)
		return f.door, f.door.Close
	})
	return f
}

// unlimited lets clients say as much as they like.
func unlimited(o *Options) { o.Rates = Rates{1 << 30, 1 << 30} }

// ended waits until so many connections have been counted as ended for a reason, and checks that they are all.
func (f *fixture) ended(reason string, n float64) {
	f.t.Helper()
	const name = "beckon_connections_closed_total"
	f.Await("counted as "+reason, func() bool { return f.Metric(name, reason) == n })
	if got := f.Metric(name, ""); got != n {
		f.t.Errorf("%v connections were counted as ended, want %v", got, n)
	}
}

// refused is how many events and logins were counted as refused with a code.
func (f *fixture) refused(code string) float64 {
	f.t.Helper()
	return f.Metric("beckon_frames_refused_total", code)
}

// turnedAway is how many clients were counted as sent away for a reason.
func (f *fixture) turnedAway(reason string) float64 {
	f.t.Helper()
	return f.Metric("beckon_handshakes_refused_total", reason)
}
