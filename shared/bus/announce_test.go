package bus

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/embednats"
	"beckon/shared/wire"
)

// audience hears everything that gateway "gw" says, in order, on a connection of its own.
type audience struct {
	listener
	conn  *Conn
	heard chan *nats.Msg // filled by NATS; deeper than any test needs
}

func newAudience(t *testing.T, o Options) *audience {
	t.Helper()
	a := &audience{
		listener: listener{logins: map[string]wire.Login{}},
		conn:     testConn(t, o),
		heard:    make(chan *nats.Msg, 10_000),
	}
	for _, subject := range []string{wire.AllAnnouncements, wire.AllBeats} {
		if _, err := a.conn.NATS().ChanSubscribe(subject, a.heard); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.conn.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// beat gives the next beat, and takes in the announcements before it.
func (a *audience) beat(t *testing.T) wire.Beat {
	t.Helper()
	for {
		select {
		case m := <-a.heard:
			switch m.Subject {
			case wire.AnnounceSubject("gw"):
				var said wire.Announcement
				if err := wire.Decode(m.Data, &said); err != nil {
					t.Fatal(err)
				}
				a.hear(t, []wire.Announcement{said})
			case wire.BeatSubject("gw"):
				var beat wire.Beat
				if err := wire.Decode(m.Data, &beat); err != nil {
					t.Fatal(err)
				}
				return beat
			default:
				t.Fatalf("message on %s", m.Subject)
			}
		case <-time.After(patience):
			t.Fatal("no beat")
		}
	}
}

// until takes in what is said until a beat counts that many.
func (a *audience) until(t *testing.T, count int) wire.Beat {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if beat := a.beat(t); beat.Count == count {
			return beat
		} else if time.Now().After(deadline) {
			t.Fatalf("the beats count %d, not %d", beat.Count, count)
		}
	}
}

// ask requests a snapshot and gives its logins by session.
func (a *audience) ask(t *testing.T) (seq uint64, logins map[string]wire.Login) {
	t.Helper()
	inbox := a.conn.NATS().NewRespInbox()
	sub, err := a.conn.NATS().SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := a.conn.Publish(wire.GatewaySubject("gw"), inbox, nil); err != nil {
		t.Fatal(err)
	}
	var chunks []wire.GatewaySnapshot
	for {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var chunk wire.GatewaySnapshot
		if err := wire.Decode(m.Data, &chunk); err != nil {
			t.Fatal(err)
		}
		if chunks = append(chunks, chunk); len(chunks) == chunk.Chunks {
			return chunk.Seq, assemble(t, chunks)
		}
	}
}

func testAnnouncer(t *testing.T, conn *Conn) *Announcer {
	t.Helper()
	a, err := NewAnnouncer(conn, "gw", "inc", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAnnouncer(t, a) })
	return a
}

func closeAnnouncer(t *testing.T, a *Announcer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.Close(ctx); err != nil {
		t.Error(err)
	}
}

func login(session, user string) wire.Login {
	return wire.Login{Session: session, User: user, Room: "lobby", Since: 1700000000000}
}

func TestAnnouncerTellsOfComingAndGoing(t *testing.T) {
	server := testServer(t, embednats.Options{})
	audience := newAudience(t, Options{InProcess: server})
	announcer := testAnnouncer(t, testConn(t, Options{InProcess: server}))

	if beat := audience.beat(t); beat != (wire.Beat{Header: wire.Header{V: wire.Version}, Incarnation: "inc"}) {
		t.Fatalf("first beat %+v, want that of a gateway that holds nothing", beat)
	}
	want := map[string]wire.Login{}
	for _, l := range []wire.Login{login("s1", "alice"), login("s2", "bob"), login("s3", "bob")} {
		announcer.Join(l)
		want[l.Session] = l
	}
	if beat := audience.until(t, 3); beat.Digest != digest(want) || beat.Seq != audience.seq || !maps.Equal(audience.logins, want) {
		t.Fatalf("beat %+v after %v", beat, audience.logins)
	}
	announcer.Leave("s2")
	announcer.Leave("unheard-of")
	delete(want, "s2")
	audience.until(t, 2)
	if seq, logins := audience.ask(t); seq != audience.seq || !maps.Equal(logins, want) {
		t.Fatalf("snapshot of %v at %d, want %v at %d", logins, seq, want, audience.seq)
	}

	announcer.Join(login("s4", "carol"))
	closeAnnouncer(t, announcer)
	announcer.Leave("s4") // too late to be told
	for {
		beat := audience.beat(t)
		if !beat.Stopping {
			continue
		}
		if beat.Count != 3 || len(audience.logins) != 3 {
			t.Errorf("last beat %+v after %v, want what was left to say said before it", beat, audience.logins)
		}
		break
	}
	if err := audience.conn.Publish(wire.GatewaySubject("gw"), "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := audience.conn.NATS().Request(wire.GatewaySubject("gw"), nil, patience); err != nats.ErrNoResponders {
		t.Errorf("a request after the end: %v, want %v", err, nats.ErrNoResponders)
	}
	if len(audience.heard) != 0 {
		t.Errorf("%d messages after the last beat", len(audience.heard))
	}
}

