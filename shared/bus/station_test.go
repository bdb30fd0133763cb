package bus

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/wire"
)

// station is a gateway as far as signals go.
type station struct {
	*Signals
	name    string
	conn    *Conn
	arrived chan arrival // deeper than any test fills it

	mu      sync.Mutex
	answer  wire.Outcome // what becomes of what arrives
	holders []string     // of whomever, as presence shows it
	asked   func()       // called when presence is asked, if not nil
}

type arrival struct {
	token string
	wire.Signal
	said wire.Outcome
}

func testStation(t *testing.T, name string, o Options) *station {
	t.Helper()
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	o.Log = nil // the connection may log as long as it is open
	s := &station{name: name, conn: testConn(t, o), answer: wire.Delivered, arrived: make(chan arrival, 10_000)}
	signals, err := NewSignals(SignalOptions{
		Conn: s.conn, Gateway: name, Incarnation: wire.NewID(), Log: log,
		Deliver: func(token string, signal *wire.Signal) wire.Outcome {
			s.mu.Lock()
			answer := s.answer
			s.mu.Unlock()
			s.arrived <- arrival{token, *signal, answer}
			return answer
		},
		Holders: func(string) []string {
			s.mu.Lock()
			asked, holders := s.asked, s.holders
			s.mu.Unlock()
			if asked != nil {
				asked()
			}
			return holders
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Signals = signals
	t.Cleanup(signals.Close)
	return s
}

func (s *station) set(answer wire.Outcome, holders ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.holders = answer, holders
}

// listen returns when the server knows.
func (s *station) listen(t *testing.T, users ...string) (subs []*nats.Subscription) {
	t.Helper()
	for _, user := range users {
		sub, err := s.Listen(user)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	if err := s.conn.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return subs
}

// send sends a message with this data and waits for its outcome.
func (s *station) send(t *testing.T, user, data string) wire.Outcome {
	t.Helper()
	outcomes := make(chan wire.Outcome, 2)
	s.Send(user, message("alice", "S1", data), func(o wire.Outcome) { outcomes <- o })
	select {
	case o := <-outcomes:
		return o
	case <-time.After(patience):
		t.Fatalf("%s: no outcome", data)
		return 0
	}
}

func (s *station) receives(t *testing.T, data string) arrival {
	t.Helper()
	select {
	case a := <-s.arrived:
		if want := fmt.Sprintf(`{"data":%q}`, data); string(a.Body) != want {
			t.Fatalf("%s received %s, want %s", s.name, a.Body, want)
		}
		return a
	case <-time.After(patience):
		t.Fatalf("%s did not receive %s", s.name, data)
		return arrival{}
	}
}

func (s *station) receivedNothing(t *testing.T) {
	t.Helper()
	select {
	case a := <-s.arrived:
		t.Errorf("%s received %s", s.name, a.Body)
	default:
	}
}

func message(from, session, data string) *wire.Signal {
	return &wire.Signal{
		Kind: wire.Message, From: wire.Quote(from), FromSession: session, Body: fmt.Appendf(nil, `{"data":%q}`, data),
	}
}

// number is that which a message carries.
func number(t *testing.T, a arrival) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(string(a.Body), `{"data":"%d"}`, &n); err != nil {
		t.Fatalf("%s: %v", a.Body, err)
	}
	return n
}

func hasOutcome(t *testing.T, got, want wire.Outcome) {
	t.Helper()
	if got != want {
		t.Errorf("the outcome is %q, want %q", got, want)
	}
}
