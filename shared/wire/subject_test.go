package wire

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSubjects(t *testing.T) {
	outcomes := NewOutcomes("gw-1", "I1")
	for got, want := range map[string]string{
		SignalSubject("bob"):     "signal.bob",
		SignalSubject(">.x"):     "signal.=Pi54",
		outcomes.All():           "outcome.gw-1.I1.*",
		outcomes.Reply(17):       "outcome.gw-1.I1.17",
		outcomes.Gathered():      "outcome.gw-1.I1.gathered",
		AnnounceSubject("gw-1"):  "presence.announce.gw-1",
		BeatSubject("gw-1"):      "presence.beat.gw-1",
		GatewaySubject("gw-1"):   "presence.gateway.gw-1",
		ViewSubject("V1"):        "presence.view.V1",
		ReplicaSubject("V1"):     "presence.replica.V1",
		ViewSnapshotSubject("V"): "presence.snapshot.V",
		AllAnnouncements:         "presence.announce.*",
		AllBeats:                 "presence.beat.*",
		AllReplicas:              "presence.replica.*",
		ListSubject:              "presence.list",
		CountSubject:             "presence.count",
		WhereSubject:             "presence.where",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSubjectsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, name, incarnation := userIDs().Draw(t, "user"), names().Draw(t, "name"), names().Draw(t, "incarnation")
		n := rapid.Uint64().Draw(t, "n")

		token, ok := SignalToken(SignalSubject(user))
		if got, err := UserOfToken(token); !ok || err != nil || got != user {
			t.Errorf("signals to %q are those to %q: %v", user, got, err)
		}
		outcomes := NewOutcomes(name, incarnation)
		if got, ok := outcomes.Signal(outcomes.Reply(n)); !ok || got != n {
			t.Errorf("signal %d is %d", n, got)
		}
		if sender, got, ok := OutcomeReply(outcomes.Reply(n)); !ok || got != n || sender != outcomes {
			t.Errorf("signal %d of %v is %d of %v", n, outcomes, got, sender)
		}
		for _, subject := range []string{AnnounceSubject(name), BeatSubject(name)} {
			if got, ok := AnnouncingGateway(subject); !ok || got != name {
				t.Errorf("%s is of the gateway %q", subject, got)
			}
		}
		for _, subject := range []string{ViewSubject(name), ReplicaSubject(name)} {
			if got, ok := ViewOf(subject); !ok || got != name {
				t.Errorf("%s is of the view %q", subject, got)
			}
		}
	})
}

func TestSubjectsOfOthers(t *testing.T) {
	outcomes := NewOutcomes("gw-1", "I1")
	for _, subject := range []string{
		outcomes.Gathered(), "outcome.gw-1.I1.", "outcome.gw-1.I1.-1", "outcome.gw-1.I1.18446744073709551616",
		"outcome.gw-1.I2.17", "outcome.gw-2.I1.17", "outcome.gw-1.I1.17.x", "17", "",
	} {
		if n, ok := outcomes.Signal(subject); ok {
			t.Errorf("%q is taken for the reply subject of signal %d", subject, n)
		}
	}
	for _, subject := range []string{
		"", "_INBOX.abc.17", outcomes.Gathered(), "outcome.gw-1.I1.", "outcome.gw-1.17", "outcome.gw-1.I1.x.17",
		"outcome..I1.17", "outcome.gw-1..17", "outcome.*.I1.17", "outcome.gw-1.>.17", "outcome.g w.I1.17",
		"outcome.gw-1.I1.+17", "outcome.gw-1.I1.17 ", "outcomes.gw-1.I1.17",
		"outcome." + strings.Repeat("g", 4000) + ".I1.17",
	} {
		if sender, n, ok := OutcomeReply(subject); ok {
			t.Errorf("%q is taken for that of signal %d of %v", subject, n, sender)
		}
	}
	for _, subject := range []string{
		"", "presence.announce", "presence.announce.", "presence.announce.*", "presence.announce.a.b",
		"presence.beat.a b", "presence.gateway.a", "presence.view.a", ListSubject,
	} {
		if gateway, ok := AnnouncingGateway(subject); ok {
			t.Errorf("%q is taken for an announcement of %q", subject, gateway)
		}
	}
	for _, subject := range []string{
		"", "presence.view.", "presence.view.>", "presence.view.a.b", "presence.replica.=YQ", "presence.snapshot.a",
		"presence.beat.a",
	} {
		if view, ok := ViewOf(subject); ok {
			t.Errorf("%q is taken for one of the view %q", subject, view)
		}
	}
	for _, subject := range []string{"", "signal", "signals.bob", "presence.list"} {
		if token, ok := SignalToken(subject); ok {
			t.Errorf("%q is taken for one of signals to %q", subject, token)
		}
	}
}

// Whatever a parser takes is what the builder would have made.
func FuzzSubjects(f *testing.F) {
	for _, subject := range []string{
		"signal.bob", "signal.=Pi54", "outcome.gw-1.I1.17", "outcome.gw-1.I1.gathered", "presence.announce.gw-1",
		"presence.beat.gw-1", "presence.view.V1", "presence.replica.V1", "presence.list", "",
	} {
		f.Add(subject)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		if token, ok := SignalToken(subject); ok {
			if user, err := UserOfToken(token); err == nil && SignalSubject(user) != subject {
				t.Errorf("%q is of %q, whose subject is %q", subject, user, SignalSubject(user))
			}
		}
		if sender, n, ok := OutcomeReply(subject); ok {
			for token := range strings.SplitSeq(sender.Gathered(), ".") {
				isToken(t, token)
			}
			if got, ok := sender.Signal(subject); !ok || got != n {
				t.Errorf("%q: signal %d, or %d", subject, n, got)
			}
		}
		if gateway, ok := AnnouncingGateway(subject); ok && subject != AnnounceSubject(gateway) && subject != BeatSubject(gateway) {
			t.Errorf("%q is taken for one of the gateway %q", subject, gateway)
		}
		if view, ok := ViewOf(subject); ok && subject != ViewSubject(view) && subject != ReplicaSubject(view) {
			t.Errorf("%q is taken for one of the view %q", subject, view)
		}
	})
}
