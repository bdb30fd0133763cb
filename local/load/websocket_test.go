package load

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"pgregory.net/rapid"
)

// serverFrame is a frame as servers write them.
func serverFrame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

func TestFramesAreCutWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := bytes.Repeat([]byte("x"), rapid.SampledFrom([]int{0, 1, 125, 126, 65535, 65536, 100_000}).Draw(t, "length"))
		raw := serverFrame(opText, payload)
		short := rapid.IntRange(0, len(raw)-1).Draw(t, "short")
		if _, rest, ok, err := cutFrame(raw[:short]); ok || err != nil || len(rest) != short {
			t.Fatalf("%d bytes of %d: %v, %v, %d left", short, len(raw), ok, err, len(rest))
		}
		f, rest, ok, err := cutFrame(append(raw, "rest"...))
		if !ok || err != nil || f.op != opText || !bytes.Equal(f.payload, payload) || string(rest) != "rest" {
			t.Fatalf("%v, %v, opcode %d, %d bytes, %q left", ok, err, f.op, len(f.payload), rest)
		}
	})
}

func TestFramesThatNoGatewaySends(t *testing.T) {
	for what, raw := range map[string][]byte{
		"masked":     {0x81, 0x80, 0, 0, 0, 0},
		"fragment":   {0x01, 0x00},
		"compressed": {0xc1, 0x00},
		"endless":    {0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0},
	} {
		if _, _, _, err := cutFrame(raw); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestHandshakeAnswers(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + handshakeAccept + "\r\n\r\n"
	if err := checkHandshake([]byte(good)); err != nil {
		t.Error(err)
	}
	for answer, says := range map[string]string{
		"HTTP/1.1 503 Service Unavailable\r\n\r\n":         "503",
		strings.Replace(good, handshakeAccept, "AAAA=", 1): "another",
		"": "answer",
	} {
		if err := checkHandshake([]byte(answer)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// What is written by hand must be what a real server takes.
func TestHandshakeAndPongArrive(t *testing.T) {
	ponged := make(chan string, 1) // filled once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.SetPongHandler(func(data string) error {
			ponged <- data
			return io.EOF
		})
		if err := conn.WriteMessage(websocket.PingMessage, []byte("are you there")); err != nil {
			t.Error(err)
		}
		_, _, _ = conn.ReadMessage() // until the pong
	}))
	defer server.Close()
	c := newCrowd(t.Context(), strings.TrimPrefix(server.URL, "http://"), 1, false)
	defer c.close()
	g := c.guests[0]
	if err := g.login(t.Context(), c.gateway, stormRoom, false); err != nil {
		t.Fatal(err)
	}
	if err := g.read(c); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("the end of the connection: %v", err)
	}
	if data := <-ponged; data != "are you there" {
		t.Errorf("pong %q", data)
	}
}
