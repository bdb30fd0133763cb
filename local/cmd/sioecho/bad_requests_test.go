package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestForeignSessionIDs(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, sid := range map[string]string{
			"a property of every object":         "__proto__",
			"another property of every object":   "constructor",
			"a method of every object":           "hasOwnProperty",
			"null":                               "null",
			"white space":                        " ",
			"a NUL":                              "\x00",
			"bytes that are no UTF-8":            "\xff\xfe",
			"a path":                             "../../etc/passwd",
			"lines":                              "a\r\nSet-Cookie: b=c",
			"long":                               strings.Repeat("x", 100_000),
			"the start of one that is there":     openWebSocket(t, e).sid[:8],
			"one that is there, and more":        openWebSocket(t, e).sid + "x",
			"one that is there, in a wrong case": swapCase(openWebSocket(t, e).sid),
		} {
			t.Run(name, func(t *testing.T) {
				sid := "&sid=" + url.QueryEscape(sid)
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					request(t, method, e.url(pollingQuery+sid), "").refusal(t, 1, "Session ID unknown")
				}
				_, a, err := dialSocket(t, e, socketQuery+sid)
				if err == nil {
					t.Fatal("a WebSocket was made")
				}
				a.refusal(t, 1, "Session ID unknown")
			})
		}
		t.Run("empty", func(t *testing.T) { // no id at all, or one that nobody has
			if a := get(t, e.url(pollingQuery+"&sid=")); a.status == http.StatusOK {
				opened(t, e, a.body, "websocket")
			} else {
				a.refusal(t, 1, "Session ID unknown")
			}
		})
		e.serves(t)
	})
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// The sid of Socket.IO is told to others. It opens nothing.
func TestSocketIOSessionIDIsNoKey(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		victim := open()
		for _, namespace := range []string{"", "/custom,"} {
			sid := "&sid=" + url.QueryEscape(victim.connect(namespace))
			get(t, socketio.url(pollingQuery+sid)).refusal(t, 1, "Session ID unknown")
			post(t, socketio.url(pollingQuery+sid), "1").refusal(t, 1, "Session ID unknown")
			_, a, err := dialSocket(t, socketio, socketQuery+sid)
			if err == nil {
				t.Fatal("a WebSocket was made")
			}
			a.refusal(t, 1, "Session ID unknown")
		}
		victim.goesOn()
	})
}

// A session that began as a WebSocket has no polling.
func TestPollingOfAWebSocketSession(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		s := openWebSocket(t, e)
		s.ready()
		get(t, e.url(pollingQuery+"&sid="+s.sid)).badRequest(t)
		post(t, e.url(pollingQuery+"&sid="+s.sid), "1").badRequest(t)
		s.goesOn()
	})
}

// The version is a matter of the handshake.
func TestVersionAtTheUpgradeIsIgnored(t *testing.T) {
	inQuiet(t, func(t *testing.T, e *echoServer) {
		for name, version := range map[string]string{"changed": "EIO=3&", "of nonsense": "EIO=abc&", "empty": "EIO=&", "omitted": ""} {
			t.Run(name, func(t *testing.T) {
				s := openPolling(t, e)
				ws := dial(t, e, version+"transport=websocket&sid="+s.sid)
				ws.sid = s.sid
				ws.say(text("2probe"))
				ws.hears(text("3probe"))
				get(t, e.url(version+"transport=polling&sid="+s.sid)).is(t, http.StatusOK, "6")
				ws.say(text("5"))
				ws.ready()
				ws.goesOn()
			})
		}
	})
}

func TestOtherMethodsInASession(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, "BREW"} {
			t.Run(method, func(t *testing.T) {
				s := openPolling(t, e)
				s.ready()
				request(t, method, s.transport.(*polling).url, "4hello").badRequest(t)
				s.goesOnOrEnds()
			})
		}
		e.serves(t)
	})
}

func TestPollWithABody(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		request(t, http.MethodGet, e.url(pollingQuery), "4hello").badRequest(t)
		s := openPolling(t, e)
		s.ready()
		request(t, http.MethodGet, s.transport.(*polling).url, "4hello").badRequest(t)
		s.goesOnOrEnds()
	})
}

