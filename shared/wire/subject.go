package wire

import (
	"strconv"
	"strings"
)

// Wildcard subscriptions, each over the subjects of all gateways or all replicas.
const (
	AllAnnouncements = announcePrefix + "*"
	AllBeats         = beatPrefix + "*"
	AllReplicas      = replicaPrefix + "*"
)

// The micro service of presence and its endpoints' subjects.
const (
	PresenceService = "presence"
	ListSubject     = "presence.list"
	CountSubject    = "presence.count"
	WhereSubject    = "presence.where"
)

const (
	signalPrefix   = "signal."
	outcomePrefix  = "outcome."
	gathered       = "gathered"
	announcePrefix = "presence.announce."
	beatPrefix     = "presence.beat."
	gatewayPrefix  = "presence.gateway."
	viewPrefix     = "presence.view."
	replicaPrefix  = "presence.replica."
	snapshotPrefix = "presence.snapshot."
)

// SignalSubject is where signals to user are published. user must be valid ([CheckUserID]).
func SignalSubject(user string) string { return signalPrefix + Token(user) }

// SignalToken is the token of the user in a signal's subject; false if subject is none.
func SignalToken(subject string) (string, bool) { return strings.CutPrefix(subject, signalPrefix) }

// Outcomes is the family of subjects on which one gateway hears what became of its signals. Make it with
// [NewOutcomes] or [OutcomeReply]; two of the same gateway are equal.
type Outcomes struct{ prefix string }

// NewOutcomes is the family of a gateway's incarnation. Both are names ([CheckName]).
func NewOutcomes(gateway, incarnation string) Outcomes {
	return Outcomes{outcomePrefix + gateway + "." + incarnation + "."}
}

// All is the wildcard to subscribe to.
func (o Outcomes) All() string { return o.prefix + "*" }

// Gathered is the subject on which the gateway takes [Gathered] messages.
func (o Outcomes) Gathered() string { return o.prefix + gathered }

// Reply is the reply subject of the gateway's nth signal.
func (o Outcomes) Reply(n uint64) string {
	var digits [20]byte
	return o.prefix + string(strconv.AppendUint(digits[:0], n, 10))
}

// Signal is the number of the signal whose reply subject this is; false for the gathered subject and for others.
func (o Outcomes) Signal(subject string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(subject, o.prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// OutcomeReply takes the reply subject of a signal apart: into the family of the gateway that sent it and the signal's
// number. ok is false for a reply subject that is not a gateway's (a backend's inbox, or none).
func OutcomeReply(reply string) (sender Outcomes, n uint64, ok bool) {
	rest, ok := strings.CutPrefix(reply, outcomePrefix)
	if !ok {
		return Outcomes{}, 0, false
	}
	gateway, rest, _ := strings.Cut(rest, ".")
	incarnation, digits, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !isName(gateway) || !isName(incarnation) {
		return Outcomes{}, 0, false
	}
	return Outcomes{reply[:len(reply)-len(digits)]}, n, true
}

// AnnounceSubject carries the announcements of a gateway.
func AnnounceSubject(gateway string) string { return announcePrefix + gateway }

// BeatSubject carries the beats of a gateway.
func BeatSubject(gateway string) string { return beatPrefix + gateway }

// GatewaySubject is where a gateway answers requests for its snapshot.
func GatewaySubject(gateway string) string { return gatewayPrefix + gateway }

// ViewSubject carries the deltas of one replica's view.
func ViewSubject(view string) string { return viewPrefix + view }

// ReplicaSubject carries the beats of one replica's view.
func ReplicaSubject(view string) string { return replicaPrefix + view }

// ViewSnapshotSubject is where a replica answers requests for its view's snapshot.
func ViewSnapshotSubject(view string) string { return snapshotPrefix + view }

// AnnouncingGateway is the gateway that an announcement or a beat came from, by its subject; false if subject is
// neither.
func AnnouncingGateway(subject string) (string, bool) {
	return nameAfter(subject, announcePrefix, beatPrefix)
}

// ViewOf is the view that a delta or a replica's beat belongs to, by its subject; false if subject is neither.
func ViewOf(subject string) (string, bool) { return nameAfter(subject, viewPrefix, replicaPrefix) }

func nameAfter(subject string, prefixes ...string) (string, bool) {
	for _, prefix := range prefixes {
		if name, ok := strings.CutPrefix(subject, prefix); ok {
			return name, isName(name)
		}
	}
	return "", false
}
