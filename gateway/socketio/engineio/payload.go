package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"beckon/gateway/frames"
)

// The types of packets.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
	packetBinary  = 'b' // a binary message in a payload: base64 (RFC 4648, section 4) follows
)

// separator stands between the packets of a payload.
const separator = '\x1e'

// maxPackets bounds the packets of a payload. A client that was away for a while has some hundred to say.
const maxPackets = 10_000

var (
	errMalformed = errors.New("malformed packet")
	errMany      = fmt.Errorf("more than %d packets in a payload", maxPackets)
)

// Message makes a message what [Session.Send] takes.
func Message(data []byte, binary bool) frames.Frame {
	if binary {
		return frames.Frame{Data: data, Binary: true}
	}
	return frames.Text(append(AppendText(make([]byte, 0, 1+len(data))), data...))
}

// AppendText appends the beginning of a text message to b; what follows is the message. Whoever tells many sessions the
// same encodes it so once.
func AppendText(b []byte) []byte { return append(b, packetMessage) }

// appendPayload appends frames as a payload.
func appendPayload(b []byte, all []frames.Frame) []byte {
	for i, f := range all {
		if i > 0 {
			b = append(b, separator)
		}
		if f.Binary {
			b = base64.StdEncoding.AppendEncode(append(b, packetBinary), f.Data)
		} else {
			b = append(b, f.Data...)
		}
	}
	return b
}

// payloadSize is how many bytes appendPayload appends.
func payloadSize(all []frames.Frame) int {
	n := len(all)
	for _, f := range all {
		if f.Binary {
			n += 1 + base64.StdEncoding.EncodedLen(len(f.Data))
		} else {
			n += len(f.Data)
		}
	}
	return n
}

// eachPacket calls take with each packet of a payload until one fails.
func eachPacket(payload []byte, take func(packet []byte) error) error {
	if bytes.Count(payload, []byte{separator}) >= maxPackets {
		return errMany
	}
	for {
		packet, rest, more := bytes.Cut(payload, []byte{separator})
		if err := take(packet); err != nil || !more {
			return err
		}
		payload = rest
	}
}

// decodeBinary reads what follows packetBinary.
func decodeBinary(text []byte) ([]byte, error) {
	if bytes.ContainsAny(text, "\r\n") { // which the decoder would pass over
		return nil, errMalformed
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return data[:n], nil
}
