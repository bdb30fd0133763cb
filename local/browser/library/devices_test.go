package library

import (
	"fmt"
	"time"

	"beckon/local/browser/tamper"
)

func devices(s *stage) {
	trio := func(h *house) (alice, bob, other *person) {
		alice, bob = h.couple()
		return alice, bob, h.joinOn("bob's other device", "bob", h.gateway(0))
	}

	s.story("all devices of a user ring, and when one accepts the others stop and stay still", func(h *house) {
		alice, bob := h.couple()
		proxy := h.proxy(0)
		other := h.joinOn("bob's other device", "bob", proxy.Address())
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		other.rings(alice)
		bob.Eval(`call.accept()`, nil)
		other.ends("elsewhere")
		connected(alice, bob)

		// A renegotiation reaches all of them, and concerns one.
		alice.Eval(`call.setCamera(true)`, nil)
		bob.WaitFor(`call.remoteCamera`)
		proxy.Await(tamper.ToPage, "offer", 2)
		bob.Eval(`call.setCamera(true)`, nil)
		alice.WaitFor(`call.remoteCamera`)
		other.is(`[incoming.length, beckon.calls.length]`, []int{1, 0})
		other.Eval(`beckon.close()`, nil)
		other.Eval(`join({ user: "bob" })`, nil) // a device that has never heard of the call
		alice.Eval(`void dispatchEvent(new Event("online"))`, nil)
		proxy.Await(tamper.ToPage, "offer", 3)
		alice.WaitFor(`pc().signalingState === "stable"`)
		other.hears(alice)
		other.is(`incoming.length`, 0)
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("peer_hung_up")
	})

	s.story("when one refuses the others stop", func(h *house) {
		alice, bob, other := trio(h)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		other.rings(alice)
		other.Eval(`call.refuse()`, nil)
		other.ends("declined")
		bob.ends("elsewhere")
		alice.ends("refused")
	})

	s.story("when the caller gives up all of them stop", func(h *house) {
		alice, bob, other := trio(h)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		other.rings(alice)
		alice.Eval(`call.hangUp()`, nil)
		bob.ends("cancelled")
		other.ends("cancelled")
	})

	s.story("when two accept at the same moment exactly one of them talks", func(h *house) {
		alice, bob, other := trio(h)
		for round := range 3 {
			alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
			both := []*person{bob, other}
			for _, p := range both {
				p.WaitFor(fmt.Sprintf(`incoming.length === %d`, round+1))
				p.rings(alice)
			}
			at := time.Now().Add(200 * time.Millisecond).UnixMilli()
			for _, p := range both {
				p.Eval(fmt.Sprintf(`void after(%d - Date.now()).then(() => call.accept())`, at), nil)
			}
			connected(alice)
			for _, p := range both {
				p.WaitFor(`call.state === "connected" || call.ended`)
			}
			var ended [2]bool
			bob.Eval(`Boolean(call.ended)`, &ended[0])
			other.Eval(`Boolean(call.ended)`, &ended[1])
			if ended[0] == ended[1] {
				h.Fatalf("ended: %v", ended)
			}
			if ended[0] {
				both[0], both[1] = both[1], both[0]
			}
			both[0].Eval(`flows("audio")`, nil)
			both[1].ends("elsewhere")
			both[0].Eval(`call.hangUp()`, nil)
			alice.ends("peer_hung_up")
		}
	})

	s.story("a device whose answer comes late has not spoilt the call for the one that talks", func(h *house) {
		proxy := h.proxy(1)
		alice, bob := h.join("alice", h.gateway(0)), h.join("bob", proxy.Address())
		other := h.joinOn("bob's other device", "bob", h.gateway(0))
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		other.rings(alice)
		late := proxy.Hold(tamper.FromPage, tamper.Any)
		bob.Eval(`call.accept()`, nil)
		bob.WaitFor(`pc()?.iceConnectionState === "connected"`) // as far as it knows
		other.Eval(`call.accept()`, nil)
		connected(alice, other)
		late.End()
		bob.ends("elsewhere")
		other.Eval(`flows("audio")`, nil)
		other.Eval(`call.hangUp()`, nil)
		alice.ends("peer_hung_up")
	})

	s.story("when calls cross, the devices that do not take part stop ringing", func(h *house) {
		alice, bob, other := trio(h)
		hers := h.joinOn("alice's other device", "alice", h.gateway(1))
		for range 3 { // the calls' ids are random, and decide who gives way
			for _, p := range []*person{alice, bob, other, hers} {
				p.Eval(`void (globalThis.call = undefined)`, nil)
			}
			at := time.Now().Add(200 * time.Millisecond).UnixMilli()
			alice.Eval(fmt.Sprintf(`void dialAt(%d, "bob", `+withSoundOnly+`)`, at), nil)
			bob.Eval(fmt.Sprintf(`void dialAt(%d, "alice", `+withSoundOnly+`)`, at), nil)
			for _, p := range []*person{alice, bob} {
				p.WaitFor(`call?.state === "connected"`)
			}
			for _, p := range []*person{other, hers} {
				p.hears(alice)
				p.hears(bob)
				p.is(`incoming.filter((c) => !c.ended).length`, 0)
			}
			alice.Eval(`call.hangUp()`, nil)
			bob.ends("peer_hung_up")
		}
	})

	s.story("one may call oneself on another device", func(h *house) {
		bob := h.join("bob", h.gateway(0))
		bob.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.ends("offline") // there is no other device
		other := h.joinOn("bob's other device", "bob", h.gateway(1))
		bob.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		other.rings(bob)
		other.Eval(`call.accept()`, nil)
		connected(bob, other)
		other.Eval(`call.hangUp()`, nil)
		bob.ends("peer_hung_up")
	})
}
