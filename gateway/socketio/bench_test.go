package socketio

import (
	"strings"
	"testing"

	"beckon/shared/wire"
)

// benchmarked are events of the usual size, by kind.
var benchmarked = map[wire.Kind]string{
	wire.Offer: `["offer",{"to":"bob","from":"alice","offerSDP":"` + strings.Repeat(`a=rtpmap:111 opus/48000/2\r\n`, 100) +
		`","offerType":"offer","audioOnly":false}]`,
	wire.ICECandidate: `["iceCandidate",{"to":"bob","candidate":"candidate:842163049 1 udp 1677729535 192.0.2.1 50000 typ srflx raddr 10.0.0.1 ` +
		`rport 50000 generation 0 ufrag a1b2 network-cost 999","sdpMid":"0","sdpMLineIndex":0}]`,
}

// BenchmarkRelay is the whole path of a signal in one process: WebSocket, door, NATS, door, WebSocket.
func BenchmarkRelay(b *testing.B) {
	for kind, event := range benchmarked {
		b.Run(kind.String(), func(b *testing.B) {
			f := startDoor(b, setup{options: unlimited})
			alice, bob := f.login(webSocket, "alice"), f.login(webSocket, "bob")
			const ahead = 64 // events under way at a time
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			under := 0
			for b.Loop() {
				alice.emit(event)
				if under++; under < ahead {
					continue
				}
				for ; under > 0; under-- {
					for isList(bob.packet()) {
					}
				}
			}
		})
	}
}

func BenchmarkReadRequest(b *testing.B) {
	for kind, event := range benchmarked {
		b.Run(kind.String(), func(b *testing.B) {
			text := []byte(event)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readRequest(text, kind); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeSignal(b *testing.B) {
	for kind, event := range benchmarked {
		b.Run(kind.String(), func(b *testing.B) {
			req, err := readRequest([]byte(event), kind)
			if err != nil {
				b.Fatal(err)
			}
			s := &wire.Signal{Kind: kind, From: wire.Quote("alice"), FromSession: "s1", Body: req.Body}
			b.SetBytes(int64(len(req.Body)))
			b.ReportAllocs()
			for b.Loop() {
				encodeSignal(s, "bob")
			}
		})
	}
}
