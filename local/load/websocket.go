package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// What a storm's clients need of WebSocket (RFC 6455). There are ten thousand of them, and they share the machine with the
// gateway: a library's buffers and copies would cost more than what is measured.

// handshakeKey is every client's: nothing here needs it to be fresh. handshakeAccept is the answer to it (section 4.2.2).
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

var endOfHeader = []byte("\r\n\r\n")

// appendHandshake appends the request for an upgrade.
func appendHandshake(b []byte, host, path string) []byte {
	return fmt.Appendf(b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", path, host, handshakeKey)
}

// checkHandshake says what is wrong with the header of the answer.
func checkHandshake(header []byte) error {
	status, fields, _ := bytes.Cut(header, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("the answer is %.100q", status)
	}
	if !bytes.Contains(fields, []byte(handshakeAccept)) {
		return errors.New("the answer is to another request")
	}
	return nil
}

// The opcodes (section 5.2).
const (
	opText  = 1
	opClose = 8
	opPing  = 9
)

// maxFrame is more than any frame of a gateway has.
const maxFrame = 16 << 20

// wsFrame is one frame of a server.
type wsFrame struct {
	op      byte
	payload []byte // part of what it was read from
}

// frameLength is how long the frame at the front of b is, its header included; 0 if b is too short to tell. Servers do
// not mask (section 5.1), and the gateways neither fragment nor compress.
func frameLength(b []byte) (header, whole int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	const finBit, maskBit = 0x80, 0x80
	if b[0]&^0x0f != finBit || b[1]&maskBit != 0 {
		return 0, 0, fmt.Errorf("a frame that begins with %#x", b[:2])
	}
	header, payload := 2, uint64(b[1])
	switch payload {
	case 126:
		if header = 4; len(b) < header {
			return 0, 0, nil
		}
		payload = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if header = 10; len(b) < header {
			return 0, 0, nil
		}
		payload = binary.BigEndian.Uint64(b[2:])
	}
	if payload > maxFrame {
		return 0, 0, fmt.Errorf("a frame of %d bytes", payload)
	}
	return header, header + int(payload), nil
}

// cutFrame takes a frame off the front of b; false if it is not there whole.
func cutFrame(b []byte) (f wsFrame, rest []byte, ok bool, err error) {
	header, whole, err := frameLength(b)
	if err != nil || whole == 0 || len(b) < whole {
		return wsFrame{}, b, false, err
	}
	return wsFrame{op: b[0] & 0x0f, payload: b[header:whole]}, b[whole:], true, nil
}

// pong is the answer to a ping of that payload, masked with zeros.
func pong(payload []byte) []byte {
	const finPong, maskBit = 0x8a, 0x80
	return append([]byte{finPong, maskBit | byte(len(payload)), 0, 0, 0, 0}, payload...)
}
