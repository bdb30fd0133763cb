package load

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	// sdpBytes is the length of a session description, as browsers make them for audio and video.
	sdpBytes = 2500
	// candidates is how many each side sends in a call.
	candidates = 5
)

// A stamp tells the messages of a peer apart and says when each was to be sent: the number of the message among all that
// the peer has sent, from 1, and nanoseconds of the load's clock, both in decimal with leading zeros. Its length never
// changes, and it fits where it stands: an ICE foundation has up to 32 characters (RFC 8839, section 5.1).
const (
	numberDigits = 10
	timeDigits   = 15 // eleven days
	stampLen     = numberDigits + timeDigits
)

func putStamp(b []byte, number, at int64) {
	putDigits(b[:numberDigits], number)
	putDigits(b[numberDigits:stampLen], at)
}

// cutStamp takes a stamp off the front of b.
func cutStamp(b []byte) (number, at int64, rest []byte, ok bool) {
	if len(b) < stampLen {
		return 0, 0, nil, false
	}
	number, ok1 := digits(b[:numberDigits])
	at, ok2 := digits(b[numberDigits:stampLen])
	return number, at, b[stampLen:], ok1 && ok2
}

func putDigits(b []byte, n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

func digits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// message is what a peer sends over and over, with another stamp each time.
type message struct {
	frame     []byte // as it is sent; the places of stamp and id are overwritten each time
	stamp, id int    // where they begin; id is 0 if the frame has none

	// How it arrives: the event, the member that says who sent it, nil if none does, and the member that has the stamp, as
	// the text before the stamp and the text behind it, which is every peer's own.
	event         string
	from          []byte
	before, after []byte
}

// wording is how a frame is worded around its event and the members of its data.
type wording struct{ head, data, tail string }

// event is the event of a frame; nil if it is not there.
func (w *wording) event(frame []byte) []byte {
	rest, ok := bytes.CutPrefix(frame, []byte(w.head))
	if !ok {
		return nil
	}
	event, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return nil
	}
	return event
}

const hole = "@STAMP@" // stands for the stamp in the texts below; no JSON escape changes it

// writer makes the messages of one peer to another. Nothing in it may need escapes in JSON.
type writer struct {
	door     *door
	from, to string // user ids
	ufrag    string // of the peer's ICE agent, by which descriptions and candidates are known to be its own: four characters
	acked    bool
}

func (w *writer) offer() message {
	return w.message("offer", "offer", "offerSDP", description(w.ufrag), `,"offerType":"offer","audioOnly":false`, w.door.offers)
}

func (w *writer) answer() message {
	return w.message("answer", "answer", "answerSDP", description(w.ufrag), `,"answerType":"answer"`, w.door.others)
}

func (w *writer) candidate() message {
	line := "candidate:" + hole + " 1 udp 2122260223 192.0.2.17 54321 typ host generation 0 ufrag " + w.ufrag + " network-cost 999"
	return w.message("iceCandidate", "remoteIceCandidate", "candidate", line,
		`,"sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"`+w.ufrag+`"`, w.door.others)
}

func (w *writer) message(event, arrives, member, text, others string, s signature) message {
	id, from := "", ""
	if w.acked {
		id = `,"id":"` + strings.Repeat("0", numberDigits) + `"`
	}
	if s.said {
		from = `"from":"` + w.from + `",`
	}
	value := fmt.Sprintf(`"%s":"%s"`, member, strings.ReplaceAll(text, "\r\n", `\r\n`))
	before, after, _ := strings.Cut(value, hole)
	words := &w.door.words
	m := message{
		frame: fmt.Appendf(nil, `%s%s"%s%s"to":"%s",%s%s%s%s%s%s`,
			words.head, event, id, words.data, w.to, from, before, strings.Repeat("0", stampLen), after, others, words.tail),
		event: arrives, before: []byte(before), after: []byte(after),
	}
	if s.arrives {
		m.from = fmt.Appendf(nil, `"from":"%s"`, w.from)
	}
	m.stamp = bytes.Index(m.frame, m.before) + len(m.before)
	if w.acked {
		m.id = bytes.Index(m.frame, []byte(`"id":"`)) + len(`"id":"`)
	}
	return m
}

// write completes the frame.
func (m *message) write(number, at int64) []byte {
	putStamp(m.frame[m.stamp:], number, at)
	if m.id > 0 {
		putDigits(m.frame[m.id:m.id+numberDigits], number)
	}
	return m.frame
}

// read takes the stamp out of a frame that arrived, in which the member must stand exactly as it was sent.
func (m *message) read(frame []byte) (number, at int64, ok bool) {
	member := m.before[:bytes.IndexByte(m.before, ':')+1] // enough to find it: no text has a quote
	at0 := bytes.Index(frame, member)
	if at0 < 0 {
		return 0, 0, false
	}
	rest, ok := bytes.CutPrefix(frame[at0:], m.before)
	if !ok {
		return 0, 0, false
	}
	number, at, rest, ok = cutStamp(rest)
	return number, at, ok && bytes.HasPrefix(rest, m.after)
}

// description is a session description of sdpBytes bytes (RFC 8866), with the hole for a stamp in its name.
func description(ufrag string) string {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=" + hole + "\r\nt=0 0\r\n" +
		"a=group:BUNDLE 0 1\r\na=msid-semantic: WMS stream\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:" + ufrag + "\r\n" +
		"a=ice-pwd:pVQ0TzKzWfYxq3w5b8nGm2aE\r\na=ice-options:trickle\r\na=setup:actpass\r\na=mid:0\r\n" +
		"a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n" +
		"a=sendrecv\r\na=rtcp-mux\r\n")
	size := func() int { return b.Len() + stampLen - len(hole) }
	for payload := 96; ; payload++ {
		line := fmt.Sprintf("a=rtpmap:%d VP8/90000\r\na=rtcp-fb:%d nack pli\r\na=fmtp:%d apt=%d\r\n", payload, payload, payload, payload-1)
		if size()+len(line)+len("a=x-padding:\r\n") > sdpBytes {
			break
		}
		b.WriteString(line)
	}
	const padding = "a=x-padding:"
	b.WriteString(padding + strings.Repeat("x", sdpBytes-size()-len(padding)-len("\r\n")) + "\r\n")
	return b.String()
}
