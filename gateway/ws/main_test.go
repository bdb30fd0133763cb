package ws

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"beckon/gateway/doortest"
	"beckon/gateway/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = doortest.Patience

var discard = doortest.Discard

// setup is what a test may want otherwise.
type setup struct {
	options     func(*Options)
	door        func(*Door) // before anybody connects
	listUsers   int         // 0: many
	maxSessions int
	budget      socket.Budget
	tls         bool
	narrow      bool // the kernel keeps little of what clients do not read
}

// fixture is a door with all that is behind it, on a real socket.
type fixture struct {
	*doortest.Fixture
	t    testing.TB
	door *Door
}

func start(t testing.TB, s setup) *fixture {
	t.Helper()
	f := &fixture{t: t}
	f.Fixture = doortest.Start(t, doortest.Setup{
		ListUsers: s.listUsers, MaxSessions: s.maxSessions, Budget: s.budget, TLS: s.tls, Narrow: s.narrow,
	}, func(behind *doortest.Fixture) (http.Handler, func()) {
		o := Options{
			Hub: behind.Hub, Rates: Rates{Frames: 1000, Bytes: 4 << 20}, Metrics: behind.HubMetrics, Log: discard,
		}
		if s.options != nil {
			s.options(&o)
		}
		f.door = New(o)
		if s.door != nil {
			s.door(f.door)
		}
		return f.door, f.door.Wait
	})
	return f
}

// connOf is the door's end of a user's connection.
func (f *fixture) connOf(user string) *conn {
	f.t.Helper()
	for _, owner := range f.door.links.Owners() {
		if c := owner.(*conn); c.login.user == user {
			return c
		}
	}
	f.t.Fatalf("%s has no connection", user)
	return nil
}
