package wire

import (
	"bytes"
	"fmt"
	"strconv"
)

// Bounds of what a client says. Those of strings count bytes of UTF-8 after JSON's escapes are undone.
const (
	// MaxFrame is the longest frame of a client, and the longest signal of a backend.
	MaxFrame = 64 << 10
	// MaxSDP is the longest session description (RFC 8866).
	MaxSDP = 32 << 10
	// MaxCandidate is the longest candidate attribute (RFC 8839, section 5.1).
	MaxCandidate = 2 << 10
	// MaxAppMessage is the longest JSON text of an application's own message, as it was written.
	MaxAppMessage = 16 << 10

	maxShort = 256 // types of descriptions, media ids, username fragments
)

// FieldError says that a member is missing, of the wrong type or out of bounds. It is fit for a client's eyes.
type FieldError struct {
	Field string // the member's name
	Want  string // what it must be
}

func (e *FieldError) Error() string { return e.Field + " must be " + e.Want }

// Request is what somebody asks to be sent.
type Request struct {
	Kind      Kind
	To        string // the user addressed, checked by CheckUserID
	ToSession string // one session of that user; "" for all
	CallID    []byte // a JSON string; nil for none
	Body      []byte // a JSON object of the kind's own members, each value as it was written
}

type valueType uint8

const (
	text valueType = iota
	boolean
	lineIndex // index of a media description: an unsigned short (W3C WebRTC, RTCIceCandidateInit)
	anyJSON
)

// member is the rule for one member of a kind's body.
type member struct {
	name     string
	typ      valueType
	limit    int
	required bool
	nullable bool
	absent   string // what AppendMembers writes when there is none; "" for nothing
}

// bodies is the whitelist: each kind's own members, in the order in which they travel. No other member leaves the
// gateway that it enters.
var bodies = [...][]member{
	Offer: {
		{name: "offerSDP", typ: text, limit: MaxSDP, required: true},
		{name: "offerType", typ: text, limit: maxShort, required: true},
		{name: "audioOnly", typ: boolean, absent: "false"},
	},
	Answer: {
		{name: "answerSDP", typ: text, limit: MaxSDP, required: true},
		{name: "answerType", typ: text, limit: maxShort, required: true},
	},
	Refuse: {},
	ICECandidate: {
		{name: "candidate", typ: text, limit: MaxCandidate, required: true, nullable: true},
		{name: "sdpMid", typ: text, limit: maxShort, nullable: true, absent: "null"},
		{name: "sdpMLineIndex", typ: lineIndex, nullable: true, absent: "null"},
		{name: "usernameFragment", typ: text, limit: maxShort, nullable: true},
	},
	DisconnectPeer: {},
	Message: {
		{name: "data", typ: anyJSON, limit: MaxAppMessage, required: true},
	},
}

const mostMembers = 4

// ReadRequest reads the object that comes next in r as a request of this kind. Its errors are a *[FieldError], after
// which the object has been read to its end all the same, or wrap [ErrSyntax].
func ReadRequest(r *Reader, kind Kind) (Request, error) {
	req := Request{Kind: kind}
	to := errNoTo // wins over other faults, whatever the order of the members
	var body body
	err := r.Object(func(name []byte) error {
		v, err := r.Value()
		if err != nil {
			return err
		}
		switch string(name) {
		case "to":
			to = readText(v, "to", "a user id", CheckUserID, &req.To)
		case "toSession":
			if !isNull(v) {
				body.fault(readText(v, "toSession", "a session id", CheckName, &req.ToSession))
			}
		case "callId":
			if kind != Message && !isNull(v) {
				body.fault(checkShort(v, "callId", MaxCallID))
				req.CallID = v
			}
		default:
			body.take(kind, name, v)
		}
		return nil
	})
	if err != nil {
		return Request{}, err
	}
	req.Body = body.encode(kind)
	switch {
	case to != nil:
		return Request{}, to
	case body.bad != nil:
		return Request{}, body.bad
	}
	return req, nil
}

var errNoTo = &FieldError{"to", "a user id"}

// body collects a kind's own members while an object is read.
type body struct {
	values [mostMembers][]byte
	bad    *FieldError // the first
}

func (b *body) fault(err *FieldError) {
	if b.bad == nil {
		b.bad = err
	}
}

func (b *body) take(kind Kind, name, v []byte) {
	for i := range bodies[kind] {
		if m := &bodies[kind][i]; m.name == string(name) {
			if isNull(v) && !m.required && !m.nullable {
				return // as if it were not there
			}
			b.fault(m.check(v))
			b.values[i] = v
			return
		}
	}
}