func TestPostThatIsTooLong(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, test := range map[string]struct {
			bytes   int
			chunked bool
		}{
			"2 MB":                       {2_000_000, false},
			"2 MB of unknown length":     {2_000_000, true},
			"one byte":                   {maxPayload + 1, false},
			"one byte of unknown length": {maxPayload + 1, true},
		} {
			t.Run(name, func(t *testing.T) {
				s := openPolling(t, e)
				s.ready()
				var body io.Reader = strings.NewReader("4" + strings.Repeat("x", test.bytes-1))
				if test.chunked {
					body = io.MultiReader(body) // whose length net/http does not know
				}
				req, err := http.NewRequestWithContext(limited(t), http.MethodPost, s.transport.(*polling).url, body)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("%s, want 413", resp.Status)
				}
				s.goesOnOrEnds()
				e.serves(t)
			})
		}
	})
}

func TestWebSocketMessageThatIsTooLong(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, p := range map[string]packet{
			"text":   text("4" + strings.Repeat("x", maxPayload)),
			"binary": binary(strings.Repeat("x", maxPayload+1)),
		} {
			t.Run(name, func(t *testing.T) {
				s := openWebSocket(t, e)
				s.try(p)
				s.ends()
			})
		}
		e.serves(t)
	})
}

func TestOctetStream(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		request(t, http.MethodPost, s.transport.(*polling).url, "\x04hello", "Content-Type", "application/octet-stream").badRequest(t)
		s.goesOnOrEnds()
		e.serves(t)
	})
}

// raw is a connection on which nothing has been said.
func (e *echoServer) raw(t testing.TB) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(limited(t), "tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// abortedPoll is a GET whose client has gone before it is answered.
func abortedPoll(t testing.TB, s *session) {
	t.Helper()
	conn := s.e.raw(t)
	if _, err := fmt.Fprintf(conn, "GET %s?%s&sid=%s HTTP/1.1\r\nHost: %s\r\n\r\n", s.e.path, pollingQuery, s.sid, s.e.addr); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// half is a POST of which the server has seen no more than the start: it has begun to read the body.
func half(t testing.TB, s *session, start string, length int) net.Conn {
	t.Helper()
	conn := s.e.raw(t)
	// The server asks for the body when it wants to read it.
	if _, err := fmt.Fprintf(conn, "POST %s?%s&sid=%s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		s.e.path, pollingQuery, s.sid, s.e.addr, length); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("POST is answered by %q: %v", line, err)
	}
	if _, err := io.WriteString(conn, start); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestTwoPostsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		half(t, s, "4he", len("4hello"))
		post(t, s.transport.(*polling).url, "4hello").badRequest(t)
		s.ends()
		e.serves(t)
	})
}

func TestAbortedPost(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		half(t, s, "4he", len("4hello")).Close()
		s.goesOnOrEnds()
		e.serves(t)
	})
}

func TestAbortedPollClosesTheSession(t *testing.T) {
	inQuiet(t, func(t *testing.T, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		abortedPoll(t, s)
		// Another poll would be one too many, and time must not be what ends the session.
		for deadline := time.Now().Add(patience); ; {
			a := post(t, s.transport.(*polling).url, "3")
			if a.status == http.StatusBadRequest {
				a.refusal(t, 1, "Session ID unknown")
				break
			}
			a.is(t, http.StatusOK, "ok")
			if time.Now().After(deadline) {
				t.Fatal("the session is still open")
			}
		}
		e.serves(t)
	})
}

