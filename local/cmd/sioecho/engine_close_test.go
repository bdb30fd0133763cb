package main

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
)

func TestClientClosesAPollingSession(t *testing.T) {
	inQuiet(t, func(t *testing.T, e *echoServer) {
		// The close packet may overtake the poll, which then comes too late: again.
		for range 20 {
			url := openPolling(t, e).transport.(*polling).url
			poll := waiting(t, url)
			post(t, url, "1").is(t, http.StatusOK, "ok")
			a := poll.answer(t)
			get(t, url).refusal(t, 1, "Session ID unknown")
			if a.status != http.StatusBadRequest {
				a.is(t, http.StatusOK, "6")
				return
			}
		}
		t.Fatal("no poll was waiting in time, or none is released")
	})
}

func TestClientClosesAPollingSessionWithoutAPoll(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		url := openPolling(t, e).transport.(*polling).url
		post(t, url, "1").is(t, http.StatusOK, "ok")
		get(t, url).refusal(t, 1, "Session ID unknown")
		post(t, url, "3").refusal(t, 1, "Session ID unknown")
	})
}

func TestClientClosesAWebSocketSession(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		t.Run("by a packet", func(t *testing.T) {
			s := openWebSocket(t, e)
			s.say(text("1"))
			s.ends()
		})
		t.Run("by a close frame", func(t *testing.T) {
			s := openWebSocket(t, e)
			frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			if err := s.transport.(socket).WriteMessage(websocket.CloseMessage, frame); err != nil {
				t.Fatal(err)
			}
			s.ends()
		})
	})
}