func (b *body) encode(kind Kind) []byte {
	size := len("{}")
	for i, m := range bodies[kind] {
		if b.values[i] == nil && m.required {
			b.fault(m.fault())
		}
		if b.values[i] != nil {
			size += len(`"":,`) + len(m.name) + len(b.values[i])
		}
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range bodies[kind] {
		if b.values[i] == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, m.name...)
		out = append(out, '"', ':')
		out = append(out, b.values[i]...)
	}
	return append(out, '}')
}

// AppendMembers appends the members of a signal's body to b, without braces, with false or null for each that may be absent
// and is: for clients that read members without asking whether they are there. It takes what a gateway wrote, and looks for
// the ends of values only; anything else it appends as it is.
func AppendMembers(b []byte, kind Kind, body []byte) []byte {
	members := body[1 : len(body)-1]
	start, rest := len(b), members
	for _, m := range bodies[kind] {
		rest = bytes.TrimPrefix(rest, []byte{','})
		quoted, after, found := cutString(rest)
		value, is := bytes.CutPrefix(after, []byte{':'})
		switch {
		case found && is && string(quoted[1:len(quoted)-1]) == m.name:
			end, ok := scalarEnd(value)
			if !ok {
				return append(b[:start], members...)
			}
			b = appendMember(b, start, m.name, value[:end])
			rest = value[end:]
		case m.absent != "":
			b = appendMember(b, start, m.name, m.absent)
		}
	}
	if len(rest) > 0 {
		return append(b[:start], members...)
	}
	return b
}

// MaxAdded is the most bytes that [AppendMembers] adds to a body.
const MaxAdded = len(`,"sdpMid":null,"sdpMLineIndex":null`)

// appendMember appends a member behind those that begin at start.
func appendMember[T ~string | ~[]byte](b []byte, start int, name string, value T) []byte {
	if len(b) > start {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), name...), '"', ':')
	return append(b, value...)
}

// scalarEnd is where the string, number or literal ends with which v begins.
func scalarEnd(v []byte) (end int, ok bool) {
	switch {
	case len(v) == 0 || v[0] == '{' || v[0] == '[':
		return 0, false
	case v[0] == '"':
		quoted, _, ok := cutString(v)
		return len(quoted), ok
	}
	if end = bytes.IndexByte(v, ','); end < 0 {
		end = len(v)
	}
	return end, true
}

// check holds a value, already valid JSON, against the rule.
func (m *member) check(v []byte) *FieldError {
	if m.nullable && isNull(v) {
		return nil
	}
	switch m.typ {
	case text:
		if FitsText(v, m.limit) {
			return nil
		}
	case boolean:
		if v[0] == 't' || v[0] == 'f' {
			return nil
		}
	case lineIndex:
		if _, err := strconv.ParseUint(string(v), 10, 16); err == nil {
			return nil
		}
	case anyJSON:
		if len(v) <= m.limit {
			return nil
		}
	}
	return m.fault()
}

func (m *member) fault() *FieldError {
	want := map[valueType]string{
		text:      fmt.Sprintf("a string of at most %d bytes", m.limit),
		boolean:   "true or false",
		lineIndex: "a whole number from 0 to 65535",
		anyJSON:   fmt.Sprintf("JSON of at most %d bytes", m.limit),
	}[m.typ]
	if m.nullable {
		want += " or null"
	}
	return &FieldError{m.name, want}
}

func isNull(v []byte) bool { return v[0] == 'n' }

// FitsText reports that v, a JSON value, is a string of at most limit bytes. Only a text that is too long with its escapes is
// counted without them.
func FitsText(v []byte, limit int) bool {
	if v[0] != '"' {
		return false
	}
	if len(v)-2 <= limit {
		return true
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return false
	}
	s, err := unquote(v)
	return err == nil && len(s) <= limit
}

func checkShort(v []byte, field string, limit int) *FieldError {
	if !FitsText(v, limit) {
		return &FieldError{field, fmt.Sprintf("a string of at most %d bytes", limit)}
	}
	return nil
}

// readText reads a string that check accepts into dst.
func readText(v []byte, field, want string, check func(string) error, dst *string) *FieldError {
	if v[0] != '"' {
		return &FieldError{field, want}
	}
	raw, err := unquote(v)
	if err != nil {
		return &FieldError{field, want}
	}
	s := string(raw)
	if err := check(s); err != nil {
		return &FieldError{field, want + ": " + err.Error()}
	}
	*dst = s
	return nil
}
