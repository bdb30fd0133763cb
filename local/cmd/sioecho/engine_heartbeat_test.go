package main

import (
	"net/http"
	"testing"
	"time"
)

// early is how much of a time the handshake's way to us may take.
const early = pingInterval / 3

func TestHeartbeatKeepsASession(t *testing.T) {
	inHaste(t, func(t *testing.T, e *echoServer) {
		steadilyOnEach(t, e, func(t testing.TB, open func() *session) {
			s := open()
			s.ready()
			for range 3 {
				since := time.Now()
				s.isPinged()
				if d := time.Since(since); d < pingInterval-early {
					t.Errorf("a ping after %v", d)
				}
				s.say(pong)
			}
			s.goesOn()
		})
	})
}

// The session is over the very moment that its time is: who asks then is told so.
func TestPollingSessionIsClosedUponPingTimeout(t *testing.T) {
	inHaste(t, func(t *testing.T, e *echoServer) {
		t.Parallel()
		steadily(t, func(t testing.TB) {
			var urls []string
			var since []time.Time
			for range 20 {
				urls = append(urls, openPolling(t, e).transport.(*polling).url)
				since = append(since, time.Now())
			}
			for i, url := range urls {
				until(t, since[i].Add(pingInterval+pingTimeout))
				if i%2 == 0 {
					get(t, url).refusal(t, 1, "Session ID unknown")
				} else {
					post(t, url, "3").refusal(t, 1, "Session ID unknown")
				}
			}
		})
	})
}

func TestWaitingPollIsReleasedUponPingTimeout(t *testing.T) {
	inHaste(t, func(t *testing.T, e *echoServer) {
		t.Parallel()
		steadily(t, func(t testing.TB) {
			url := openPolling(t, e).transport.(*polling).url
			get(t, url).is(t, http.StatusOK, "2")
			since := time.Now()
			get(t, url).is(t, http.StatusOK, "1")
			if d := time.Since(since); d < pingTimeout-early {
				t.Errorf("closed %v after the ping", d)
			}
			get(t, url).refusal(t, 1, "Session ID unknown")
		})
	})
}

func TestWebSocketSessionIsClosedUponPingTimeout(t *testing.T) {
	inHaste(t, func(t *testing.T, e *echoServer) {
		t.Parallel()
		steadily(t, func(t testing.TB) {
			s := openWebSocket(t, e)
			s.isPinged()
			since := time.Now()
			s.isCut()
			if d := time.Since(since); d < pingTimeout-early {
				t.Errorf("closed %v after the ping", d)
			}
		})
	})
}
