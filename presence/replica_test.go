package presence

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/wire"
)

// A replica that could not keep up asks for what it missed.
func TestReplicaThatLostMessages(t *testing.T) {
	const depth, users = 64, 1000
	log := slog.New(slog.DiscardHandler)
	server, err := embednats.Start(t.Context(), embednats.Options{Name: "test", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := bus.Connect(bus.Options{InProcess: server, Name: "test", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := newReplica(ctx, conn, "view", depth, log)
	if err != nil {
		t.Fatal(err)
	}
	announcer, err := bus.NewAnnouncer(conn, "gw", "inc", log)
	if err != nil {
		t.Fatal(err)
	}

	// It stands still while one announcement after the other comes. The link is the announcer's as well, so once a flush
	// is back all have come.
	ledger := bus.NewLedger("other")
	now := time.Now()
	for i := range users {
		ledger.Join(now, wire.Login{Session: fmt.Sprint("s", i), User: "bob", Room: "lobby"})
		said, _ := ledger.Beat(now)
		data, err := wire.Encode(&said[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Publish(wire.AnnounceSubject("other"), "", data); err != nil {
			t.Fatal(err)
		}
		announcer.Join(wire.Login{Session: fmt.Sprint("s", i), User: fmt.Sprint("user", i), Room: "lobby"})
	}
	if err := conn.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	r.start()
	for there := 0; there < users; {
		if err := r.ask(ctx, func(r *roster.Roster) { there, _ = r.Count("lobby") }); err != nil {
			t.Fatalf("%v; %d users of %d", err, there, users)
		}
	}
	if n := r.dropped.Load(); n < users-depth {
		t.Errorf("%d messages dropped, want some %d", n, users-depth)
	}

	for name, end := range map[string]func(context.Context) error{"announcer": announcer.Close, "replica": r.stop} {
		if err := end(ctx); err != nil {
			t.Errorf("end %s: %v", name, err)
		}
	}
	if err := r.ask(ctx, func(*roster.Roster) {}); err != errEnding {
		t.Errorf("a question after the end: %v", err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// Everybody who asks meanwhile gets the next snapshot; what is being sent is finished first.
func TestAnswers(t *testing.T) {
	at := time.Unix(1000, 0)
	a := newAnswers()
	if _, ok := a.due(); ok || a.more() != nil {
		t.Fatal("something to do before anybody asked")
	}
	a.ask(at, "one")
	a.ask(at, "two")
	if due, ok := a.due(); !ok || due.After(at) {
		t.Fatalf("the first answer is due at %v, %v; want at once", due, ok)
	}
	a.begin(at, make([]wire.ViewSnapshot, 2))
	a.ask(at, "three")
	for range 2 {
		if _, ok := a.due(); ok || a.more() == nil {
			t.Fatal("a snapshot is begun before the one before is sent")
		}
		if _, replies := a.next(); fmt.Sprint(replies) != "[one two]" {
			t.Fatalf("a chunk goes to %v", replies)
		}
	}
	if a.more() != nil {
		t.Error("more than there is")
	}
	if due, ok := a.due(); !ok || !due.Equal(at.Add(snapshotEvery)) {
		t.Errorf("the next snapshot is due at %v, %v", due, ok)
	}
	a.ask(at, "three")
	if len(a.asking) != 1 {
		t.Errorf("%v wait", a.asking)
	}
	for i := range 2 * maxAsking {
		a.ask(at, fmt.Sprint("many-", i))
	}
	if len(a.asking) != maxAsking {
		t.Errorf("%d wait", len(a.asking))
	}
}
