package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// opening is the content of an open packet.
type opening struct {
	SID          string
	Upgrades     []string
	PingInterval int
	PingTimeout  int
	MaxPayload   int
}

// opened reads the open packet, which has exactly the keys that the protocol names and what the server is configured with.
func opened(t testing.TB, e *echoServer, raw string, upgrades ...string) opening {
	t.Helper()
	content, ok := strings.CutPrefix(raw, "0")
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(content), &keys); err != nil || !ok {
		t.Fatalf("open packet %q: %v", raw, err)
	}
	var o opening
	for key, value := range map[string]any{
		"sid": &o.SID, "upgrades": &o.Upgrades, "pingInterval": &o.PingInterval, "pingTimeout": &o.PingTimeout, "maxPayload": &o.MaxPayload,
	} {
		if err := json.Unmarshal(keys[key], value); err != nil {
			t.Errorf("%s in open packet %q: %v", key, raw, err)
		}
		delete(keys, key)
	}
	if len(keys) > 0 {
		t.Errorf("open packet %q has more than it should", raw)
	}
	if len(o.SID) < 16 || o.Upgrades == nil || strings.Join(o.Upgrades, " ") != strings.Join(upgrades, " ") ||
		o.PingInterval != int(e.pingInterval.Milliseconds()) || o.PingTimeout != int(e.pingTimeout.Milliseconds()) || o.MaxPayload != maxPayload {
		t.Fatalf("open packet %q", raw)
	}
	return o
}

// packet is one of Engine.IO's: text with its type in front, or the bytes of a binary message.
type packet struct {
	binary bool
	data   string
}

const separator = "\x1e"

var (
	ping = text("2")
	pong = text("3")
	noop = text("6")
	over = text("1")
)

func text(s string) packet { return packet{false, s} }

func binary(s string) packet { return packet{true, s} }

func texts(s ...string) []packet {
	packets := make([]packet, len(s))
	for i := range s {
		packets[i] = text(s[i])
	}
	return packets
}

func (p packet) String() string {
	if len(p.data) > 200 {
		return fmt.Sprintf("%.200q and more, %d bytes", p.data, len(p.data))
	}
	if p.binary {
		return fmt.Sprintf("% x (binary)", p.data)
	}
	return fmt.Sprintf("%q", p.data)
}

// encode makes a payload of polling.
func encode(packets []packet) string {
	var b strings.Builder
	for i, p := range packets {
		if i > 0 {
			b.WriteString(separator)
		}
		if p.binary {
			b.WriteString("b" + base64.StdEncoding.EncodeToString([]byte(p.data)))
		} else {
			b.WriteString(p.data)
		}
	}
	return b.String()
}

func decode(payload string) ([]packet, error) {
	var packets []packet
	for raw := range strings.SplitSeq(payload, separator) {
		if encoded, ok := strings.CutPrefix(raw, "b"); ok {
			data, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return nil, fmt.Errorf("packet %q: %w", raw, err)
			}
			packets = append(packets, binary(string(data)))
			continue
		}
		packets = append(packets, text(raw))
	}
	return packets, nil
}
