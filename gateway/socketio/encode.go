package socketio

import (
	"encoding/json"
	"strconv"

	"beckon/gateway/roster"
	"beckon/gateway/socketio/sio"
	"beckon/shared/wire"
)

// The tutorial's events as messages. Clients bind refuse and disconnectPeer to functions whose first argument means
// something else, so these have none; and none asks for an ack, which some clients answer wrongly.
var (
	refuseEvent     = append(begin("refuse", 1), ']')
	disconnectEvent = append(begin("disconnectPeer", 1), ']')
)

// begin gives the message of an event up to its name, with room for size bytes more.
func begin(name string, size int) []byte {
	const around = len(`42["",{}]`)
	return sio.BeginEvent(make([]byte, 0, around+len(name)+size), "/", name)
}

// start gives the message of an event up to its argument.
func start(name string, size int) []byte { return append(begin(name, size), ',') }

// encodeSignal gives the message of a signal to a user.
func encodeSignal(s *wire.Signal, to string) []byte {
	switch s.Kind {
	case wire.Refuse:
		return refuseEvent
	case wire.DisconnectPeer:
		return disconnectEvent
	case wire.Answer: // {answerSDP,answerType}
		b := append(start("answer", len(s.Body)), '{')
		return append(wire.AppendMembers(b, s.Kind, s.Body), `}]`...)
	case wire.ICECandidate: // {candidate,sdpMid,sdpMLineIndex,usernameFragment?,to}
		b := append(start("remoteIceCandidate", len(s.Body)+wire.MaxAdded+len(`,"to":""`)+len(to)), '{')
		b = append(wire.AppendMembers(b, s.Kind, s.Body), `,"to":`...)
		return append(wire.AppendQuote(b, to), `}]`...)
	default: // offer {from,offerSDP,offerType,audioOnly}, message {from,data}
		b := append(start(s.Kind.String(), len(s.Body)+wire.MaxAdded+len(`"from":,`)+len(s.From)), `{"from":`...)
		b = append(append(b, s.From...), ',')
		return append(wire.AppendMembers(b, s.Kind, s.Body), `}]`...)
	}
}

// encodeUpdate gives updateUserlist {userList:[...]}, or userCount {count} for a room that has too many for a list.
func encodeUpdate(u *roster.Update) []byte {
	if u.Kind == roster.Count {
		b := append(start("userCount", 32), `{"count":`...)
		return append(strconv.AppendInt(b, int64(u.Count), 10), `}]`...)
	}
	b := append(start("updateUserlist", 32+24*len(u.Users)), `{"userList":[`...)
	for i, user := range u.Users {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendQuote(b, user)
	}
	return append(b, `]}]`...)
}

// outcomes are the arguments of acks, {"status":"delivered"}.
var outcomes = func() (all [len(wire.AllOutcomes) + 1]sio.Args) {
	for _, o := range wire.AllOutcomes {
		all[o] = sio.Args{Values: []json.RawMessage{[]byte(`{"status":"` + o.String() + `"}`)}}
	}
	return all
}()

// encodeError gives the argument of the ack of a refused event, {"status":"error","code","message"}.
func encodeError(r *refusal) sio.Args {
	b := append([]byte(nil), `{"status":"error","code":"`...)
	b = append(append(b, r.code...), `","message":`...)
	return sio.Args{Values: []json.RawMessage{append(wire.AppendQuote(b, r.message), '}')}}
}
