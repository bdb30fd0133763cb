package bus

import (
	"reflect"
	"testing"
	"time"

	"beckon/shared/embednats"
	"beckon/shared/wire"
)

func testViews(t *testing.T, c *Conn) *Views {
	t.Helper()
	v, err := c.Views()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// hears reads the next message, and compares it with what was said.
func hears(t *testing.T, v *Views, want any) {
	t.Helper()
	select {
	case msg := <-v.Messages():
		if got := v.Read(msg); !reflect.DeepEqual(got, want) {
			t.Fatalf("heard %+v on %s, want %+v", got, msg.Subject, want)
		}
	case <-time.After(patience):
		t.Fatalf("heard nothing, want %+v", want)
	}
}

// say publishes a message, which gets its version by that.
func say[M wire.Encodable](t *testing.T, c *Conn, subject string, m M) M {
	t.Helper()
	data, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, c, subject, string(data))
	return m
}

func TestViewsHearTheFollowedView(t *testing.T) {
	server := testServer(t, embednats.Options{})
	c, replica := testConn(t, Options{InProcess: server}), testConn(t, Options{InProcess: server})
	v := testViews(t, c)
	for _, view := range []string{"a", "b"} {
		if err := v.Follow(view); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{"a", "b"} {
			delta := say(t, replica, wire.ViewSubject(other), &wire.Delta{View: other, Version: 7, Gone: []string{"east"}})
			if other == view {
				hears(t, v, delta)
			}
			hears(t, v, say(t, replica, wire.ReplicaSubject(other), &wire.ViewBeat{View: other, Version: 7, Digest: 1 << 63}))
		}
	}
}

func TestViewsAskForSnapshots(t *testing.T) {
	server := testServer(t, embednats.Options{})
	c, replica := testConn(t, Options{InProcess: server}), testConn(t, Options{InProcess: server})
	v := testViews(t, c)
	if err := v.Ask("a"); err != nil {
		t.Fatal(err)
	}
	hears(t, v, Absent{})

	sub, err := replica.NATS().SubscribeSync(wire.ViewSnapshotSubject("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := replica.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := v.Ask("a"); err != nil {
		t.Fatal(err)
	}
	request, err := sub.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range 2 {
		hears(t, v, say(t, replica, request.Reply, &wire.ViewSnapshot{
			ID: "x", View: "a", Version: 3, Chunk: chunk, Chunks: 2,
			Entries: []wire.Entry{{Gateway: "east", Login: wire.Login{Session: "s", User: "ann", Room: "lobby", Since: 1}}},
		}))
	}
}

func TestViewsDoNotBelieveEverything(t *testing.T) {
	c := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	v := testViews(t, c)
	if err := v.Follow("a"); err != nil {
		t.Fatal(err)
	}
	for name, subjectAndText := range map[string][2]string{
		"broken JSON":          {wire.ReplicaSubject("a"), `{"v":1,`},
		"a newer version":      {wire.ReplicaSubject("a"), `{"v":99,"view":"a"}`},
		"another's beat":       {wire.ReplicaSubject("a"), `{"v":1,"view":"b"}`},
		"another's delta":      {wire.ViewSubject("a"), `{"v":1,"view":"b","version":1}`},
		"a bad user":           {wire.ViewSubject("a"), `{"v":1,"view":"a","version":1,"joined":[{"gateway":"g","session":"s","user":"","room":"r","since":1}]}`},
		"a subject of no name": {"presence.replica.a%b", `{"v":1,"view":"a"}`},
		"no snapshot":          {v.inbox, `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			publish(t, c, subjectAndText[0], subjectAndText[1])
			hears(t, v, nil)
		})
	}
}

func TestViewsBeforeTheirServer(t *testing.T) {
	address := freeAddress(t)
	c := testConn(t, Options{URL: "nats://" + address})
	v := testViews(t, c)
	if err := v.Ask("a"); err != ErrAway {
		t.Errorf("asking without a link: %v", err)
	}
	changes := watch(c)
	testServer(t, embednats.Options{Listen: address})
	awaitLink(t, changes, false)
	awaitLink(t, changes, true)
	hears(t, v, say(t, c, wire.ReplicaSubject("a"), &wire.ViewBeat{View: "a"}))
}

func TestViewsCountLosses(t *testing.T) {
	c := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	v := testViews(t, c)
	for range viewsDepth {
		publish(t, c, wire.ReplicaSubject("a"), "{}")
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := v.Lost(); n != 0 {
		t.Errorf("lost %d although there was room", n)
	}
	publish(t, c, wire.ReplicaSubject("a"), "{}")
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := v.Lost(); n != 1 {
		t.Errorf("lost %d, want 1", n)
	}
}
