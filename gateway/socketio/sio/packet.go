package sio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"beckon/gateway/frames"
	"beckon/gateway/socketio/engineio"
)

// The types of packets.
const (
	packetConnect      = '0'
	packetDisconnect   = '1'
	packetEvent        = '2'
	packetAck          = '3'
	packetConnectError = '4'
	packetBinaryEvent  = '5'
	packetBinaryAck    = '6'
)

const (
	mainNamespace = "/"
	// MaxAttachments is how many binary attachments a packet may have.
	MaxAttachments = 10
	// maxAck is the largest number for an ack, the last that JavaScript counts exactly.
	maxAck       = 1<<53 - 1
	maxNamespace = 256 // bytes
)

// ErrMalformed is the cause of every packet that is none. It ends the client's connection.
var ErrMalformed = errors.New("malformed Socket.IO packet")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// packet is <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]. Its slices are parts of the message.
type packet struct {
	typ         byte
	attachments int
	namespace   string
	ack         AckID
	data        []byte // JSON that has not been looked at; nil for none
}

// AckID is the number under which a client wants an answer to an event: 0 for none, otherwise one more than it said.
type AckID uint64

// parse takes a packet apart.
func parse(msg []byte) (packet, error) {
	p := packet{namespace: mainNamespace}
	if len(msg) == 0 || msg[0] < packetConnect || msg[0] > packetBinaryAck {
		return p, malformed("unknown type")
	}
	p.typ = msg[0]
	rest := msg[1:]
	if p.typ == packetBinaryEvent || p.typ == packetBinaryAck {
		count, after, found := bytes.Cut(rest, []byte{'-'})
		n, ok := number(count, 2)
		if !found || !ok || n < 1 || n > MaxAttachments {
			return p, malformed("attachments")
		}
		p.attachments, rest = int(n), after
	}
	if len(rest) > 0 && rest[0] == '/' {
		name, after, _ := bytes.Cut(rest, []byte{','})
		if len(name) > maxNamespace {
			return p, malformed("namespace too long")
		}
		p.namespace, rest = string(name), after
	}
	digits := 0
	for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		id, ok := number(rest[:digits], len("9007199254740991"))
		if !ok || id > maxAck {
			return p, malformed("ack id too large")
		}
		p.ack, rest = AckID(id+1), rest[digits:]
	}
	if len(rest) > 0 {
		p.data = rest
	}
	return p, nil
}

// number reads decimal digits, at least one and not more than so many.
func number(digits []byte, most int) (uint64, bool) {
	if len(digits) == 0 || len(digits) > most {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	return n, err == nil
}

// reserved are the names that events must not have, because clients use them for their own.
var reserved = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// eventName reads the name that stands first in an event's array. What is behind it is not looked at.
func eventName(array []byte) (string, error) {
	rest, ok := bytes.CutPrefix(skipSpace(array), []byte{'['})
	if !ok {
		return "", malformed("an event is an array")
	}
	rest = skipSpace(rest)
	if len(rest) == 0 || rest[0] != '"' {
		return numberName(rest)
	}
	end := 1
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		return "", malformed("an event without a name")
	}
	var name string
	if plain := rest[1:end]; bytes.IndexByte(plain, '\\') < 0 {
		name = string(plain)
	} else if err := json.Unmarshal(rest[:end+1], &name); err != nil {
		return "", malformed("an event's name")
	}
	if slices.Contains(reserved, name) {
		return "", malformed("a reserved name")
	}
	return name, nil
}

// numberName reads a name that is a number, which the protocol allows.
func numberName(rest []byte) (string, error) {
	end := bytes.IndexAny(rest, ",] \t\r\n")
	if end <= 0 {
		return "", malformed("an event without a name")
	}
	if c := rest[0]; (c != '-' && (c < '0' || c > '9')) || !json.Valid(rest[:end]) {
		return "", malformed("an event's name")
	}
	return string(rest[:end]), nil
}

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// checkAck checks an ack: nobody here asks for one, so it is not taken apart.
func checkAck(p *packet) error {
	if p.ack == 0 || len(p.data) == 0 || p.data[0] != '[' || !json.Valid(p.data) {
		return malformed("ACK")
	}
	return nil
}

// checkPlaceholders checks that every placeholder in data points to an attachment: {"_placeholder":true,"num":0}.
func checkPlaceholders(data []byte, attachments int) error {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return malformed("invalid JSON")
	}
	return eachPlaceholder(v, attachments)
}

func eachPlaceholder(v any, attachments int) error {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			if err := eachPlaceholder(element, attachments); err != nil {
				return err
			}
		}
	case map[string]any:
		if v["_placeholder"] == true {
			if n, ok := v["num"].(float64); !ok || n != float64(int(n)) || n < 0 || int(n) >= attachments {
				return malformed("a placeholder points nowhere")
			}
			return nil
		}
		for _, member := range v {
			if err := eachPlaceholder(member, attachments); err != nil {
				return err
			}
		}
	}
	return nil
}

// Args are an event's arguments, or an ack's: JSON values, in which {"_placeholder":true,"num":n} stands for the n-th
// attachment.
type Args struct {
	Values      []json.RawMessage
	Attachments [][]byte
}

// readArgs reads an array.
func readArgs(array []byte, attachments [][]byte) (Args, error) {
	var values []json.RawMessage
	if err := json.Unmarshal(array, &values); err != nil || values == nil {
		return Args{}, malformed("not a JSON array")
	}
	return Args{Values: values, Attachments: attachments}, nil
}

// BeginEvent appends to b a message that is an event of a namespace, up to its arguments: a comma and JSON for each of
// them, and then a bracket, make it what [Socket.Send] takes. Who tells many the same encodes it so once.
func BeginEvent(b []byte, namespace, name string) []byte {
	b = append(engineio.AppendText(b), packetEvent)
	b = appendNamespace(b, namespace)
	return appendName(append(b, '['), name)
}

// appendName appends a name as a JSON string.
func appendName(b []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(name) // cannot fail: it is a string
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), name...), '"')
}

func appendNamespace(b []byte, namespace string) []byte {
	if namespace == mainNamespace {
		return b
	}
	return append(append(b, namespace...), ',')
}

// encode gives a packet that carries args, and its attachments behind it.
func encode(typ byte, namespace string, id AckID, name string, args Args) []frames.Frame {
	b := engineio.AppendText(nil)
	if n := len(args.Attachments); n == 0 {
		b = append(b, typ)
	} else {
		b = append(b, typ+packetBinaryEvent-packetEvent) // the same distance for acks
		b = append(strconv.AppendInt(b, int64(n), 10), '-')
	}
	b = appendNamespace(b, namespace)
	if id > 0 {
		b = strconv.AppendUint(b, uint64(id-1), 10)
	}
	b = append(b, '[')
	if typ == packetEvent {
		b = appendName(b, name)
	}
	for i, v := range args.Values {
		if i > 0 || typ == packetEvent {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	all := []frames.Frame{frames.Text(append(b, ']'))}
	for _, a := range args.Attachments {
		all = append(all, frames.Frame{Data: a, Binary: true})
	}
	return all
}
