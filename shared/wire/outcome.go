package wire

import (
	"fmt"
	"slices"
	"strconv"
)

// Outcome says what became of a signal. Every accepted signal has exactly one.
type Outcome uint8

// The closed set of outcomes.
const (
	// Delivered: queued on a live socket of the user.
	Delivered Outcome = iota + 1
	// Held: the session is away for a moment and its queue keeps the signal.
	Held
	// Offline: nobody holds that user, or that session of the user.
	Offline
	// Slow: the callee's queue is full.
	Slow
	// Refused: a rule said no.
	Refused
	// Unavailable: the gateway has no NATS now, so the signal was not sent.
	Unavailable
	// Unknown: no answer within a second. The signal may or may not have arrived; Beckon does not send it again.
	Unknown
)

// AllOutcomes lists every outcome.
var AllOutcomes = [...]Outcome{Delivered, Held, Offline, Slow, Refused, Unavailable, Unknown}

var outcomeNames = [...]string{
	Delivered: "delivered", Held: "held", Offline: "offline", Slow: "slow", Refused: "refused",
	Unavailable: "unavailable", Unknown: "unknown",
}

// String is the outcome's name, as it travels; "" for none.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return ""
}

// ParseOutcome is the inverse of [Outcome.String].
func ParseOutcome(name string) (Outcome, bool) {
	i := slices.Index(outcomeNames[:], name)
	return Outcome(max(i, 0)), i > 0
}

// Positive reports that the signal reached the user, or will.
func (o Outcome) Positive() bool { return o == Delivered || o == Held }

// Worse orders negative outcomes by what a sender most needs to know when several gateways hold a user and none
// delivered: a rule's refusal before a full queue before an absence.
func (o Outcome) Worse(than Outcome) bool { return severity(o) > severity(than) }

func severity(o Outcome) int {
	return slices.Index([]Outcome{Offline, Slow, Refused}, o)
}

// Receipt answers one signal, on its reply subject:
//
//	{"v":1,"status":"slow","gateway":"gw-1"}
//
// To a gateway all outcomes but delivered travel so, at once; delivered ones are [Gathered]. A backend gets each of its
// outcomes as a receipt. Error says what was wrong with a backend's signal that was refused as malformed.
type Receipt struct {
	Header
	Status  string `json:"status"`
	Gateway string `json:"gateway"`
	Error   string `json:"error,omitzero"`
}

// NewReceipt is the receipt that gateway gives for a signal.
func NewReceipt(gateway string, o Outcome) Receipt {
	return Receipt{Status: o.String(), Gateway: gateway}
}

// Gathered says that many signals of one sending gateway were delivered:
//
//	{"v":1,"gateway":"gw-2","delivered":[16,17,18]}
type Gathered struct {
	Header
	Gateway   string   `json:"gateway"`
	Delivered []uint64 `json:"delivered"`
}

// AppendGathered appends a [Gathered] message to b: what [Encode] would give, without reflection, because a busy
// gateway writes hundreds of them a second. gateway is a name.
func AppendGathered(b []byte, gateway string, delivered []uint64) []byte {
	b = append(b, `{"v":1,"gateway":"`...)
	b = append(b, gateway...)
	b = append(b, `","delivered":[`...)
	for i, n := range delivered {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, n, 10)
	}
	return append(b, ']', '}')
}

func (m *Receipt) check() error {
	if _, ok := ParseOutcome(m.Status); !ok {
		return fmt.Errorf("status %.*q is no outcome", MaxName, m.Status)
	}
	return checkNames("gateway", m.Gateway)
}

func (m *Gathered) check() error { return checkNames("gateway", m.Gateway) }
