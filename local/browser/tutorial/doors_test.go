package tutorial

import "testing"

func TestTutorialPageCallsOurs(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arriveOnOurs("Bob", 1)
	alice.finds(alice, bob)
	meet(alice, bob)
	talk(alice, bob)
	alice.hasCandidates()
	bob.Click("button", "Hang up")
	bob.over("Call somebody, or wait until somebody calls you.")
	alice.over("Bob ended the call.")

	meet(alice, bob)
	alice.Click("button", "Hang up")
	alice.over("You hung up.")
	bob.over(alice.user + " hung up.")
}

func TestOurPageCallsTutorials(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arriveOnOurs("Bob", 1)
	meet(bob, alice)
	talk(alice, bob)
	alice.hasCandidates()
	alice.Click("button", "Hang up")
	alice.over("You hung up.")
	bob.over(alice.user + " hung up.")

	bob.calls(alice, withSoundOnly)
	alice.rings(bob)
	alice.Click("button", "Accept")
	talk(alice, bob)
	for _, p := range []*person{alice, bob} {
		p.noPictures()
	}
	bob.Click("button", "Hang up")
	alice.over("Bob ended the call.")
	bob.over("Call somebody, or wait until somebody calls you.")
}

func TestRefusedAcrossDoors(t *testing.T) {
	h := open(t)
	alice, bob := h.arrive("Alice", 0, byDefault), h.arriveOnOurs("Bob", 1)
	alice.calls(bob, withVideo)
	bob.rings(alice)
	bob.Click("button", "Refuse")
	alice.over("Bob ended the call.")

	bob.calls(alice, withVideo)
	alice.rings(bob)
	alice.Click("button", "Refuse")
	bob.AwaitText(alice.user + " cannot talk now.")

	bob.Click("button", "Call again")
	alice.rings(bob)
	bob.Click("button", "Hang up")
	alice.over("Bob ended the call.")

	alice.calls(bob, withVideo)
	bob.rings(alice)
	alice.Click("button", "Hang up")
	bob.over(alice.user + " stopped calling. You missed the call.")
}
