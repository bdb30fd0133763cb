package bus

import (
	"strings"
	"testing"
	"time"

	"beckon/shared/embednats"
)

func TestIntakeHearsInOrder(t *testing.T) {
	c := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	in := c.Intake(8)
	a, err := in.Subscribe("a.*")
	if err != nil {
		t.Fatal(err)
	}
	b, err := in.Subscribe("b")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"a.1", "b", "a.2", "b"} {
		publish(t, c, subject, subject)
	}
	for _, want := range []string{"a.1", "b", "a.2", "b"} {
		select {
		case m := <-in.Messages():
			if sub := map[bool]any{true: b, false: a}[want == "b"]; m.Subject != want || m.Sub != sub {
				t.Errorf("heard %s of %s, want %s", m.Subject, m.Sub.Subject, want)
			}
		case <-time.After(patience):
			t.Fatalf("did not hear %s", want)
		}
	}
	if n := in.Lost(); n != 0 {
		t.Errorf("lost %d", n)
	}
	if err := in.Unsubscribe(a); err != nil {
		t.Error(err)
	}
	heard := func() (n int) {
		publish(t, c, "a.3", "")
		publish(t, c, "b", "")
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for ; len(in.Messages()) > 0; n++ {
			if m := <-in.Messages(); m.Sub != b {
				t.Errorf("heard %s after the end of its subscription", m.Subject)
			}
		}
		return n
	}
	if n := heard(); n != 1 {
		t.Errorf("heard %d messages of one subject, want 1", n)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if n := heard(); n != 0 {
		t.Errorf("heard %d messages after the end", n)
	}
}

func TestIntakeEndsAfterItsConnection(t *testing.T) {
	c := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	in := c.Intake(1)
	if _, err := in.Subscribe("a"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.Subscribe("b"); err == nil {
		t.Error("subscribed to a connection that has ended")
	}
}

func TestIntakeTellsOfLosses(t *testing.T) {
	c := testConn(t, Options{InProcess: testServer(t, embednats.Options{})})
	in := c.Intake(2)
	if _, err := in.Subscribe("a"); err != nil {
		t.Fatal(err)
	}
	after, err := c.NATS().SubscribeSync("after")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for range 5 {
			publish(t, c, "a", "")
		}
		publish(t, c, "after", "all is there")
		receives(t, after, "all is there")
		if n := in.Lost(); n != 3 {
			t.Errorf("lost %d of 5 although 2 fit", n)
		}
		if n := in.Lost(); n != 0 {
			t.Errorf("lost %d since just now", n)
		}
		<-in.Messages()
		<-in.Messages()
	}
}

func TestIntakeTellsOfTheLink(t *testing.T) {
	address := freeAddress(t)
	c := testConn(t, Options{URL: "nats://" + address})
	in := c.Intake(8)
	changes := watch(c) // after the intake: what is heard here the intake has heard
	awaitLink(t, changes, false)
	is := func(wantUp, wantNews bool) {
		t.Helper()
		select {
		case <-in.Linked():
		case <-time.After(patience):
			t.Fatal("not told to look")
		}
		if up, news := in.Link(); up != wantUp || news != wantNews {
			t.Errorf("link up: %v, news: %v; want %v, %v", up, news, wantUp, wantNews)
		}
		if _, news := in.Link(); news {
			t.Error("the same news again")
		}
	}
	is(false, false)

	server := testServer(t, embednats.Options{Listen: address})
	awaitLink(t, changes, true)
	is(true, true)
	stopServer(t, server)
	awaitLink(t, changes, false)
	is(false, true)
	server = testServer(t, embednats.Options{Listen: address})
	awaitLink(t, changes, true)
	is(true, true)

	// A link that broke and came back is another, even if nobody looked meanwhile.
	stopServer(t, server)
	awaitLink(t, changes, false)
	testServer(t, embednats.Options{Listen: strings.TrimPrefix(server.ClientURL(), "nats://")})
	awaitLink(t, changes, true)
	is(true, true)
}
