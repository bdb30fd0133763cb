package library

import (
	"errors"
	"fmt"
	"strings"

	"beckon/local/browser/tamper"
	"beckon/local/client"
)

type object = map[string]any

func hostilePeers(s *stage) {
	signal := func(h *house, c *client.Client, event string, data object) {
		h.Helper()
		if _, err := c.Outcome(h.limited(), event, data); err != nil {
			h.Fatal(err)
		}
	}
	offer := func(to, callID, sdp string) object {
		return object{"to": to, "callId": callID, "offerSDP": sdp, "offerType": "offer"}
	}

	s.story("nobody else can touch a call", func(h *house) {
		alice, bob := h.couple()
		mallory := h.dial("mallory")
		talk(alice, bob, withSoundOnly)
		var id, session string
		alice.Eval(`call.id`, &id)
		alice.Eval(`beckon.sessionId`, &session)
		for _, callID := range []any{id, nil, ""} {
			for _, to := range []any{session, nil} {
				common := func(more object) object {
					data := object{"to": "alice", "toSession": to, "callId": callID}
					for name, value := range more {
						data[name] = value
					}
					return data
				}
				signal(h, mallory, "disconnectPeer", common(nil))
				signal(h, mallory, "refuse", common(nil))
				signal(h, mallory, "answer", common(object{"answerSDP": "v=0\r\n", "answerType": "answer"}))
				signal(h, mallory, "iceCandidate", common(object{"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0"}))
				signal(h, mallory, "iceCandidate", common(object{"candidate": nil}))
			}
		}
		signal(h, mallory, "offer", offer("alice", id, "v=0\r\n"))
		alice.WaitFor(`beckon.calls.length === 2`)
		alice.is(`beckon.calls.map((c) => [c.peer, c.state, c.id === beckon.calls[0].id])`, [][]any{
			{"bob", "connected", true}, {"mallory", "ringing", true},
		})
		signal(h, mallory, "disconnectPeer", object{"to": "alice", "callId": id})
		alice.WaitFor(`beckon.calls.length === 1`)
		alice.Eval(`flows("audio")`, nil)
	})

	s.story("an offer that cannot be ends its own call when it is accepted", func(h *house) {
		alice := h.join("alice", h.gateway(0))
		mallory := h.dial("mallory")
		for i, sdp := range []string{"", "nonsense", "v=0\r\n", strings.Repeat("x", 30_000), "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 x\r\n"} {
			signal(h, mallory, "offer", offer("alice", fmt.Sprint("c", i), sdp))
			alice.WaitFor(fmt.Sprintf(`incoming.length === %d`, i+1))
			alice.Eval(`call.accept()`, nil)
			alice.ends("failed")
		}
		// That it is another offer of a call is for a call that there is.
		signal(h, mallory, "offer", offer("alice", "c9", "v=0\r\na=beckon:goes-on\r\n"))
		signal(h, mallory, "message", object{"to": "alice", "data": 1})
		alice.WaitFor(`messages.length === 1`)
		alice.is(`incoming.length`, 5)
	})

	s.story("odd signals of the peer itself end no more than their call", func(h *house) {
		alice := h.join("alice", h.gateway(0))
		mallory := h.dial("mallory")
		alice.Eval(`dial("mallory", `+withSoundOnly+`)`, nil)
		f, err := mallory.Event(h.limited(), "offer")
		if err != nil {
			h.Fatal(err)
		}
		id := f.Text("callId")
		signal(h, mallory, "offer", offer("alice", id, "v=0\r\n")) // its own call, offered back
		signal(h, mallory, "iceCandidate", object{"to": "alice", "callId": id, "candidate": "nonsense", "sdpMLineIndex": 65535})
		for range 400 {
			if err := mallory.Send("iceCandidate", "", object{"to": "alice", "callId": id, "candidate": "", "sdpMid": "none"}); err != nil {
				h.Fatal(err)
			}
		}
		alice.is(`call.state`, "ringing")
		signal(h, mallory, "answer", object{"to": "alice", "callId": id, "answerSDP": "nonsense", "answerType": "answer"})
		alice.ends("failed")
		alice.is(`[states.length, beckon.state]`, []any{2, "online"})
	})

	s.story("a flood of signals within a call is taken as far as it goes, and the call stands", func(h *house) {
		alice, bob := h.couple()
		talk(alice, bob, withSoundOnly)
		alice.Eval(`(() => {
			tried = 0;
			const odd = { from: "bob", fromSession: beckon.sessionId, callId: call.id, candidate: "nonsense", sdpMid: "0" };
			for (let i = 0; i < 5000; i++) hear("remoteIceCandidate", odd);
		})()`, nil)
		alice.Eval(`call.setCamera(true)`, nil)
		bob.WaitFor(`call.remoteCamera`)
		bob.Eval(`flows("video", "audio")`, nil)
		alice.is(`tried < 1000`, true)
	})

	s.story("a flood of calls neither fills the page nor makes it flood the gateway", func(h *house) {
		proxy := h.proxy(1) // which allows little
		alice := h.join("alice", proxy.Address())
		bob := h.join("bob", h.gateway(0))
		ctx := h.limited()
		flood := func(c *client.Client) error {
			for i := range 40 {
				if err := c.Send("offer", "", offer("alice", fmt.Sprint(c.Welcome.UserID, i), "v=0\r\n")); err != nil {
					return err
				}
				if err := c.Send("iceCandidate", "", object{"to": "alice", "callId": fmt.Sprint("none", i), "candidate": ""}); err != nil {
					return err
				}
			}
			for { // alice's gateway may say that it is too much
				outcome, err := c.Outcome(ctx, "message", object{"to": "alice", "data": "done"})
				if err != nil || outcome == "delivered" {
					return err
				}
			}
		}
		const floods = 10
		ends := make(chan error, floods)
		for i := range floods {
			c := h.dial(fmt.Sprint("mallory", i))
			go func() { ends <- flood(c) }()
		}
		var all error
		for range floods {
			all = errors.Join(all, <-ends)
		}
		if all != nil {
			h.Fatal(all)
		}
		alice.WaitFor(fmt.Sprintf(`messages.length === %d`, floods))
		alice.is(`[beckon.calls.length, states.length]`, []int{8, 2})
		if n := proxy.Seen(tamper.FromPage, "refuse"); n < 1 || n > 100 {
			h.Errorf("it refused %d calls", n)
		}
		alice.Eval(`beckon.calls.forEach((c) => c.refuse())`, nil)
		bob.Eval(`dial("alice", `+withSoundOnly+`)`, nil)
		alice.WaitFor(`call.peer === "bob"`)
		alice.Eval(`call.accept()`, nil)
		connected(alice, bob)
	})
}
