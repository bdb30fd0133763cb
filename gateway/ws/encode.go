package ws

import (
	"encoding/json"
	"strconv"

	"beckon/gateway/ice"
	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// ProtocolVersion is the version of the native protocol, in the welcome.
const ProtocolVersion = 1

// welcome is the data of the first frame.
type welcome struct {
	UserID     string      `json:"userId"`
	SessionID  string      `json:"sessionId"`
	Room       string      `json:"room"`
	ICEServers ice.Servers `json:"iceServers"`
	Limits     limits      `json:"limits"`
	Version    int         `json:"version"`
}

// limits are told to clients so that they need not find out: bytes, or a number a second.
type limits struct {
	Frame     int `json:"frame"`
	SDP       int `json:"sdp"`
	Candidate int `json:"candidate"`
	Message   int `json:"message"`
	Frames    int `json:"framesPerSecond"`
	Bytes     int `json:"bytesPerSecond"`
}

func encodeWelcome(w *welcome) ([]byte, error) {
	return json.Marshal(struct {
		Event string   `json:"event"`
		Data  *welcome `json:"data"`
	}{"welcome", w})
}

// deliveredAs are the events as which signals arrive.
var deliveredAs = [...]string{
	wire.Offer: "offer", wire.Answer: "answer", wire.Refuse: "refuse", wire.ICECandidate: "remoteIceCandidate",
	wire.DisconnectPeer: "disconnectPeer", wire.Message: "message",
}

// encodeSignal gives {"event":"offer","data":{"from","fromSession"?,"callId"?, the body's members}}.
func encodeSignal(s *wire.Signal) []byte {
	b := make([]byte, 0, len(`{"event":"remoteIceCandidate","data":{"from":,"fromSession":"","callId":,}}`)+
		len(s.From)+len(s.FromSession)+len(s.CallID)+len(s.Body))
	b = append(b, `{"event":"`...)
	b = append(b, deliveredAs[s.Kind]...)
	b = append(b, `","data":{"from":`...)
	b = append(b, s.From...)
	if s.FromSession != "" {
		b = append(b, `,"fromSession":"`...)
		b = append(b, s.FromSession...)
		b = append(b, '"')
	}
	if s.CallID != nil {
		b = append(b, `,"callId":`...)
		b = append(b, s.CallID...)
	}
	if len(s.Body) > len("{}") {
		b = append(b, ',')
	}
	b = append(b, s.Body[1:]...)
	return append(b, '}')
}

// encodeAck gives {"event":"ack","id":…,"data":{"status":"delivered"}}.
func encodeAck(id []byte, o wire.Outcome) []byte {
	b := make([]byte, 0, len(`{"event":"ack","id":,"data":{"status":"unavailable"}}`)+len(id))
	b = append(b, `{"event":"ack","id":`...)
	b = append(b, id...)
	b = append(b, `,"data":{"status":"`...)
	b = append(b, o.String()...)
	return append(b, `"}}`...)
}

// encodeUndeliverable gives {"event":"undeliverable","data":{"to","kind","reason"}}.
func encodeUndeliverable(to string, k wire.Kind, o wire.Outcome) []byte {
	b := append([]byte(nil), `{"event":"undeliverable","data":{"to":`...)
	b = append(b, wire.Quote(to)...)
	b = append(b, `,"kind":"`...)
	b = append(b, k.String()...)
	b = append(b, `","reason":"`...)
	b = append(b, o.String()...)
	return append(b, `"}}`...)
}

// encodeError gives {"event":"error","id"?,"data":{"code","message"}}.
func encodeError(id []byte, r *refusal) []byte {
	b := append([]byte(nil), `{"event":"error"`...)
	if id != nil {
		b = append(b, `,"id":`...)
		b = append(b, id...)
	}
	b = append(b, `,"data":{"code":"`...)
	b = append(b, r.code...)
	b = append(b, `","message":`...)
	b = append(b, wire.Quote(r.message)...)
	return append(b, `}}`...)
}

// encodeList gives updateUserlist {version, userList} for a whole list and userlistDelta {from, version, joined, left,
// at?} for a change.
func encodeList(u *roster.Update) []byte {
	if u.Full {
		b := append(make([]byte, 0, 64+24*len(u.Users)), `{"event":"updateUserlist","data":{"version":`...)
		b = strconv.AppendUint(b, u.Version, 10)
		b = appendStrings(append(b, `,"userList":`...), u.Users)
		return append(b, `}}`...)
	}
	b := append(make([]byte, 0, 128+24*(len(u.Joined)+len(u.Left))), `{"event":"userlistDelta","data":{"from":`...)
	b = strconv.AppendUint(b, u.From, 10)
	b = strconv.AppendUint(append(b, `,"version":`...), u.Version, 10)
	b = appendStrings(append(b, `,"joined":`...), u.Joined)
	b = appendStrings(append(b, `,"left":`...), u.Left)
	if u.At != nil {
		b = append(b, `,"at":[`...)
		for i, at := range u.At {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(at), 10)
		}
		b = append(b, ']')
	}
	return append(b, `}}`...)
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendQuote(b, s)
	}
	return append(b, ']')
}
