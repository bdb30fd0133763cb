package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestHandshakeOpensASession(t *testing.T) {
	inHaste(t, func(t *testing.T, e *echoServer) {
		t.Run("polling", func(t *testing.T) {
			first := get(t, e.url(pollingQuery))
			if first.status != http.StatusOK || first.header.Get("Content-Type") != "text/plain; charset=UTF-8" || first.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%v with %v", first, first.header)
			}
			second := get(t, e.url(pollingQuery+"&t=ignored"))
			if opened(t, e, first.body, "websocket").SID == opened(t, e, second.body, "websocket").SID {
				t.Error("two sessions have the same id")
			}
		})
		t.Run("WebSocket", func(t *testing.T) {
			if first, second := openWebSocket(t, e), openWebSocket(t, e); first.sid == second.sid {
				t.Error("two sessions have the same id")
			}
		})
	})
}

// handshakes are queries of handshakes that fail on either transport.
var handshakes = []struct {
	name, query string
	code        int
	message     string
}{
	{"no EIO", "transport=TRANSPORT", 5, "Unsupported protocol version"},
	{"empty EIO", "EIO=&transport=TRANSPORT", 5, "Unsupported protocol version"},
	{"EIO is no number", "EIO=abc&transport=TRANSPORT", 5, "Unsupported protocol version"},
	{"EIO of the version before", "EIO=3&transport=TRANSPORT", 5, "Unsupported protocol version"},
	{"EIO of a version to come", "EIO=5&transport=TRANSPORT", 5, "Unsupported protocol version"},
	{"no transport", "EIO=4", 0, "Transport unknown"},
	{"empty transport", "EIO=4&transport=", 0, "Transport unknown"},
	{"unknown transport", "EIO=4&transport=abc", 0, "Transport unknown"},
	{"transport in capitals", "EIO=4&transport=Polling", 0, "Transport unknown"},
	{"transport that is a property of every object", "EIO=4&transport=__proto__", 0, "Transport unknown"},
	{"transport that this server has not", "EIO=4&transport=webtransport", 0, "Transport unknown"},
	{"unknown sid", "EIO=4&transport=TRANSPORT&sid=abc", 1, "Session ID unknown"},
}

func TestHandshakeFailsWithABadQuery(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for _, h := range handshakes {
			t.Run(h.name, func(t *testing.T) {
				get(t, e.url(strings.ReplaceAll(h.query, "TRANSPORT", "polling"))).refusal(t, h.code, h.message)
				_, a, err := dialSocket(t, e, strings.ReplaceAll(h.query, "TRANSPORT", "websocket"))
				if err == nil {
					t.Fatal("a WebSocket was made")
				}
				a.refusal(t, h.code, h.message)
			})
		}
	})
}

func TestHandshakeFailsWithABadMethod(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "BREW"} {
			t.Run(method, func(t *testing.T) {
				request(t, method, e.url(pollingQuery), "").refusal(t, 2, "Bad handshake method")
			})
		}
		t.Run(http.MethodHead, func(t *testing.T) {
			request(t, http.MethodHead, e.url(pollingQuery), "").badRequest(t)
		})
	})
}

func TestHandshakeFailsWhereTransportAndRequestDiffer(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		t.Run("websocket without an upgrade", func(t *testing.T) {
			get(t, e.url(socketQuery)).refusal(t, 3, "Bad request")
		})
		t.Run("an upgrade for polling", func(t *testing.T) {
			if _, a, err := dialSocket(t, e, pollingQuery); err == nil || a.status == http.StatusSwitchingProtocols {
				t.Fatalf("a WebSocket was made: %v", a)
			}
		})
	})
}
