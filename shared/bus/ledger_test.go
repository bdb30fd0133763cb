package bus

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/shared/wire"
)

// listener is a replica to which nothing gets lost.
type listener struct {
	seq    uint64
	logins map[string]wire.Login
}

func (l *listener) hear(t rapid.TB, said []wire.Announcement) {
	for _, a := range said {
		if a.Seq != l.seq+1 || a.Incarnation != "inc" {
			t.Fatalf("announcement %d of %q after %d", a.Seq, a.Incarnation, l.seq)
		}
		if encoded, err := wire.Encode(&a); err != nil || len(encoded) > wire.MaxMessage {
			t.Fatalf("announcement of %d bytes, %v", len(encoded), err)
		}
		l.seq = a.Seq
		for _, session := range a.Left {
			if _, ok := l.logins[session]; !ok {
				t.Fatalf("session %s left, but had not been announced", session)
			}
			delete(l.logins, session)
		}
		for _, login := range a.Joined {
			if _, ok := l.logins[login.Session]; ok {
				t.Fatalf("session %s joined twice", login.Session)
			}
			l.logins[login.Session] = login
		}
	}
}

func digest(logins map[string]wire.Login) (d wire.Digest) {
	for _, login := range logins {
		d ^= wire.Digest(login.Hash())
	}
	return d
}

// Whatever comes and goes when: announcements rebuild what the ledger holds, beats and snapshots agree with it at their
// seq, and announcements keep their distance unless a beat or a snapshot needs them.
func TestLedgerTellsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		ledger := NewLedger("inc")
		truth := map[string]wire.Login{}
		heard := listener{logins: map[string]wire.Login{}}
		var announced time.Time
		session := rapid.SampledFrom([]string{"s1", "s2", "s3", "s4"})
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				s := session.Draw(t, "session")
				truth[s] = wire.Login{Session: s, User: rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "user"), Room: "lobby"}
				ledger.Join(now, truth[s])
			},
			"leave": func(t *rapid.T) {
				s := session.Draw(t, "session")
				delete(truth, s)
				ledger.Leave(now, s)
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "ms")) * time.Millisecond)
			},
			"announce": func(t *rapid.T) {
				said := ledger.Announce(now)
				if len(said) > 0 {
					if gap := now.Sub(announced); gap < AnnounceEvery {
						t.Fatalf("announcements %v apart", gap)
					}
					announced = now
				}
				heard.hear(t, said)
				if due, ok := ledger.Due(); ok && due.Sub(now) > AnnounceEvery {
					t.Fatalf("the next announcement is due in %v", due.Sub(now))
				}
			},
			"beat": func(t *rapid.T) {
				said, beat := ledger.Beat(now)
				heard.hear(t, said)
				want := wire.Beat{Incarnation: "inc", Seq: heard.seq, Count: len(heard.logins), Digest: digest(heard.logins)}
				if beat != want {
					t.Fatalf("beat %+v, want %+v", beat, want)
				}
				if !maps.Equal(heard.logins, truth) {
					t.Fatalf("announced %v, want %v", heard.logins, truth)
				}
			},
			"snapshot": func(t *rapid.T) {
				said, chunks := ledger.Snapshot(now, "id")
				heard.hear(t, said)
				if got := assemble(t, chunks); !maps.Equal(got, truth) || chunks[0].Seq != heard.seq {
					t.Fatalf("snapshot of %v at %d, want %v at %d", got, chunks[0].Seq, truth, heard.seq)
				}
			},
		})
	})
}

func assemble(t rapid.TB, chunks []wire.GatewaySnapshot) map[string]wire.Login {
	var assembly wire.Assembly[wire.Login]
	for i, chunk := range chunks {
		if encoded, err := wire.Encode(&chunk); err != nil || len(encoded) > wire.MaxMessage {
			t.Fatalf("chunk of %d bytes, %v", len(encoded), err)
		}
		all, whole := assembly.Add(chunk.ID, chunk.Chunk, chunk.Chunks, chunk.Logins)
		if whole != (i == len(chunks)-1) {
			t.Fatalf("whole after chunk %d of %d: %v", i, len(chunks), whole)
		}
		if whole {
			logins := map[string]wire.Login{}
			for _, login := range all {
				logins[login.Session] = login
			}
			return logins
		}
	}
	t.Fatalf("no chunks")
	return nil
}

// A crowd does not fit one message. Those who come are told before those who go, so that nobody is away in between.
func TestLedgerSplitsACrowd(t *testing.T) {
	const crowd = 5000
	now := time.Unix(1000, 0)
	ledger := NewLedger("inc")
	heard := listener{logins: map[string]wire.Login{}}
	login := func(generation string, i int) wire.Login {
		return wire.Login{
			Session: fmt.Sprintf("%s-%d", generation, i), User: fmt.Sprintf(`"\"%s %d`, strings.Repeat("ü", 50), i), Room: "lobby",
		}
	}
	for i := range crowd {
		ledger.Join(now, login("old", i))
	}
	said := ledger.Announce(now)
	heard.hear(t, said)
	if len(said) < 2 || len(heard.logins) != crowd {
		t.Fatalf("%d sessions in %d announcements", len(heard.logins), len(said))
	}

	now = now.Add(time.Second)
	for i := range crowd {
		ledger.Leave(now, login("old", i).Session)
		ledger.Join(now, login("new", i))
	}
	for _, a := range ledger.Announce(now) {
		heard.hear(t, []wire.Announcement{a})
		users := map[string]bool{}
		for _, l := range heard.logins {
			users[l.User] = true
		}
		if len(users) != crowd {
			t.Fatalf("only %d of %d users stayed after announcement %d", len(users), crowd, a.Seq)
		}
	}
	_, chunks := ledger.Snapshot(now, "id")
	if got := assemble(t, chunks); len(chunks) < 2 || !maps.Equal(got, heard.logins) {
		t.Fatalf("%d chunks hold %d sessions, want the %d announced", len(chunks), len(got), len(heard.logins))
	}
}