// Sockets open and close on many goroutines at once, while replicas ask for snapshots.
func TestAnnouncerFromManyGoroutines(t *testing.T) {
	const sockets, rounds = 20, 100
	server := testServer(t, embednats.Options{})
	audience := newAudience(t, Options{InProcess: server})
	announcer := testAnnouncer(t, testConn(t, Options{InProcess: server}))
	audience.beat(t) // from now on it takes requests, too

	var wg sync.WaitGroup
	for i := range sockets {
		wg.Go(func() {
			for n := range rounds {
				session := fmt.Sprintf("s%d-%d", i, n)
				announcer.Join(login(session, "alice"))
				if n < rounds-1 {
					announcer.Leave(session)
				}
			}
		})
	}
	for range 3 {
		audience.ask(t)
	}
	wg.Wait()
	_, logins := audience.ask(t)
	beat := audience.until(t, sockets)
	for deadline := time.Now().Add(patience); beat.Digest != digest(logins) && time.Now().Before(deadline); {
		beat = audience.until(t, sockets) // those before may count as many by chance
	}
	if len(logins) != sockets || beat.Digest != digest(logins) || !maps.Equal(audience.logins, logins) {
		t.Errorf("%d announced, beat %+v, snapshot of %d", len(audience.logins), beat, len(logins))
	}
}

// What is said while NATS is away is lost. The first beat after that shows it.
func TestAnnouncerOutlivesNATS(t *testing.T) {
	server := testServer(t, embednats.Options{Listen: "127.0.0.1:0"})
	conn := testConn(t, Options{URL: server.ClientURL()})
	announcer := testAnnouncer(t, conn)
	changes := watch(conn)
	awaitLink(t, changes, true)
	announcer.Join(login("s1", "alice"))

	stopServer(t, server)
	awaitLink(t, changes, false)
	for i := range 1000 {
		announcer.Join(login(fmt.Sprintf("away-%d", i), "bob"))
	}
	announcer.Leave("s1")

	server = testServer(t, embednats.Options{Listen: strings.TrimPrefix(server.ClientURL(), "nats://")})
	audience := newAudience(t, Options{InProcess: server})
	awaitLink(t, changes, true)
	var beat wire.Beat
	for deadline := time.Now().Add(patience); beat.Count != 1000; {
		select {
		case m := <-audience.heard:
			if m.Subject != wire.BeatSubject("gw") {
				continue // an announcement may be halfway told when NATS comes back
			}
			beat = wire.Beat{}
			if err := wire.Decode(m.Data, &beat); err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Until(deadline)):
			t.Fatalf("the last beat was %+v, want 1000 sessions", beat)
		}
	}
	if seq, logins := audience.ask(t); len(logins) != 1000 || digest(logins) != beat.Digest || seq != beat.Seq || seq == 0 {
		t.Errorf("snapshot of %d at %d, want what the beat says: %+v", len(logins), seq, beat)
	}

	stopServer(t, server)
	awaitLink(t, changes, false)
	closeAnnouncer(t, announcer) // nobody can be told, and nobody waits
}

func TestAnnouncerRefusesBadNames(t *testing.T) {
	conn := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	for _, names := range [][2]string{{"", "inc"}, {"gw.1", "inc"}, {"gw", "*"}, {strings.Repeat("g", 65), "inc"}} {
		if _, err := NewAnnouncer(conn, names[0], names[1], slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("NewAnnouncer took gateway %q, incarnation %q", names[0], names[1])
		}
	}
}

func TestAnnouncerBeatsAtOnceWhenAskedWhetherItIsThere(t *testing.T) {
	server := testServer(t, embednats.Options{})
	audience := newAudience(t, Options{InProcess: server})
	testAnnouncer(t, testConn(t, Options{InProcess: server}))
	start := time.Now()
	for range 4 {
		audience.beat(t)
	}
	unasked := time.Since(start) // three intervals at least
	probe, err := wire.Encode(&wire.GatewayRequest{Probe: true})
	if err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	for range 6 {
		if err := audience.conn.Publish(wire.GatewaySubject("gw"), "", probe); err != nil {
			t.Fatal(err)
		}
		audience.beat(t)
	}
	if asked := time.Since(start); asked > unasked {
		t.Errorf("six beats that were asked for took %v, four others %v", asked, unasked)
	}
	if seq, logins := audience.ask(t); seq != 0 || len(logins) != 0 {
		t.Errorf("afterwards the snapshot has seq %d and %d logins", seq, len(logins))
	}
}
