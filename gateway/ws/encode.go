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
	b := appendID([]byte(`{"event":"error"`), id)
	b = append(b, `,"data":{"code":"`...)
	b = append(b, r.code...)
	b = append(b, `","message":`...)
	b = append(b, wire.Quote(r.message)...)
	return append(b, `}}`...)
}

// encodeList gives updateUserlist {version, userList} for a whole list, userlistDelta {from, version, joined, left, at?}
// for a change, userCount {version, count} in a room that has too many for a list, and presence {state} for how it stands.
func encodeList(u *roster.Update) []byte {
	switch u.Kind {
	case roster.Whole:
		b := append(make([]byte, 0, 64+24*len(u.Users)), `{"event":"updateUserlist","data":{"version":`...)
		b = strconv.AppendUint(b, u.Version, 10)
		b = appendStrings(append(b, `,"userList":`...), u.Users)
		return append(b, `}}`...)
	case roster.Delta:
		return encodeDelta(u)
	case roster.Count:
		b := strconv.AppendUint([]byte(`{"event":"userCount","data":{"version":`), u.Version, 10)
		b = strconv.AppendInt(append(b, `,"count":`...), int64(u.Count), 10)
		return append(b, `}}`...)
	default:
		if u.Degraded {
			return []byte(`{"event":"presence","data":{"state":"degraded"}}`)
		}
		return []byte(`{"event":"presence","data":{"state":"ok"}}`)
	}
}

func encodeDelta(u *roster.Update) []byte {
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

// encodePage gives {"event":"userlistPage","id"?,"data":{"version","count","users","more"}}.
func encodePage(id []byte, p roster.Page) []byte {
	b := append(make([]byte, 0, 192+24*len(p.Users)), `{"event":"userlistPage"`...)
	b = appendID(b, id)
	b = strconv.AppendUint(append(b, `,"data":{"version":`...), p.Version, 10)
	b = strconv.AppendInt(append(b, `,"count":`...), int64(p.Count), 10)
	b = appendStrings(append(b, `,"users":`...), p.Users)
	b = strconv.AppendBool(append(b, `,"more":`...), p.More)
	return append(b, `}}`...)
}

// appendID appends the member "id" of an answer, if the frame that it answers had one.
func appendID(b, id []byte) []byte {
	if id == nil {
		return b
	}
	return append(append(b, `,"id":`...), id...)
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
