package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// Signal is one message on signal.<user>:
//
//	{"v":1,"kind":"offer","from":"alice","fromSession":"K2T…","toSession":"Q7A…","callId":"c1","body":{"offerSDP":"…"}}
//
// The members before body are the header; fromSession, toSession and callId are left out when there is none. body holds
// the kind's own members and stands last when a gateway wrote the message, so that the next gateway reads the header
// and takes the body as it is. A backend may order its members as it likes.
//
// The byte slices of a signal that was read are parts of the message: read-only.
type Signal struct {
	Kind        Kind
	From        []byte // JSON string: the sender's user id, stamped by the gateway
	FromSession string // the sender's session; "" when a backend sent it
	ToSession   string // the one session addressed; "" for all of the user's
	CallID      []byte // JSON string; nil for none
	Body        []byte // JSON object of the kind's own members
}

// AppendSignal appends the message of a signal to b, which it makes longer once at most.
func AppendSignal(b []byte, s *Signal) []byte {
	values := len(s.From) + len(s.FromSession) + len(s.ToSession) + len(s.CallID) + len(s.Body)
	b = slices.Grow(b, signalNames+values)
	b = append(b, `{"v":1,"kind":"`...)
	b = append(b, s.Kind.String()...)
	b = append(b, `","from":`...)
	b = append(b, s.From...)
	b = appendName(b, `,"fromSession":"`, s.FromSession)
	b = appendName(b, `,"toSession":"`, s.ToSession)
	if s.CallID != nil {
		b = append(b, `,"callId":`...)
		b = append(b, s.CallID...)
	}
	b = append(b, `,"body":`...)
	b = append(b, s.Body...)
	return append(b, '}')
}

// signalNames is the most bytes that a message has beside its values.
const signalNames = len(`{"v":1,"kind":"disconnectPeer","from":,"fromSession":"","toSession":"","callId":,"body":}`)

// SignalOverhead is the most bytes that a message has beside its body: strings may be escaped, character by character.
const SignalOverhead = signalNames + len(`""`) + 6*MaxUserID + 2*MaxName + len(`""`) + 6*MaxCallID

func appendName(b []byte, key, name string) []byte {
	if name == "" {
		return b
	}
	b = append(b, key...)
	b = append(b, name...)
	return append(b, '"')
}

// ReadSignal reads a message that a gateway published. It looks at the header only: the body was read strictly where
// it entered. Errors as for [ReadForeignSignal].
func ReadSignal(msg []byte) (Signal, error) {
	if s, ok := scanSignal(msg); ok {
		return s, nil
	}
	// Not as this version writes it: another version's gateway, with members that this one may not know.
	return ReadForeignSignal(msg)
}

// scanSignal reads what AppendSignal wrote, and nothing else.
func scanSignal(msg []byte) (Signal, bool) {
	var s Signal
	rest, ok := bytes.CutPrefix(msg, []byte(`{"v":1,"kind":"`))
	if !ok {
		return s, false
	}
	kind, rest, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return s, false
	}
	if s.Kind, ok = ParseKind(kind); !ok {
		return s, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"from":`)); !ok {
		return s, false
	}
	if s.From, rest, ok = cutString(rest); !ok {
		return s, false
	}
	if s.FromSession, rest, ok = cutName(rest, `,"fromSession":`); !ok {
		return s, false
	}
	if s.ToSession, rest, ok = cutName(rest, `,"toSession":`); !ok {
		return s, false
	}
	if after, has := bytes.CutPrefix(rest, []byte(`,"callId":`)); has {
		if s.CallID, rest, ok = cutString(after); !ok {
			return s, false
		}
	}
	rest, ok = bytes.CutPrefix(rest, []byte(`,"body":{`))
	if !ok || !bytes.HasSuffix(rest, []byte(`}}`)) {
		return s, false
	}
	body := len(msg) - len(rest) - 1
	s.Body = msg[body : len(msg)-1]
	return s, true
}

// cutString cuts a JSON string, quotes and all, off the front of b.
func cutString(b []byte) (quoted, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i+1], b[i+1:], true
		}
	}
	return nil, nil, false
}

// cutName cuts a member whose value is a name off the front of b; it is fine if that member is not there.
func cutName(b []byte, key string) (name string, rest []byte, ok bool) {
	after, has := bytes.CutPrefix(b, []byte(key))
	if !has {
		return "", b, true
	}
	quoted, rest, ok := cutString(after)
	if !ok {
		return "", nil, false
	}
	name = string(quoted[1 : len(quoted)-1])
	return name, rest, isName(name)
}

// ReadForeignSignal reads a message from anybody, strictly, body and all. Its errors are a *[FieldError] or wrap
// [ErrSyntax] or [ErrVersion].
func ReadForeignSignal(msg []byte) (Signal, error) {
	var s Signal
	var version, rawBody []byte
	var faults body
	if len(msg) > MaxFrame+SignalOverhead {
		return s, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, MaxFrame+SignalOverhead)
	}
	r := NewReader(msg)
	defer r.Free()
	err := r.Object(func(name []byte) error {
		v, err := r.Value()
		if err != nil {
			return err
		}
		if isNull(v) {
			return nil // as if it were not there
		}
		switch string(name) {
		case "v":
			version = v
		case "kind":
			raw, err := unquote(v)
			if s.Kind, _ = ParseKind(raw); v[0] != '"' || err != nil || s.Kind == 0 {
				faults.fault(&FieldError{"kind", "the name of a kind of signal"})
			}
		case "from":
			var from string
			faults.fault(readText(v, "from", "a user id", CheckUserID, &from))
			s.From = v
		case "fromSession":
			faults.fault(readText(v, "fromSession", "a session id", CheckName, &s.FromSession))
		case "toSession":
			faults.fault(readText(v, "toSession", "a session id", CheckName, &s.ToSession))
		case "callId":
			faults.fault(checkShort(v, "callId", MaxCallID))
			s.CallID = v
		case "body":
			rawBody = v
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return s, err
	}
	if err := checkVersionMember(version); err != nil {
		return s, err
	}
	if s.Kind == 0 {
		faults.fault(&FieldError{"kind", "the name of a kind of signal"})
	}
	if s.Kind == Message {
		s.CallID = nil // belongs to calls, as in ReadRequest
	}
	if s.From == nil {
		faults.fault(&FieldError{"from", "a user id"})
	}
	if faults.bad != nil {
		return s, faults.bad
	}
	s.Body, err = readBody(s.Kind, rawBody)
	return s, err
}

func checkVersionMember(v []byte) error {
	n, err := strconv.Atoi(string(v))
	if err != nil {
		return &FieldError{"v", fmt.Sprintf("the contract's version, a number up to %d", Version)}
	}
	h := Header{V: n}
	return h.checkVersion()
}

// readBody reads a body that has been read as a value already; only backends' signals pay for the second look.
func readBody(kind Kind, raw []byte) ([]byte, error) {
	if raw == nil || raw[0] != '{' {
		return nil, &FieldError{"body", "an object"}
	}
	r := NewReader(raw)
	defer r.Free()
	var b body
	err := r.Object(func(name []byte) error {
		v, err := r.Value()
		if err == nil {
			b.take(kind, name, v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := b.encode(kind)
	if b.bad != nil {
		return nil, b.bad
	}
	return out, nil
}
