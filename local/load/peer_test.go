package load

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// newListening is a traffic in which peers only listen.
func newListening() *traffic { return &traffic{clock: time.Now()} }

// pairOf is alice, who calls, and bob; both are in.
func pairOf(d *door, acks bool) (caller, callee *peer) {
	caller, callee = newPair(d, client{name: "alice"}, client{name: "bob"})
	caller.user, callee.user = "alice", "bob"
	caller.introduce(0, acks)
	return caller, callee
}

func TestPeerTakesEachMessageOnceAndInOrder(t *testing.T) {
	const at = 1000
	caller, callee := pairOf(native, false)
	offer, line := &caller.says[sdp], &caller.says[candidate]
	traffic := newListening()
	var latency histogram
	traffic.latency.Store(&latency)
	for number, m := range []*message{offer, line, line, offer} {
		if err := callee.take(traffic, arrived(m, "alice", int64(number)+1, at), 3*at); err != nil {
			t.Fatal(err)
		}
	}
	for _, frame := range []string{`{"event":"userlistDelta","data":{}}`, `{"event":"presence","data":{"state":"degraded"}}`} {
		if err := callee.take(traffic, []byte(frame), 0); err != nil {
			t.Fatal(err)
		}
	}
	if callee.received.Load() != 4 || latency.count() != 4 || latency.max() != 2*at {
		t.Errorf("received %d, booked %d, max %v", callee.received.Load(), latency.count(), latency.max())
	}
	for what, frame := range map[string][]byte{
		"again":               arrived(offer, "alice", 4, at),
		"one is missing":      arrived(offer, "alice", 6, at),
		"of somebody else":    arrived(offer, "mallory", 5, at),
		"of the other kind":   arrived(&callee.says[sdp], "alice", 5, at),
		"damaged":             []byte(strings.Replace(string(arrived(offer, "alice", 5, at)), "nack pli", "nack plx", 1)),
		"not delivered":       []byte(`{"event":"undeliverable","data":{"to":"alice","kind":"answer","reason":"offline"}}`),
		"refused":             []byte(`{"event":"error","data":{"code":"rate_limited","message":"more"}}`),
		"not a frame":         []byte(`{}`),
		"an unexpected event": []byte(`{"event":"welcome","data":{}}`),
	} {
		if err := callee.take(traffic, frame, at); err == nil {
			t.Errorf("taken although it is %s: %.100s", what, frame)
		}
	}
	if callee.received.Load() != 4 || latency.count() != 4 {
		t.Errorf("received %d, booked %d", callee.received.Load(), latency.count())
	}
	if err := callee.take(traffic, arrived(line, "alice", 5, at), at); err != nil {
		t.Error(err)
	}
	late := []byte(`{"event":"undeliverable","data":{"to":"alice","kind":"answer","reason":"unknown"}}`)
	if err := callee.take(traffic, late, at); err != nil || traffic.unknown.Load() != 1 {
		t.Errorf("an unknown outcome: %v, counted %d", err, traffic.unknown.Load())
	}
}

func TestPeerTakesEachAckOnce(t *testing.T) {
	caller, callee := pairOf(native, true)
	traffic := newListening()
	ack := func(number int, status string) error {
		return caller.take(traffic, fmt.Appendf(nil, `{"event":"ack","id":"%010d","data":{"status":"%s"}}`, number, status), 0)
	}
	const sent = 200
	caller.sent.Store(sent)
	callee.received.Store(sent)
	for number := sent; number >= 1; number-- { // their order is free
		if err := caller.missing(true); err == nil {
			t.Fatal("no ack is missing")
		}
		if err := ack(number, "delivered"); err != nil {
			t.Fatal(err)
		}
		if err := ack(number, "delivered"); err == nil {
			t.Fatalf("a second ack of %d was taken", number)
		}
	}
	if err := caller.missing(true); err != nil {
		t.Error(err)
	}
	for _, number := range []int{0, sent + 1} {
		if err := ack(number, "delivered"); err == nil {
			t.Errorf("an ack of message %d, which was not sent, was taken", number)
		}
	}
	caller.sent.Add(1)
	if err := caller.missing(true); err == nil {
		t.Error("a message that did not arrive is not missing")
	}
	for _, status := range []string{"offline", "slow", ""} {
		if err := ack(sent+1, status); err == nil {
			t.Errorf("an ack %q was taken", status)
		}
	}
	if err := ack(sent+1, "unknown"); err != nil || traffic.unknown.Load() != 1 {
		t.Errorf("an unknown outcome: %v, counted %d", err, traffic.unknown.Load())
	}
	if err := ack(sent+1, "delivered"); err == nil {
		t.Error("an outcome was taken after an unknown one")
	}
	if err := caller.take(traffic, []byte(`{"event":"ack","id":"1","data":{"status":"delivered"}}`), 0); err == nil {
		t.Error("an ack without one of our ids was taken")
	}
}

// Through Socket.IO only an offer says who sent it. What else arrives is known by what only the other side sends.
func TestPeerTakesOnlyTheOtherSidesMessages(t *testing.T) {
	caller, callee := pairOf(overPolling, false)
	_, stranger := newPair(overPolling, client{}, client{})
	stranger.other.user, stranger.user = "carol", "dave"
	stranger.introduce(1, false)
	delivered := func(m *message, number int64) []byte {
		return []byte(strings.Replace(string(m.write(number, 0)), "iceCandidate", "remoteIceCandidate", 1))
	}
	traffic := newListening()
	mallory := strings.Replace(string(delivered(&caller.says[sdp], 1)), `"from":"alice"`, `"from":"mallory"`, 1)
	for what, frame := range map[string][]byte{
		"an offer of somebody else":    []byte(mallory),
		"a candidate of somebody else": delivered(&stranger.says[candidate], 1),
		"a refusal":                    []byte(`42["refuse"]`),
		"a DISCONNECT":                 []byte("41"),
		"a CLOSE":                      []byte("1"),
		"a native frame":               []byte(`{"event":"remoteIceCandidate","data":{}}`),
	} {
		if err := callee.take(traffic, frame, 0); err == nil {
			t.Errorf("taken although it is %s", what)
		}
	}
	for number, frame := range [][]byte{
		[]byte(`42["updateUserlist",{"userList":["alice","bob"]}]`),
		delivered(&caller.says[sdp], 1),
		delivered(&caller.says[candidate], 2),
	} {
		if err := callee.take(traffic, frame, 0); err != nil || callee.received.Load() != int64(number) {
			t.Errorf("after frame %d: %v, %d received", number, err, callee.received.Load())
		}
	}
}
