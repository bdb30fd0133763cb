package wire

// Kind says what a signal is.
type Kind uint8

// The kinds of signals. Their numbers stay inside a process; their names travel.
const (
	Offer Kind = iota + 1
	Answer
	Refuse
	ICECandidate
	DisconnectPeer
	Message
)

// Kinds lists every kind.
var Kinds = [...]Kind{Offer, Answer, Refuse, ICECandidate, DisconnectPeer, Message}

var kindNames = [...]string{
	Offer: "offer", Answer: "answer", Refuse: "refuse", ICECandidate: "iceCandidate",
	DisconnectPeer: "disconnectPeer", Message: "message",
}

// String is the kind's name, as it stands in a frame's event and in a signal's "kind"; "" for no kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// ParseKind is the inverse of [Kind.String].
func ParseKind[T ~string | ~[]byte](name T) (Kind, bool) {
	switch string(name) {
	case "offer":
		return Offer, true
	case "answer":
		return Answer, true
	case "refuse":
		return Refuse, true
	case "iceCandidate":
		return ICECandidate, true
	case "disconnectPeer":
		return DisconnectPeer, true
	case "message":
		return Message, true
	}
	return 0, false
}
