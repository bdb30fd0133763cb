package main

import (
	"testing"
	"time"
)

// upgradesInTheEnd is that a session of polling upgrades after a WebSocket that did not. The server takes one at a time, and
// may still have to find out that the one before has ended.
func upgradesInTheEnd(t testing.TB, s *session) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ws := dial(t, s.e, socketQuery+"&sid="+s.sid)
		ws.try(text("2probe"))
		p, err := ws.listen()
		if err == nil && p == text("3probe") {
			ws.say(text("5"))
			ws.goesOn()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("heard %v (%v), want an answer to the probe", p, err)
		}
		s.goesOn()
	}
}

// A WebSocket that says anything but a probe is none of the session's, which goes on by polling.
func TestProbeOfNonsense(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		for _, p := range []packet{
			text(""), text("abc"), text("0"), text("1"), text("2"), text("2prob"), text("2probe "), text("3probe"), text("4hello"), text("7"),
			text("\xff"), binary("2probe"), binary(""),
		} {
			t.Run(p.String(), func(t *testing.T) {
				s := openPolling(t, e)
				s.ready()
				ws := dial(t, e, socketQuery+"&sid="+s.sid)
				ws.try(p)
				ws.ends()
				s.goesOn()
				ws = probe(t, s) // it may try again
				ws.say(text("5"))
				ws.goesOn()
			})
		}
		t.Run("after a probe", func(t *testing.T) {
			s := openPolling(t, e)
			s.ready()
			ws := probe(t, s)
			ws.say(text("4hello"))
			ws.ends()
			s.goesOn()
		})
		t.Run("an upgrade without a probe", func(t *testing.T) {
			s := openPolling(t, e)
			s.ready()
			ws := dial(t, e, socketQuery+"&sid="+s.sid)
			ws.try(text("5"))
			if err := ws.greet(); err != nil { // the server insists on a probe
				s.goesOn()
			}
		})
		e.serves(t)
	})
}

func TestProbeThatIsGivenUp(t *testing.T) {
	both(t, func(t *testing.T, e *echoServer) {
		s := openPolling(t, e)
		s.ready()
		probe(t, s).transport.(socket).Close()
		s.goesOn()
		upgradesInTheEnd(t, s)
		e.serves(t)
	})
}

// A WebSocket has ten seconds for its upgrade. The session it is for goes on by polling.
func TestProbeThatNeverUpgrades(t *testing.T) {
	t.Parallel()
	const upgradeTimeout = 10 * time.Second
	type try struct {
		name   string
		polled *session
		ws     *session
		since  time.Time
	}
	var tries []try
	for name, first := range map[string][]packet{"says nothing": nil, "does no more than probe": texts("2probe")} {
		for _, e := range []*echoServer{engine, socketio} {
			s := openPolling(t, e)
			s.ready()
			since := time.Now()
			ws := dial(t, e, socketQuery+"&sid="+s.sid)
			ws.say(first...)
			s.goesOn()
			tries = append(tries, try{e.mode + ", " + name, s, ws, since})
		}
	}
	for _, try := range tries {
		for err := error(nil); err == nil; { // reads are bounded
			_, err = try.ws.read()
		}
		if d := time.Since(try.since); d < upgradeTimeout {
			t.Errorf("%s: the WebSocket ended after %v", try.name, d)
		}
		try.polled.goesOn()
		upgradesInTheEnd(t, try.polled)
	}
}
