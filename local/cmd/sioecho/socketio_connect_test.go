package main

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestConnectToTheMainNamespace(t *testing.T) {
	for name, test := range map[string]struct{ connect, auth string }{
		"without a payload":       {`40`, `{}`},
		"with a payload":          {`40{"token": "123"}`, `{"token":"123"}`},
		"with an empty payload":   {`40{}`, `{}`},
		"with characters of HTML": {`40{"token":"<a href='&'>"}`, `{"token":"<a href='&'>"}`},
		"with an order":           {`40{"z":1,"a":{"y":[],"b":null}}`, `{"z":1,"a":{"y":[],"b":null}}`},
		"by its name":             {`40/,{"token":"123"}`, `{"token":"123"}`},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				s.say(text(test.connect))
				s.connected("")
				s.hears(text(`42["auth",` + test.auth + `]`))
				s.goesOn()
			})
		})
	}
}

func TestConnectToACustomNamespace(t *testing.T) {
	for name, test := range map[string]struct{ connect, auth string }{
		"without a payload": {`40/custom,`, `{}`},
		"without a comma":   {`40/custom`, `{}`},
		"with a payload":    {`40/custom,{"token":"abc"}`, `{"token":"abc"}`},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				s.say(text(test.connect))
				s.connected("/custom,")
				s.hears(text(`42/custom,["auth",` + test.auth + `]`))
			})
		})
	}
}

func TestConnectToBothNamespaces(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		if s.connect("") == s.connect("/custom,") {
			t.Error("two namespaces gave the same sid")
		}
		s.say(texts(`42/custom,["message","custom"]`, `42["message","main"]`)...)
		s.hears(texts(`42/custom,["message-back","custom"]`, `42["message-back","main"]`)...)
	})
}

func TestConnectToAnUnknownNamespaceIsRefused(t *testing.T) {
	for _, name := range []string{"/random", "/customs", "/custom/", "//", "/__proto__", "/constructor", "/0", `/a"b`, "/\u00e9"} {
		t.Run(name, func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				refusal := text(`44` + name + `,{"message":"Invalid namespace"}`)
				s.say(text("40" + name))
				s.hears(refusal)
				s.say(text("40" + name + `,{"token":"123"}`))
				s.hears(refusal)
				s.connect("") // the session goes on
				s.say(text("40" + name + ","))
				s.hears(refusal)
				s.goesOn()
			})
		})
	}
}

func TestConnectWithAnInvalidHandshakeCloses(t *testing.T) {
	for _, first := range []packet{
		text(`4abc`), text(`4`), text(`40[]`), text(`40"token"`), text(`40null`), text(`40true`), text(`401.5`), text(`40{`), text(`40{"token"}`),
		text(`40{"token":"123"}x`), text(`40/custom,[]`), text(`40/custom,{`), text(`41`), text(`42["message"]`), text(`42/custom,["message"]`),
		text(`430[]`), text(`44{"message":"no"}`), text(`451-["message",{"_placeholder":true,"num":0}]`), text(`461-0[]`), text(`47`), binary("\x00"),
	} {
		t.Run(first.String(), func(t *testing.T) {
			onEach(t, socketio, func(t testing.TB, open func() *session) {
				s := open()
				s.try(first)
				s.try(binary("the attachment, if it wants one"))
				s.ends()
			})
		})
	}
	socketio.serves(t)
}

func TestNoConnectWithinConnectTimeoutCloses(t *testing.T) {
	steadilyOnEach(t, hastySocketio, func(t testing.TB, open func() *session) {
		silent, refused := open(), open()
		since := time.Now()
		refused.say(text("40/random"))
		refused.hears(text(`44/random,{"message":"Invalid namespace"}`))
		// Both are to be read all the time, or they would not answer pings.
		closed := make(chan error, 2) // one for each
		for _, s := range []*session{silent, refused} {
			go func() {
				p, err := s.listen()
				if err == nil {
					err = fmt.Errorf("heard %v", p)
				}
				closed <- err
			}()
		}
		for range cap(closed) {
			if err := <-closed; !errors.Is(err, errClosed) { // reads are bounded
				t.Errorf("%v, want the session to end", err)
			}
			if d := time.Since(since); d < connectTimeout-early {
				t.Errorf("closed after %v", d)
			}
		}
	})
}

func TestSessionThatIsConnectedOutlivesConnectTimeout(t *testing.T) {
	steadilyOnEach(t, hastySocketio, func(t testing.TB, open func() *session) {
		s := open()
		s.connect("/custom,")
		for since := time.Now(); time.Since(since) < connectTimeout+pingInterval; {
			p, err := s.read()
			if err != nil || p != ping {
				t.Fatalf("heard %v (%v), want a ping", p, err)
			}
			s.say(pong)
		}
		s.connect("")
		s.goesOn()
	})
}
