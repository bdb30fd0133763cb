package main

import (
	"errors"
	"net/http"
	"testing"
)

// probe makes a WebSocket for a session of polling, and tries it.
func probe(t testing.TB, s *session) *session {
	t.Helper()
	ws := dial(t, s.e, socketQuery+"&sid="+s.sid)
	ws.sid = s.sid
	ws.say(text("2probe"))
	ws.hears(text("3probe"))
	return ws
}

func TestUpgradeFromPollingToWebSocket(t *testing.T) {
	inQuiet(t, func(t *testing.T, e *echoServer) {
		t.Run("before a poll", func(t *testing.T) {
			s := openPolling(t, e)
			ws := probe(t, s)
			get(t, s.transport.(*polling).url).is(t, http.StatusOK, "6")
			ws.say(text("5"))
			ws.ready()
			ws.goesOn()
		})
		t.Run("while a poll waits", func(t *testing.T) {
			s := openPolling(t, e)
			poll := waiting(t, s.transport.(*polling).url)
			ws := probe(t, s)
			poll.answer(t).is(t, http.StatusOK, "6")
			ws.say(text("5"))
			ws.ready()
			ws.goesOn()
		})
		t.Run("without a poll", func(t *testing.T) {
			ws := probe(t, openPolling(t, e))
			ws.say(text("5"))
			ws.ready()
			ws.goesOn()
		})
		t.Run("when a namespace is connected", func(t *testing.T) {
			s := openPolling(t, e)
			s.ready()
			ws := probe(t, s)
			get(t, s.transport.(*polling).url).is(t, http.StatusOK, "6")
			ws.say(text("5"))
			ws.goesOn()
		})
	})
}

func TestUpgradedSessionIsKeptByHeartbeats(t *testing.T) {
	inHaste(t, func(t *testing.T, e *echoServer) {
		t.Parallel()
		steadily(t, func(t testing.TB) {
			s := openPolling(t, e)
			s.ready()
			ws := probe(t, s)
			ws.say(text("5"))
			for range 3 {
				ws.isPinged()
				ws.say(pong)
			}
			ws.goesOn()
			ws.isPinged()
			ws.isCut() // without a pong
		})
	})
}

// What the server has for the client waits for the new transport, or comes by the old one, but never twice and in order.
func TestUpgradeLosesNoMessage(t *testing.T) {
	s := openPolling(t, quietEngine)
	s.say(texts("4one")...)
	s.hears(texts("4one")...)
	ws := probe(t, s)
	get(t, s.transport.(*polling).url).is(t, http.StatusOK, "6")
	s.say(texts("4two", "4three")...)
	s.say(binary("four"))
	ws.say(texts("5", "4five")...)
	ws.hears(text("4two"), text("4three"), binary("four"), text("4five"))
}

func TestPollingGoesOnUntilTheUpgrade(t *testing.T) {
	s := openPolling(t, engine)
	ws := probe(t, s)
	for range 3 {
		s.say(text("4by polling"))
		s.hears(text("4by polling"))
	}
	ws.say(texts("5", "4by WebSocket")...)
	ws.hears(text("4by WebSocket"))
}

func TestHTTPRequestsAfterTheUpgradeAreRefused(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		t.Run("when it is done", func(t *testing.T) {
			s := openPolling(t, e)
			ws := probe(t, s)
			ws.say(text("5"))
			ws.ready()
			ws.goesOn() // so the server has heard of the upgrade
			get(t, s.transport.(*polling).url).badRequest(t)
			post(t, s.transport.(*polling).url, "4hello").badRequest(t)
			ws.goesOn()
		})
		t.Run("when it has only been written", func(t *testing.T) {
			for range 20 {
				s := openPolling(t, e)
				ws := dial(t, e, socketQuery+"&sid="+s.sid)
				ws.say(texts("2probe", "5")...)
				get(t, s.transport.(*polling).url).badRequest(t)
				ws.hears(text("3probe"))
				ws.ready()
				ws.goesOn()
			}
		})
	})
}

// turnedAway is that a WebSocket is not made, or closed before anything is said on it.
func turnedAway(t testing.TB, e *echoServer, query string) {
	t.Helper()
	conn, a, err := dialSocket(t, e, query)
	if err != nil {
		a.badRequest(t)
		return
	}
	if p, err := (socket{conn}).read(); !errors.Is(err, errClosed) {
		t.Fatalf("heard %v (%v), want it to be closed", p, err)
	}
}

func TestSecondWebSocketOfASessionIsClosed(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		t.Run("after the upgrade", func(t *testing.T) {
			s := openPolling(t, e)
			ws := probe(t, s)
			ws.say(text("5"))
			ws.ready()
			ws.goesOn()
			turnedAway(t, e, socketQuery+"&sid="+s.sid)
			ws.goesOn()
		})
		t.Run("when the upgrade has only been written", func(t *testing.T) {
			for range 20 {
				s := openPolling(t, e)
				ws := dial(t, e, socketQuery+"&sid="+s.sid)
				ws.say(texts("2probe", "5")...)
				turnedAway(t, e, socketQuery+"&sid="+s.sid)
				ws.hears(text("3probe"))
				ws.ready()
				ws.goesOn()
			}
		})
		t.Run("during the upgrade", func(t *testing.T) {
			s := openPolling(t, e)
			ws := probe(t, s)
			turnedAway(t, e, socketQuery+"&sid="+s.sid)
			ws.say(text("5"))
			ws.ready()
			ws.goesOn()
		})
		t.Run("of a session that began as a WebSocket", func(t *testing.T) {
			s := openWebSocket(t, e)
			s.ready()
			turnedAway(t, e, socketQuery+"&sid="+s.sid)
			s.goesOn()
		})
	})
}
