package bus

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"beckon/shared/embednats"
	"beckon/shared/wire"
)

func TestBackendsSignals(t *testing.T) {
	server := testServer(t, embednats.Options{})
	b := testStation(t, "b", Options{InProcess: server})
	b.listen(t, "bob")
	backend := testConn(t, Options{InProcess: server}).NATS()
	request := func(subject, text string) wire.Receipt {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var r wire.Receipt
		if m, err := backend.RequestWithContext(ctx, subject, []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if err := wire.Decode(m.Data, &r); err != nil || r.Gateway != "b" {
			t.Errorf("%s: %s, error %v", text, m.Data, err)
		}
		return r
	}

	good := ` { "body": { "x": 1, "data": [1, 2] }, "from": "shop", "kind": "message", "v": 1 } `
	if r := request("signal.bob", good); r.Status != "delivered" || r.Error != "" {
		t.Errorf("%+v", r)
	}
	if got := <-b.arrived; string(got.From) != `"shop"` || got.FromSession != "" || string(got.Body) != `{"data":[1, 2]}` {
		t.Errorf("arrived: %+v, body %s", got, got.Body)
	}
	for _, o := range []wire.Outcome{wire.Offline, wire.Slow, wire.Refused, wire.Held} {
		b.set(o)
		if r := request("signal.bob", good); r.Status != o.String() || r.Error != "" {
			t.Errorf("%+v, want %s", r, o)
		}
		<-b.arrived
	}

	for text, fault := range map[string]string{
		``:                                     "malformed JSON: unexpected end",
		`hello`:                                "malformed JSON at byte 0",
		`[]`:                                   "malformed JSON: an object is wanted",
		good + `x`:                             "malformed JSON",
		`{"v":1}`:                              "kind must be the name of a kind of signal",
		`{"v":1,"kind":"refuse"}`:              "from must be a user id",
		strings.Replace(good, "1 }", "2 }", 1): "message of another version of the contract: 2, this side speaks 1",
		`{"v":1,"kind":"offer","from":"shop","body":{"offerSDP":5}}`: "offerSDP must be a string of at most 32768 bytes",
	} {
		if r := request("signal.bob", text); r.Status != "refused" || !strings.HasPrefix(r.Error, fault) {
			t.Errorf("%s: %+v, want: %s", text, r, fault)
		}
	}
	b.receivedNothing(t)
	if _, err := backend.Request("signal.eve", []byte(good), patience); err != nats.ErrNoResponders {
		t.Errorf("to nobody: %v", err)
	}

	// A backend need not want an answer.
	for _, text := range []string{`hello`, good} {
		if err := backend.Publish("signal.bob", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-b.arrived; string(got.From) != `"shop"` {
		t.Errorf("arrived: %+v", got)
	}
}

// Nonsense on our subjects harms nobody.
func TestNonsenseOnTheBus(t *testing.T) {
	server := testServer(t, embednats.Options{})
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	a := testStation(t, "a", Options{InProcess: server, Log: logger})
	b := testStation(t, "b", Options{InProcess: server, Log: logger})
	b.listen(t, "bob")
	vandal := testConn(t, Options{InProcess: server})
	for _, text := range []string{
		"", "x", "{}", "null", `{"v":1}`, `{"v":2,"gateway":"b","delivered":[1]}`, `{"v":1,"gateway":"b","delivered":[-1]}`,
		`{"v":1,"gateway":"*","delivered":[1]}`, `{"v":1,"status":"delivered"}`, `{"v":1,"status":"lost","gateway":"b"}`,
		`{"v":1,"gateway":"b","delivered":[1,2,18446744073709551615]}`, `{"v":1,"status":"slow","gateway":"b"}`,
	} {
		for _, subject := range []string{
			a.outcomes.Gathered(), a.outcomes.Reply(1), a.outcomes.Reply(1 << 40), a.outcomes.Reply(1) + "x", "signal.bob",
		} {
			for _, reply := range []string{"", "outcome.>", "outcome.b..5", a.outcomes.Reply(7), "signal.bob"} {
				if err := vandal.Publish(subject, reply, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := vandal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	hasOutcome(t, a.send(t, "bob", "good"), wire.Delivered)
	b.receives(t, "good")
	b.receivedNothing(t)

	// Nor does it fill the log.
	a.Close()
	b.Close()
	for _, fault := range []string{"an outcome could not be read", "a signal could not be read"} {
		if n := strings.Count(log.String(), fault); n == 0 || n > 20 {
			t.Errorf("%d lines say that %s", n, fault)
		}
	}
}
