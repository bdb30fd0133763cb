package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"beckon/gateway/frames"
)

func TestPayload(t *testing.T) {
	got := appendPayload(nil, []frames.Frame{Message([]byte("hello"), false), Message([]byte{1, 2, 3, 4}, true), frames.Text([]byte("2"))})
	if want := "4hello\x1ebAQIDBA==\x1e2"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is put into a payload comes out of it.
func TestPayloadRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) frames.Frame {
			data := rapid.SliceOf(rapid.Byte().Filter(func(b byte) bool { return b != separator })).Draw(t, "data")
			return Message(data, rapid.Bool().Draw(t, "binary"))
		}), 1, 10).Draw(t, "frames")
		payload := appendPayload(nil, all)
		if n := payloadSize(all); n < len(payload) || n > len(payload)+1 {
			t.Errorf("%d bytes, %d expected", len(payload), n)
		}
		if err := eachPacket(payload, func(packet []byte) error {
			f := all[0]
			all = all[1:]
			if !f.Binary {
				if !bytes.Equal(packet, f.Data) {
					t.Errorf("%q, want %q", packet, f.Data)
				}
				return nil
			}
			data, err := decodeBinary(packet[1:])
			if packet[0] != packetBinary || !bytes.Equal(data, f.Data) {
				t.Errorf("%q gives %q, want %q", packet, data, f.Data)
			}
			return err
		}); err != nil || len(all) > 0 {
			t.Errorf("%d packets are missing, error %v", len(all), err)
		}
	})
}

func TestBadBinary(t *testing.T) {
	for _, text := range []string{"A", "AQ", "AQ=", "AQ==A", "AQ= =", "AQ==\n", "\nAQ==", "AQIDBA", "AR==", "A-_A", "ä===", "===="} {
		if data, err := decodeBinary([]byte(text)); !errors.Is(err, errMalformed) {
			t.Errorf("%q gives %q, error %v", text, data, err)
		}
	}
}

func TestTooManyPackets(t *testing.T) {
	count := 0
	take := func([]byte) error {
		count++
		return nil
	}
	payload := []byte(strings.Repeat("6\x1e", maxPackets-1) + "6")
	if err := eachPacket(payload, take); err != nil || count != maxPackets {
		t.Errorf("%d packets, error %v", count, err)
	}
	count = 0
	if err := eachPacket(append(payload, separator), take); !errors.Is(err, errMany) || count > 0 {
		t.Errorf("%d packets, error %v", count, err)
	}
}

// A payload's packets are its parts, and what is decoded is what another decoder finds.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{"4hello", "4hello\x1ebAQIDBA==", "\x1e", "", "2probe", "b", "b====", "4\x1e\x1e4", "4\xff\x1e1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		var again [][]byte
		err := eachPacket(payload, func(packet []byte) error {
			again = append(again, packet)
			if len(packet) == 0 || packet[0] != packetBinary {
				return nil
			}
			data, err := decodeBinary(packet[1:])
			if err == nil && base64.StdEncoding.EncodeToString(data) != string(packet[1:]) {
				t.Errorf("%q was taken as %q", packet, data)
			}
			return nil
		})
		if !bytes.Equal(payload, before) {
			t.Errorf("%q was changed to %q", before, payload)
		}
		if err == nil && !bytes.Equal(bytes.Join(again, []byte{separator}), payload) {
			t.Errorf("%q became %q", payload, again)
		}
	})
}
