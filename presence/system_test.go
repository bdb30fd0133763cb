package presence_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/presence"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/service"
	"beckon/shared/wire"
)

// patience is the deadline of whatever happens within seconds on an idle machine.
const patience = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// config is a replica on free ports that runs NATS itself.
func config(t *testing.T) presence.Config {
	t.Helper()
	var cfg presence.Config
	if err := service.SetDefaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Ops, cfg.EmbedNATS, cfg.Log = "127.0.0.1:0", "127.0.0.1:0", quiet
	return cfg
}

// replica is a running presence.Run.
type replica struct {
	presence.Addresses
	cancel context.CancelFunc
	done   chan error // filled once
}

func run(t *testing.T, cfg presence.Config) *replica {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{cancel: cancel, done: make(chan error, 1)}
	ready := make(chan presence.Addresses, 1)
	cfg.OnReady = func(at presence.Addresses) { ready <- at }
	go func() { r.done <- presence.Run(ctx, cfg) }()
	t.Cleanup(func() { r.stop(t) })
	select {
	case r.Addresses = <-ready:
	case err := <-r.done:
		r.done <- nil
		t.Fatalf("presence ended: %v", err)
	case <-time.After(patience):
		t.Fatal("presence is not ready")
	}
	return r
}

// stop ends a replica, if it has not ended.
func (r *replica) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("presence ended: %v", err)
		}
		r.done <- nil
	case <-time.After(patience):
		t.Error("presence does not end")
	}
}

// server is a NATS of its own, so that presence can be restarted beside it.
func server(t *testing.T, listen string) *embednats.Server {
	t.Helper()
	s, err := embednats.Start(t.Context(), embednats.Options{Name: "test", Listen: listen, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return s
}

func shutdown(t *testing.T, s *embednats.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, url string) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(bus.Options{URL: url, Name: "test", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// gateway is the part of one that presence hears.
func gateway(t *testing.T, conn *bus.Conn, name string, users ...string) *bus.Announcer {
	t.Helper()
	a, err := bus.NewAnnouncer(conn, name, wire.NewID(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, a) })
	for _, user := range users {
		a.Join(login(user))
	}
	return a
}

func end(t *testing.T, a *bus.Announcer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.Close(ctx); err != nil {
		t.Error(err)
	}
}

func login(user string) wire.Login {
	return wire.Login{Session: "session-of-" + user, User: user, Room: "lobby", Since: 1_700_000_000_000}
}

// follower follows one view as a gateway does, and is strict about it.
type follower struct {
	t     *testing.T
	conn  *bus.Conn
	view  string
	inbox string
	heard chan *nats.Msg // filled by NATS; deeper than any test needs

	entries  map[wire.Ref]wire.Login
	version  uint64
	whole    bool
	assembly wire.Assembly[wire.Entry]
	beat     wire.ViewBeat // the latest
	gone     []string      // gateways that lost everybody at once, so far
}

func follow(t *testing.T, conn *bus.Conn, view string) *follower {
	t.Helper()
	f := &follower{t: t, conn: conn, view: view, inbox: conn.NATS().NewInbox(), heard: make(chan *nats.Msg, 10_000)}
	for _, subject := range []string{wire.ReplicaSubject(view), wire.ViewSubject(view), f.inbox} {
		if _, err := conn.NATS().ChanSubscribe(subject, f.heard); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// until takes in what is heard until the view is as wanted.
func (f *follower) until(what string, wanted func() bool) {
	f.t.Helper()
	deadline := time.After(patience)
	for !wanted() {
		select {
		case m := <-f.heard:
			f.take(m)
		case <-deadline:
			f.t.Fatalf("not within %v: %s; the view holds %v", patience, what, f.entries)
		}
	}
}

// holds takes in what is heard until the view is complete and holds these users and nobody else.
func (f *follower) holds(users ...string) {
	f.t.Helper()
	slices.Sort(users)
	f.until("holds", func() bool { return f.whole && slices.Equal(f.users(), users) })
}

func (f *follower) users() []string {
	names := []string{}
	for _, l := range f.entries {
		names = append(names, l.User)
	}
	slices.Sort(names)
	return names
}

func (f *follower) take(m *nats.Msg) {
	f.t.Helper()
	var err error
	switch m.Subject {
	case f.inbox:
		var chunk wire.ViewSnapshot
		if err = wire.Decode(m.Data, &chunk); err == nil {
			f.takeChunk(&chunk)
		}
	case wire.ViewSubject(f.view):
		var d wire.Delta
		if err = wire.Decode(m.Data, &d); err == nil && f.whole {
			f.takeDelta(&d)
		}
	case wire.ReplicaSubject(f.view):
		f.beat = wire.ViewBeat{}
		if err = wire.Decode(m.Data, &f.beat); err == nil {
			f.takeBeat()
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) takeChunk(chunk *wire.ViewSnapshot) {
	f.t.Helper()
	all, whole := f.assembly.Add(chunk.ID, chunk.Chunk, chunk.Chunks, chunk.Entries)
	if !whole {
		return
	}
	f.entries, f.version, f.whole = map[wire.Ref]wire.Login{}, chunk.Version, true
	for _, e := range all {
		f.entries[wire.Ref{Gateway: e.Gateway, Session: e.Session}] = e.Login
	}
}

func (f *follower) takeDelta(d *wire.Delta) {
	f.t.Helper()
	if d.Version != f.version+1 {
		f.t.Fatalf("delta %d after %d", d.Version, f.version)
	}
	f.version = d.Version
	f.gone = append(f.gone, d.Gone...)
	for _, gateway := range d.Gone {
		maps.DeleteFunc(f.entries, func(ref wire.Ref, _ wire.Login) bool { return ref.Gateway == gateway })
	}
	for _, ref := range d.Left {
		if _, ok := f.entries[ref]; !ok {
			f.t.Fatalf("%v left, but was not there", ref)
		}
		delete(f.entries, ref)
	}
	for _, e := range d.Joined {
		f.entries[wire.Ref{Gateway: e.Gateway, Session: e.Session}] = e.Login
	}
}

func (f *follower) takeBeat() {
	f.t.Helper()
	if !f.whole {
		if f.beat.Complete {
			err := f.conn.Publish(wire.ViewSnapshotSubject(f.view), f.inbox, nil)
			if err != nil && !errors.Is(err, bus.ErrAway) {
				f.t.Fatal(err)
			}
		}
		return
	}
	var digest wire.Digest
	for _, l := range f.entries {
		digest ^= wire.Digest(l.Hash())
	}
	want := wire.ViewBeat{
		Header: f.beat.Header, View: f.view, Version: f.version, Complete: true, Count: len(f.entries), Digest: digest,
		Stopping: f.beat.Stopping,
	}
	if f.beat != want {
		f.t.Fatalf("beat %+v, want %+v", f.beat, want)
	}
}