func TestBadWebSocketFrames(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, frame := range map[string][]byte{
			"not masked":              {0x81, 0x01, '2'},
			"reserved bits":           {0xf1, 0x81, 0, 0, 0, 0, '3'},
			"unknown opcode":          {0x83, 0x81, 0, 0, 0, 0, '3'},
			"continuation of nothing": {0x80, 0x81, 0, 0, 0, 0, '3'},
			"control frame in pieces": {0x09, 0x80, 0, 0, 0, 0},
			"ping that is too long":   append([]byte{0x89, 0xfe, 0, 126, 0, 0, 0, 0}, make([]byte, 126)...),
			"negative length":         {0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		} {
			t.Run(name, func(t *testing.T) {
				s := openWebSocket(t, e)
				if _, err := s.transport.(socket).NetConn().Write(frame); err != nil {
					t.Fatal(err)
				}
				s.isCut()
			})
		}
		t.Run("invalid close code", func(t *testing.T) {
			s := openWebSocket(t, e)
			if err := s.transport.(socket).WriteMessage(websocket.CloseMessage, []byte{0, 1}); err != nil {
				t.Fatal(err)
			}
			s.isCut()
		})
		e.serves(t)
	})
}

func TestPagesOfOtherOrigins(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		origin := []string{"Origin", "https://elsewhere.example"}
		t.Run("preflight", func(t *testing.T) {
			a := request(t, http.MethodOptions, e.url(pollingQuery), "", append(origin,
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")...)
			if a.status/100 != 2 || a.body != "" {
				t.Errorf("%v", a)
			}
			if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" && got != origin[1] {
				t.Errorf("allowed origin %q", got)
			}
			if got := a.header.Get("Access-Control-Allow-Methods"); !strings.Contains(got, "POST") || !strings.Contains(got, "GET") {
				t.Errorf("allowed methods %q", got)
			}
			if got := a.header.Get("Access-Control-Allow-Headers"); got != "*" && !strings.Contains(strings.ToLower(got), "content-type") {
				t.Errorf("allowed headers %q", got)
			}
		})
		t.Run("preflight in a session", func(t *testing.T) {
			s := openPolling(t, e)
			s.ready()
			a := request(t, http.MethodOptions, s.transport.(*polling).url, "", append(origin, "Access-Control-Request-Method", "POST")...)
			if got := a.header.Get("Access-Control-Allow-Origin"); a.status/100 != 2 || got != "*" && got != origin[1] {
				t.Errorf("%v, allowed origin %q", a, got)
			}
			s.goesOn()
		})
		t.Run("requests", func(t *testing.T) {
			open := request(t, http.MethodGet, e.url(pollingQuery), "", origin...)
			url := e.url(pollingQuery + "&sid=" + opened(t, e, open.body, "websocket").SID)
			for what, a := range map[string]answer{
				"handshake": open,
				"POST":      request(t, http.MethodPost, url, "3", origin...),
				"refusal":   request(t, http.MethodGet, e.url(pollingQuery+"&sid=unknown"), "", origin...),
				"GET":       request(t, http.MethodGet, url, "", origin...), // waits for the ping
			} {
				if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" && got != origin[1] {
					t.Errorf("%s: allowed origin %q", what, got)
				}
			}
		})
		t.Run("WebSocket", func(t *testing.T) {
			conn, _, err := websocket.DefaultDialer.DialContext(limited(t), "ws"+strings.TrimPrefix(e.url(socketQuery), "http"), http.Header{"Origin": {origin[1]}})
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		})
	})
}

// Requests that are no HTTP, or not all of it, harm nobody.
func TestBrokenRequests(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for name, raw := range map[string]string{
			"no HTTP":                  "hello\r\n\r\n",
			"half a request":           "GET " + e.path + "?" + pollingQuery,
			"a broken query":           "GET " + e.path + "?%zz&EIO=4;transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
			"half an upgrade":          "GET " + e.path + "?" + socketQuery + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
			"an upgrade by POST":       "POST " + e.path + "?" + socketQuery + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n\r\n",
			"an upgrade of long ago":   "GET " + e.path + "?" + socketQuery + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			"an upgrade without a key": "GET " + e.path + "?" + socketQuery + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				conn := e.raw(t)
				if _, err := io.WriteString(conn, raw); err != nil {
					t.Fatal(err)
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				said, err := io.ReadAll(conn)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.HasPrefix(said, []byte("HTTP/1.1 200")) || bytes.HasPrefix(said, []byte("HTTP/1.1 101")) {
					t.Errorf("it is answered by %q", said)
				}
			})
		}
		e.serves(t)
	})
}
