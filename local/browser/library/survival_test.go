package library

import (
	"net/http"

	"beckon/local/browser/tamper"
)

func survival(s *stage) {
	s.story("pictures go on while both gateways are away, and what was changed meanwhile takes effect afterwards", func(h *house) {
		near, far := h.proxy(0), h.proxy(1)
		alice, bob := h.join("alice", near.Address()), h.join("bob", far.Address())
		talk(alice, bob, withVideo)
		for _, p := range []*person{alice, bob} {
			p.Expect(cutOff, "503")
		}
		away := func() {
			for _, proxy := range []*tamper.Proxy{near, far} {
				proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"60"}})
				proxy.Cut()
			}
			for _, p := range []*person{alice, bob} {
				p.WaitFor(`states.at(-1).code === "unavailable" && states.at(-1).retryIn`)
			}
		}
		back := func() {
			near.Admit()
			far.Admit()
			for _, p := range []*person{alice, bob} {
				p.Eval(`void dispatchEvent(new Event("pageshow"))`, nil) // no need to wait any longer
				p.WaitFor(`beckon.state === "online"`)
			}
		}
		away()
		alice.Eval(`call.setCamera(false)`, nil)
		for _, p := range []*person{alice, bob} {
			p.Eval(`flows("audio")`, nil)
			p.is(`[beckon.state, call.state]`, []string{"reconnecting", "connected"})
		}
		alice.AwaitFrames("#seen", 3)
		back()
		bob.WaitFor(`!call.remoteCamera`)

		// From sessions that the other has never heard of, both ways at once.
		away()
		alice.Eval(`call.setCamera(true)`, nil)
		bob.Eval(`call.setCamera(false)`, nil)
		back()
		bob.WaitFor(`call.remoteCamera`)
		alice.WaitFor(`!call.remoteCamera`)
		bob.Eval(`flows("video", "audio")`, nil)
		alice.is(`[pcs.length, call.history.at(-1)]`, []any{1, "connected"})
		bob.Eval(`call.hangUp()`, nil)
		alice.ends("peer_hung_up")
	})

	s.story("a call is not lost when its end cannot be told by the gateway", func(h *house) {
		proxy := h.proxy(0)
		alice, bob := h.join("alice", proxy.Address()), h.join("bob", h.gateway(1))
		talk(alice, bob, withSoundOnly)
		alice.Expect(cutOff, "503")
		bob.Eval(`void (shorten[2_000] = 100)`, nil)
		proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"60"}})
		proxy.Cut()
		alice.WaitFor(`states.at(-1).code === "unavailable"`)
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("peer_left")
	})

	s.story("a ringing call survives that the callee reconnects", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		bob.Expect(cutOff)
		alice.WaitFor(`beckon.users.length === 2`)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.Eval(`void (states.length = 0)`, nil)
		proxy.Cut()
		bob.WaitFor(`states.at(-1)?.state === "online"`)
		bob.is(`[call.state, incoming.length]`, []any{"ringing", 1})
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
	})

	s.story("a ringing call survives that the caller reconnects", func(h *house) {
		proxy := h.proxy(0)
		alice, bob := h.join("alice", proxy.Address()), h.join("bob", h.gateway(1))
		alice.Expect(cutOff)
		bob.WaitFor(`beckon.users.length === 2`)
		// The gateway has not even told what became of the offer.
		lost := proxy.Drop(tamper.ToPage, "ack")
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.WaitFor(`globalThis.call?.state === "ringing"`)
		alice.Eval(`void (states.length = 0)`, nil)
		proxy.Cut()
		lost.End()
		alice.WaitFor(`states.at(-1)?.state === "online"`)
		bob.rings(alice)
		bob.is(`incoming.length`, 1)
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
	})

	s.story("an answer that is said again from another session is not that of another device", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		bob.Expect(cutOff)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		lost := proxy.Drop(tamper.ToPage, "ack")
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		bob.Eval(`void (states.length = 0)`, nil)
		answers := proxy.Seen(tamper.FromPage, "answer")
		proxy.Cut()
		lost.End()
		bob.WaitFor(`states.at(-1)?.state === "online"`)
		proxy.Await(tamper.FromPage, "answer", answers+1)
		alice.hears(bob)
		connected(alice, bob)
		bob.Eval(`flows("audio")`, nil)
	})

	s.story("an offer that was answered is not said again", func(h *house) {
		proxy := h.proxy(0)
		alice, bob := h.join("alice", proxy.Address()), h.join("bob", h.gateway(1))
		alice.Expect(cutOff)
		lost := proxy.Drop(tamper.ToPage, "ack")
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.WaitFor(`globalThis.call?.state === "ringing"`)
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		alice.Eval(`void (states.length = 0)`, nil)
		proxy.Cut()
		lost.End()
		alice.WaitFor(`states.at(-1)?.state === "online"`)
		bob.hears(alice)
		if n := proxy.Seen(tamper.FromPage, "offer"); n != 1 {
			h.Errorf("there were %d offers", n)
		}
	})
}
