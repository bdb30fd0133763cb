package roster

import (
	"testing"
	"time"

	"beckon/shared/wire"
)

// script tells a follower one thing after the other, and checks what it does.
type script struct {
	*testing.T
	f    *Follower
	now  time.Time
	here map[wire.Ref]wire.Login // what the follower's changes add up to
}

func newScript(t *testing.T) *script {
	s := &script{
		T: t, f: NewFollower("here"), now: time.Unix(1000, 0),
		here: make(map[wire.Ref]wire.Login),
	}
	s.do(s.f.Link(s.now, true), "")
	return s
}

// following is a script that follows v.
func following(t *testing.T, v *view) *script {
	s := newScript(t)
	s.do(s.f.Beat(s.now, v.beat()), "follow "+v.name+", ask")
	s.answer(v, "")
	s.is(v, true)
	return s
}

// do takes Effects, and checks what is to be done, in words: "need" (a snapshot, which is news), "follow x", "ask".
func (s *script) do(e Effects, want string) {
	s.Helper()
	add(s, s.here, e.Changes)
	words := ""
	for _, word := range []struct {
		said bool
		what string
	}{{e.Resync != "", "need"}, {e.Follow != "", "follow " + e.Follow}, {e.Ask, "ask"}} {
		if word.said && words != "" {
			words += ", "
		}
		if word.said {
			words += word.what
		}
	}
	if words != want {
		s.Fatalf("it is to do %q, want %q (%s)", words, want, e.Resync)
	}
}

// add follows changes, and checks that who comes was not here, and who leaves was.
func add(t interface{ Fatalf(string, ...any) }, here map[wire.Ref]wire.Login, changes []Change) {
	came := make(map[wire.Ref]wire.Login)
	for _, c := range changes {
		ref := wire.Ref{Gateway: c.Gateway, Session: c.Session}
		switch before, was := here[ref]; {
		case !c.Left && was:
			came[ref] = c.Login // of the same name as one who is about to leave
		case !c.Left:
			here[ref] = c.Login
		case before != c.Login:
			t.Fatalf("%v left and was not here", c.Entry)
		default:
			delete(here, ref)
			if login, again := came[ref]; again {
				here[ref] = login
				delete(came, ref)
			}
		}
	}
	if len(came) > 0 {
		t.Fatalf("%v came twice", came)
	}
}

// answer gives the follower a snapshot. The last chunk has the effects that are wanted.
func (s *script) answer(v *view, want string) {
	s.Helper()
	chunks := v.snapshot()
	for i, chunk := range chunks {
		e := s.f.Chunk(s.now, chunk)
		if i == len(chunks)-1 {
			s.do(e, want)
		} else {
			s.do(e, "")
		}
	}
}

// is checks that the follower shows what v shows, and whether it hears it.
func (s *script) is(v *view, live bool) {
	s.Helper()
	if got := s.f.Live(s.now); got != live {
		s.Fatalf("live is %v", got)
	}
	same(s, s.f, s.here, v)
}

func same(t interface{ Fatalf(string, ...any) }, f *Follower, here map[wire.Ref]wire.Login, v *view) {
	if len(here) != len(v.logins) {
		t.Fatalf("%d sessions are here, want %d", len(here), len(v.logins))
	}
	for ref, login := range v.logins {
		if here[ref] != login {
			t.Fatalf("%v is %v, want %v", ref, here[ref], login)
		}
	}
	if beat := v.beat(); f.table.count != beat.Count || f.table.digest != beat.Digest {
		t.Fatalf("count and digest are %d, %x, want %d, %x", f.table.count, f.table.digest, beat.Count, beat.Digest)
	}
}

// passes lets time pass as far as the follower's deadline, which must be that far.
func (s *script) passes(d time.Duration) {
	s.Helper()
	at, ok := s.f.Deadline(s.now)
	if !ok || at.Sub(s.now) != d {
		s.Fatalf("deadline in %v, %v, want %v", at.Sub(s.now), ok, d)
	}
	s.now = at
}

// darkens checks that the follower waits for nothing but that clients have to be told, and lets that time pass.
func (s *script) darkens() {
	s.Helper()
	if s.f.Degraded(s.now) {
		s.Fatalf("it is degraded at once")
	}
	s.passes(degradedAfter)
	s.do(s.f.Tick(s.now), "")
	if !s.f.Degraded(s.now) {
		s.Fatalf("it is not degraded")
	}
	if at, ok := s.f.Deadline(s.now); ok {
		s.Fatalf("it waits for something in %v", at.Sub(s.now))
	}
}
