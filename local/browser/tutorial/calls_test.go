package tutorial

import (
	"testing"

	"beckon/local/browser/tamper"
)

func TestTwoCallEachOther(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arrive("Bob", 1, byDefault)
	for _, p := range []*person{alice, bob} {
		p.finds(alice, bob)
	}
	meet(alice, bob)
	talk(alice, bob)
	for _, p := range []*person{alice, bob} {
		p.hasCandidates()
	}
	alice.Screenshot("tutorial", 1000, 800, false)
	alice.Click("button", "Hang up")
	alice.over("You hung up.")
	bob.over(alice.user + " ended the call.")

	// And the other way round, to show that nothing is left of the first.
	meet(bob, alice)
	alice.Click("button", "Hang up")
	alice.over("You hung up.")
	bob.over(alice.user + " ended the call.")
}

func TestSoundOnly(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arrive("Bob", 1, byDefault)
	alice.finds(alice, bob)
	alice.calls(bob, withSoundOnly)
	bob.rings(alice)
	bob.Click("button", "Accept")
	talk(alice, bob)
	for _, p := range []*person{alice, bob} {
		p.noPictures()
	}
	bob.Click("button", "Hang up")
	alice.over(bob.user + " ended the call.")
	bob.over("You hung up.")
}

// Who stops ringing or is refused hears of it, and what the one says then in answer disturbs no later call.
func TestRefused(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arrive("Bob", 1, byDefault)
	alice.finds(alice, bob)
	alice.calls(bob, withVideo)
	bob.rings(alice)
	bob.Click("button", "Refuse")
	bob.over("You refused.")
	alice.over(bob.user + " ended the call.")

	bob.calls(alice, withVideo)
	alice.rings(bob)
	bob.Click("button", "Hang up")
	bob.over("You hung up.")
	alice.over(bob.user + " ended the call.")

	meet(alice, bob)
}

// A list is old as soon as it is drawn. Who calls somebody who has left meanwhile is refused.
func TestCalleeHasLeft(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arrive("Bob", 1, byDefault)
	alice.finds(alice, bob)
	alice.Eval(`void socket.off("updateUserlist")`, nil)
	carol := h.arrive("Carol", 1, byDefault)
	carol.finds(alice, bob, carol)
	bob.CloseTab()
	carol.finds(alice, carol)

	alice.calls(bob, withVideo)
	alice.over(bob.user + " ended the call.")
	meet(carol, alice)
}

// A page ends a call that has lost its media without a word to anybody. It can be called again all the same.
func TestEndsInSilence(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arrive("Bob", 1, byDefault)
	alice.finds(alice, bob)
	alice.calls(bob, withSoundOnly)
	bob.rings(alice)
	bob.Click("button", "Accept")
	alice.AwaitSound("#remote")
	// As Chromium says itself seven seconds after the other end has lost its network.
	alice.Eval(`void (Object.defineProperty(pc, "iceConnectionState", { value: "disconnected" }),
		pc.dispatchEvent(new Event("iceconnectionstatechange")))`, nil)
	alice.over("The connection was lost.")
	carol := h.arrive("Carol", 1, byDefault)
	carol.calls(alice, withVideo)
	alice.rings(carol)
}

// Who was cut off comes back as somebody else, and leaves no ghost in the list.
func TestComesBackAsSomebodyElse(t *testing.T) {
	h := open(t)
	proxy := tamper.Start(t, h.stack.Gateways[0].Listen)
	alice, bob := h.arriveAt("Alice", proxy.URL(), byDefault), h.arrive("Bob", 1, byDefault)
	bob.finds(alice, bob)
	before := alice.user
	alice.Expect("WebSocket connection to")
	if n := proxy.Cut(); n != 1 {
		t.Fatalf("%d sockets were cut", n)
	}
	bob.finds(bob)
	alice.connected(byDefault)
	if alice.user == before {
		t.Errorf("Alice is %s again", before)
	}
	for _, p := range []*person{alice, bob} {
		p.finds(bob, alice)
	}
	bob.calls(alice, withVideo)
	alice.rings(bob)
}

func TestThirdComesAndGoes(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arrive("Bob", 1, byDefault)
	for _, transports := range []string{byDefault, byPollingOnly} {
		carol := h.arrive("Carol", 0, transports)
		for _, p := range []*person{alice, bob, carol} {
			p.finds(alice, bob, carol)
		}
		carol.CloseTab()
		for _, p := range []*person{alice, bob} {
			p.finds(alice, bob)
		}
	}
}

func TestPollingMeetsWebSocket(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byPollingOnly), h.arrive("Bob", 1, byWebSocketOnly)
	for _, p := range []*person{alice, bob} {
		p.finds(alice, bob)
	}
	meet(alice, bob)
	bob.Click("button", "Hang up")
	alice.over(bob.user + " ended the call.")

	bob.calls(alice, withSoundOnly)
	alice.rings(bob)
	alice.Click("button", "Refuse")
	bob.over(alice.user + " ended the call.")
	var by string
	if alice.Eval(`socket.io.engine.transport.name`, &by); by != byPollingOnly {
		t.Errorf("the one who only polls is connected by %s", by)
	}
}
