package library

import (
	"fmt"
	"math/rand/v2"
	"time"

	"beckon/local/browser/tamper"
)

func negotiation(s *stage) {
	// took waits until a page has given its connection all candidates that came through a proxy.
	took := func(p *person, proxy *tamper.Proxy) {
		p.h.Helper()
		p.WaitFor(fmt.Sprintf(`candidates >= %d`, proxy.Seen(tamper.ToPage, "remoteIceCandidate")))
	}

	s.story("candidates that come before the offer wait for it", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		late := proxy.Hold(tamper.ToPage, "offer")
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		proxy.Await(tamper.ToPage, "remoteIceCandidate", 2) // of which the last is the end of them
		bob.is(`beckon.calls.length`, 0)
		late.End()
		bob.rings(alice)
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		took(bob, proxy)
	})

	s.story("candidates that come before the answer wait for it", func(h *house) {
		proxy := h.proxy(0)
		alice, bob := h.join("alice", proxy.Address()), h.join("bob", h.gateway(1))
		late := proxy.Hold(tamper.ToPage, "answer")
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.Eval(`call.accept()`, nil)
		proxy.Await(tamper.ToPage, "remoteIceCandidate", 2)
		alice.is(`[call.state, candidates]`, []any{"ringing", 0})
		late.End()
		connected(alice, bob)
		took(alice, proxy)
	})

	s.story("candidates that come while it rings wait until it is accepted", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		proxy.Await(tamper.ToPage, "remoteIceCandidate", 2)
		bob.is(`[candidates, pcs.length]`, []int{0, 0})
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		took(bob, proxy)
	})

	s.story("both may renegotiate at once, again and again, and both pictures are right in the end", func(h *house) {
		seed := rand.Uint32()
		h.Logf("seed %d", seed)
		alice, bob := h.couple()
		talk(alice, bob, withVideo)
		// Each turns the camera on and off, and looks for another path, at moments of its own; in the end alice's is on.
		const rounds = `(async () => {
			const random = seeded(%d);
			for (let round = 0; round < 20; round++) {
				const what = random();
				if (what < 0.3) dispatchEvent(new Event("online"));
				else await call.setCamera(!call.camera);
				await after(what < 0.5 ? 0 : 40 * random());
			}
			await call.setCamera(%t);
		})()`
		alice.Eval(fmt.Sprintf(`void (globalThis.done = `+rounds+`)`, seed, true), nil)
		bob.Eval(fmt.Sprintf(`void (globalThis.done = `+rounds+`)`, seed+1, false), nil)
		for _, p := range []*person{alice, bob} {
			p.Eval(`done`, nil)
		}
		for _, p := range []*person{alice, bob} {
			p.Eval(`until(() => pc().signalingState === "stable" && call.state === "connected")`, nil)
		}
		bob.WaitFor(`call.remoteCamera`)
		alice.WaitFor(`!call.remoteCamera`)
		bob.Eval(`flows("video", "audio")`, nil)
		alice.Eval(`flows("audio")`, nil)
		bob.Eval(`call.setCamera(true)`, nil)
		alice.WaitFor(`call.remoteCamera`)
		alice.Eval(`flows("video")`, nil)
		alice.is(`[pcs.length, call.history.includes("ended")]`, []any{1, false})
	})

	s.story("two who call each other at the same moment are in one call", func(h *house) {
		alice, bob := h.couple()
		for range 3 {
			at := time.Now().Add(300 * time.Millisecond).UnixMilli()
			for _, p := range []*person{alice, bob} {
				p.Eval(fmt.Sprintf(`void (globalThis.call = undefined, dialAt(%d, %q, `+withSoundOnly+`))`, at,
					map[*person]string{alice: "bob", bob: "alice"}[p]), nil)
			}
			for _, p := range []*person{alice, bob} {
				p.WaitFor(`call?.state === "connected"`)
				p.is(`[beckon.calls.length, incoming.length, call.outgoing]`, []any{1, 0, true})
			}
			var id string
			alice.Eval(`call.id`, &id)
			bob.is(`call.id`, id)
			bob.Eval(`flows("audio")`, nil)
			alice.Eval(`call.hangUp()`, nil)
			bob.ends("peer_hung_up")
			alice.ends("hung_up")
		}
	})

	s.story("two who call each other are in one call even when one of them is asked for the camera for long", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		hold := `void (globalThis.hold = new Promise((yes) => (globalThis.allow = yes)))`
		bob.Eval(hold, nil)
		bob.Eval(`dial("alice", `+withSoundOnly+`)`, nil)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		proxy.Await(tamper.ToPage, "remoteIceCandidate", 2)
		bob.hears(alice)
		bob.is(`[call.state, incoming.length]`, []any{"calling", 0})
		bob.Eval(`allow()`, nil)
		connected(alice, bob)
		took(bob, proxy)
		alice.is(`beckon.calls.length`, 1)
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("peer_hung_up")

		// Who says no then, or nothing at all, does not leave the other one ringing.
		for _, no := range []string{`allow(Promise.reject(new DOMException("", "NotAllowedError")))`, `call.hangUp()`} {
			bob.Eval(hold, nil)
			bob.Eval(`dial("alice", `+withSoundOnly+`)`, nil)
			offers := proxy.Seen(tamper.ToPage, "offer")
			alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
			proxy.Await(tamper.ToPage, "offer", offers+1)
			bob.hears(alice)
			bob.Eval(`void `+no, nil)
			bob.WaitFor(`call.ended`)
			alice.WaitFor(`call.ended`)
			alice.is(`["refused", "peer_hung_up"].includes(call.ended.code)`, true)
			alice.is(`left()`, "")
		}
		bob.Eval(`allow()`, nil)

		// And who gives up meanwhile is not called any more.
		bob.Eval(hold, nil)
		bob.Eval(`dial("alice", `+withSoundOnly+`)`, nil)
		offers := proxy.Seen(tamper.ToPage, "offer")
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		proxy.Await(tamper.ToPage, "offer", offers+1)
		bob.hears(alice)
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("peer_hung_up")
		bob.Eval(`allow()`, nil)
		bob.ends("peer_hung_up")
	})

	s.story("a description that died with its receiver's connection is said again", func(h *house) {
		near, far := h.proxy(0), h.proxy(1)
		alice, bob := h.join("alice", near.Address()), h.join("bob", far.Address())
		for _, p := range []*person{alice, bob} {
			p.Eval(`void (shorten[5_000] = 300)`, nil)
		}
		lost := near.Drop(tamper.ToPage, "answer")
		alice.Eval(`dial("bob")`, nil)
		bob.rings(alice)
		bob.Eval(`call.accept({ video: false })`, nil)
		near.Await(tamper.ToPage, "answer", 1)
		lost.End()
		connected(alice, bob)

		lost = far.Drop(tamper.ToPage, "offer")
		alice.Eval(`call.setCamera(false)`, nil)
		far.Await(tamper.ToPage, "offer", 2)
		lost.End()
		bob.WaitFor(`!call.remoteCamera`)

		lost = near.Drop(tamper.ToPage, "answer")
		alice.Eval(`call.setCamera(true)`, nil)
		near.Await(tamper.ToPage, "answer", near.Seen(tamper.ToPage, "answer")+1)
		lost.End()
		bob.WaitFor(`call.remoteCamera`)
		alice.WaitFor(`pc().signalingState === "stable"`)
		bob.Eval(`flows("video")`, nil)
	})

	s.story("an answer to an offer that came twice is not taken for that to the next one", func(h *house) {
		near := h.proxy(0)
		alice, bob := h.join("alice", near.Address()), h.join("bob", h.gateway(1))
		alice.Eval(`void (shorten[5_000] = 300)`, nil)
		talk(alice, bob, withVideo)
		late := near.Hold(tamper.ToPage, "answer")
		alice.Eval(`call.setCamera(false)`, nil)
		near.Await(tamper.ToPage, "answer", 3) // that of the call, and two to what alice has now said twice
		alice.Eval(`call.setCamera(true)`, nil)
		late.End()
		near.Await(tamper.ToPage, "answer", 4)
		bob.Eval(`until(() => call.remoteCamera && pc().signalingState === "stable")`, nil)
		bob.Eval(`flows("video")`, nil)
		alice.is(`[pc().signalingState, call.state]`, []string{"stable", "connected"})
	})

	s.story("another kind of network is a reason to look for a path, another speed is none", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		talk(alice, bob, withSoundOnly)
		alice.Eval(`void navigator.connection.dispatchEvent(new Event("change"))`, nil)
		alice.Eval(`void Object.defineProperty(navigator.connection, "type", { value: "wifi", writable: true })`, nil)
		alice.Eval(`void navigator.connection.dispatchEvent(new Event("change"))`, nil)
		proxy.Await(tamper.ToPage, "offer", 2)
		alice.Eval(`until(() => pc().signalingState === "stable")`, nil)
		alice.Eval(`void navigator.connection.dispatchEvent(new Event("change"))`, nil)
		alice.Eval(`void dispatchEvent(new Event("online"))`, nil)
		proxy.Await(tamper.ToPage, "offer", 3)
		alice.Eval(`until(() => pc().signalingState === "stable")`, nil)
		bob.Eval(`flows("audio")`, nil)
		if n := proxy.Seen(tamper.ToPage, "offer"); n != 3 {
			h.Errorf("there were %d offers for one call and two networks", n)
		}
	})
}
