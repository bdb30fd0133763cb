package wire

import (
	"fmt"
	"strings"
	"testing"
)

// benchSDP is a session description of a common size, as it stands in a frame: line breaks escaped.
var benchSDP = func() string {
	sdp := "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
	for i := 96; len(sdp) < 2500; i++ {
		sdp += fmt.Sprintf("a=rtpmap:%d VP8/90000\r\na=rtcp-fb:%d goog-remb\r\n", i, i)
	}
	return string(Quote(sdp))
}()

var (
	benchOffer     = `{"to":"bob","callId":"call-1","offerSDP":` + benchSDP + `,"offerType":"offer","audioOnly":false}`
	benchCandidate = `{"to":"bob","toSession":"K2TQ7A0SPMZVWX34","candidate":"candidate:842163049 1 udp 1677729535 ` +
		`203.0.113.7 46154 typ srflx raddr 10.0.0.7 rport 46154 generation 0 ufrag EsAw network-cost 999",` +
		`"sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"EsAw"}`
)

func benchSignal(b testing.TB) Signal {
	r := NewReader([]byte(benchOffer))
	defer r.Free()
	req, err := ReadRequest(r, Offer)
	if err != nil {
		b.Fatal(err)
	}
	return Signal{
		Kind: req.Kind, From: Quote("alice"), FromSession: "K2TQ7A0SPMZVWX34", ToSession: "Q7AK2T0SPMZVWX34",
		CallID: req.CallID, Body: req.Body,
	}
}

func BenchmarkReadRequest(b *testing.B) {
	for _, c := range []struct {
		kind  Kind
		frame string
	}{{Offer, benchOffer}, {ICECandidate, benchCandidate}} {
		b.Run(c.kind.String(), func(b *testing.B) {
			frame := []byte(c.frame)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(frame)
				if _, err := ReadRequest(r, c.kind); err != nil {
					b.Fatal(err)
				}
				r.Free()
			}
		})
	}
}

func BenchmarkAppendSignal(b *testing.B) {
	s := benchSignal(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendSignal(buf[:0], &s)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkReadSignal(b *testing.B) {
	s := benchSignal(b)
	msg := AppendSignal(nil, &s)
	for name, read := range map[string]func([]byte) (Signal, error){"gateway's": ReadSignal, "backend's": ReadForeignSignal} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOutcomes(b *testing.B) {
	outcomes := NewOutcomes("gateway-1", "K2TQ7A0SPMZVWX34")
	b.Run("Reply", func(b *testing.B) {
		b.ReportAllocs()
		for n := uint64(1 << 20); b.Loop(); n++ {
			outcomes.Reply(n)
		}
	})
	reply := outcomes.Reply(1 << 20)
	b.Run("OutcomeReply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, ok := OutcomeReply(reply); !ok {
				b.Fatal("not understood")
			}
		}
	})
}

func BenchmarkAppendGathered(b *testing.B) {
	delivered := make([]uint64, 40)
	for i := range delivered {
		delivered[i] = uint64(1<<20 + i)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendGathered(buf[:0], "gateway-1", delivered)
	}
}

func BenchmarkToken(b *testing.B) {
	for name, user := range map[string]string{"plain": "alice", "encoded": "Ünï", "longest": strings.Repeat("ü", MaxUserID/2)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Token(user)
			}
		})
	}
}
