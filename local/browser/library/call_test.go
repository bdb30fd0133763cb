package library

import (
	"beckon/local/browser/tamper"
)

func calls(s *stage) {
	s.story("two see and hear each other until one hangs up, and nothing is left of it", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob")`, nil)
		bob.rings(alice)
		bob.is(`[call.peer, call.outgoing, call.video, call.id.length, beckon.calls.length]`, []any{"alice", false, true, 32, 1})
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		for _, p := range []*person{alice, bob} {
			p.AwaitFrames("#seen", 3)
			p.AwaitSound("#seen")
			p.is(`[call.camera, call.remoteCamera, call.muted]`, []bool{true, true, false})
		}
		alice.is(`call.history`, []string{"calling", "calling", "ringing", "connecting", "connected"})
		bob.is(`call.history`, []string{"ringing", "connecting", "connected"})
		bob.Eval(`call.hangUp()`, nil)
		alice.ends("peer_hung_up")
		bob.ends("hung_up")
		alice.is(`[call.ended.message, call.history.at(-1)]`, []string{"bob hung up.", "ended"})
	})

	s.story("a call that is refused, cancelled or not answered ends at both, each knowing why", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.is(`call.video`, false)
		bob.Eval(`call.refuse()`, nil)
		alice.ends("refused")
		bob.ends("declined")

		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.WaitFor(`incoming.length === 2`)
		bob.rings(alice)
		alice.Eval(`call.hangUp()`, nil)
		alice.ends("hung_up")
		bob.ends("cancelled")

		alice.Eval(`shorten[45_000] = 300`, nil)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		alice.ends("no_answer")
		bob.WaitFor(`incoming.length === 3`)
		bob.ends("cancelled")
		bob.is(`failure(call.accept())`, "bad_state")
	})

	s.story("a callee who is not there, or goes while it rings, is told of as such", func(h *house) {
		proxy := h.proxy(1)
		alice := h.join("alice", h.gateway(0))
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		alice.ends("offline")
		alice.is(`call.ended.message`, "bob is not here.")

		bob := h.join("bob", proxy.Address())
		alice.WaitFor(`beckon.users.includes("bob")`)
		alice.Eval(`void (shorten[4_000] = 300)`, nil)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.Eval(`beckon.close()`, nil)
		alice.ends("peer_left")
		bob.ends("cancelled")

		alice.Eval(`beckon.close(); dial("bob", `+withSoundOnly+`)`, nil)
		alice.ends("disconnected")
	})

	s.story("a caller who goes while it rings is told of as such", func(h *house) {
		proxy := h.proxy(0)
		alice, bob := h.join("alice", proxy.Address()), h.join("bob", h.gateway(1))
		bob.WaitFor(`beckon.users.length === 2`)
		alice.Expect(cutOff, "503")
		bob.Eval(`void (shorten[4_000] = 300)`, nil)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		proxy.Refuse(503, nil)
		proxy.Cut()
		bob.ends("peer_left")
		alice.Eval(`beckon.close()`, nil)
	})

	s.story("a peer whose tab crashes in the middle of a call is gone, once the list says so, too", func(h *house) {
		alice, bob := h.couple()
		alice.WaitFor(`beckon.users.length === 2`)
		talk(alice, bob, withSoundOnly)
		alice.Eval(`void (shorten[4_000] = 100)`, nil)
		bob.crash()
		alice.ends("peer_left")
		alice.is(`call.history.slice(-3)`, []string{"connected", "reconnecting", "ended"})
		bob = h.join("bob", h.gateway(1)) // whose tab it is still
		talk(alice, bob, withSoundOnly)
	})

	s.story("a call that is not taken for want of a microphone rings on, and can be taken again", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.Deny("camera", "microphone")
		bob.is(`failure(call.accept())`, "permission_denied")
		bob.is(`[call.state, beckon.calls.length]`, []any{"ringing", 1})
		bob.Grant("camera", "microphone")
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("peer_hung_up")

		alice.Deny("camera", "microphone")
		alice.Eval(`dial("bob")`, nil)
		alice.ends("permission_denied")
		alice.Grant("camera", "microphone")
	})

	s.story("a call that is ended while the user is asked for the camera lets go of it", func(h *house) {
		alice, bob := h.couple()
		for _, p := range []*person{alice, bob} {
			p.Eval(`void (globalThis.hold = new Promise((yes) => (globalThis.allow = yes)))`, nil)
		}
		alice.Eval(`dial("bob")`, nil)
		alice.Eval(`call.hangUp()`, nil)
		alice.Eval(`allow()`, nil)
		alice.Eval(`until(() => tracks.length === 2)`, nil)
		alice.ends("hung_up")

		alice.Eval(`hold = undefined; dial("bob")`, nil)
		bob.rings(alice)
		bob.Eval(`void (globalThis.accepted = failure(call.accept()))`, nil)
		bob.is(`failure(call.accept())`, "bad_state") // it is being taken
		alice.Eval(`call.hangUp()`, nil)
		bob.WaitFor(`call.ended`)
		bob.Eval(`allow()`, nil)
		bob.is(`accepted`, "nothing")
		bob.ends("cancelled")

		// In one breath with the call, before anybody is asked.
		alice.Eval(`void (tracks.length = 0)`, nil)
		alice.Eval(`dial("bob"); call.hangUp()`, nil)
		alice.ends("hung_up")
		alice.is(`[call.state, tracks.length]`, []any{"ended", 0})
		alice.Eval(`dial("bob"); beckon.close()`, nil)
		alice.ends("hung_up")
		alice.is(`[call.state, tracks.length]`, []any{"ended", 0})
	})

	s.story("whoever calls again when a call has ended gets another one", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		alice.Eval(`void (globalThis.first = call)`, nil)
		alice.Eval(`void call.on("state", (state) => { if (state === "ended") dial("bob", `+withSoundOnly+`); })`, nil)
		bob.Eval(`call.refuse()`, nil)
		bob.WaitFor(`incoming.length === 2`)
		bob.rings(alice)
		alice.is(`[first === call, first.ended.code, beckon.calls.length]`, []any{false, "refused", 1})
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		alice.is(`beckon.call("bob") === call`, true)
	})

	s.story("whoever calls somebody who is calling accepts", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.is(`beckon.call("alice", `+withSoundOnly+`) === call`, true)
		connected(alice, bob)
		bob.is(`incoming.length`, 1)
	})

	s.story("camera and microphone go off and on, and the peer sees it", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob")`, nil)
		bob.rings(alice)
		bob.Eval(`call.accept({ video: false })`, nil)
		connected(alice, bob)
		alice.is(`call.remoteCamera`, false)

		bob.Eval(`call.setCamera(true)`, nil) // a picture where there was none
		alice.WaitFor(`call.remoteCamera`)
		alice.Eval(`flows("video")`, nil)
		bob.Eval(`call.setCamera(false)`, nil)
		alice.WaitFor(`!call.remoteCamera`)
		bob.is(`[call.camera, tracks.filter((t) => t.kind === "video" && t.readyState === "live").length]`, []any{false, 0})
		bob.Eval(`call.setCamera(true)`, nil)
		alice.WaitFor(`call.remoteCamera`)

		device := `call.localStream.getVideoTracks()[0].getSettings().deviceId`
		alice.Eval(`void (globalThis.device = `+device+`)`, nil)
		alice.Eval(`call.switchCamera()`, nil)
		alice.Eval(`call.switchCamera()`, nil)
		alice.is(device+` !== device`, true)
		bob.Eval(`flows("video")`, nil)

		// The next camera cannot be had: then there is none, and everybody knows.
		alice.Deny("camera")
		alice.is(`failure(call.switchCamera())`, "permission_denied")
		alice.is(`call.camera`, false)
		bob.WaitFor(`!call.remoteCamera`)
		alice.Grant("camera")
		alice.Eval(`call.setCamera(true)`, nil)
		bob.WaitFor(`call.remoteCamera`)

		alice.Eval(`void (call.muted = true)`, nil)
		alice.is(`[call.muted, call.localStream.getAudioTracks()[0].enabled]`, []bool{true, false})
		bob.Eval(`call.hangUp()`, nil)
		alice.ends("peer_hung_up")
	})

	s.story("before a call stands its camera is left alone", func(h *house) {
		alice, bob := h.couple()
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		bob.Eval(`call.setCamera(true)`, nil)
		bob.is(`[call.camera, tracks.length]`, []any{false, 0})
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("cancelled")
	})

	s.story("servers that cannot be used end the call, not the page", func(h *house) {
		alice := h.visit("alice", h.gateway(0))
		h.join("bob", h.gateway(1))
		alice.Eval(`join({ user: "alice", iceServers: [{ urls: "nonsense" }] })`, nil)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		alice.ends("failed")
		alice.is(`call.ended.error.name`, "BeckonError")
	})

	s.story("what a gateway does not accept ends a call that begins with it, saying why", func(h *house) {
		alice := h.join("alice", h.gateway(0))
		alice.Expect("offer was not accepted", "iceCandidate was not accepted", "disconnectPeer was not accepted")
		alice.Eval(`dial("", `+withSoundOnly+`)`, nil)
		alice.ends("bad_field")
	})

	s.story("a call that could not be ended because the gateway was away is ended when it is back", func(h *house) {
		proxy := h.proxy(0)
		alice, bob := h.join("alice", proxy.Address()), h.join("bob", h.gateway(1))
		alice.Expect(cutOff, "503")
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		proxy.Refuse(503, nil)
		proxy.Cut()
		alice.WaitFor(`states.at(-1).code === "unavailable"`)
		alice.Eval(`call.hangUp()`, nil)
		alice.ends("hung_up")
		proxy.Admit()
		bob.ends("cancelled")

		bob.Eval(`dial("alice", `+withSoundOnly+`)`, nil)
		alice.rings(bob)
		silence := proxy.Hold(tamper.FromPage, "refuse")
		alice.Eval(`call.refuse()`, nil)
		proxy.Await(tamper.FromPage, "refuse", 1)
		proxy.Cut()
		silence.End()
		bob.ends("refused")
	})
}
