package stories

import (
	"fmt"
	"testing"

	"beckon/local/browser"
)

func TestTwoCallEachOther(t *testing.T) {
	h := open(t, browser.Options{})
	alice := h.arrive("Alice", 0)
	alice.AwaitText("Nobody else is here yet.")
	bob := h.arrive("Bob", 1)
	alice.sees(2)
	bob.sees(2)

	alice.calls(bob, withVideo)
	bob.rings(alice)
	if focus := bob.Focused(); focus != `heading "Alice is calling"` {
		t.Errorf("while it rings the focus is on %s", focus)
	}
	if focus := alice.Focused(); focus != `button "Hang up"` {
		t.Errorf("the caller's focus is on %s", focus)
	}
	bob.Click("button", "Accept with video")
	talk(alice, bob)

	alice.Click("button", "Hang up")
	alice.atRest()
	bob.atRest()
	bob.AwaitText("Alice hung up.")

	// And the other way round, to show that nothing is left of the first.
	meet(bob, alice)
	bob.Click("button", "Hang up")
	alice.atRest()
}

func TestSoundOnly(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	alice.calls(bob, withSoundOnly)
	bob.rings(alice)
	bob.AwaitText("With sound only.")
	bob.Click("button", "Accept")
	for _, p := range []*person{alice, bob} {
		p.AwaitSound("#remote")
		var pictures int
		p.Eval(`document.getElementById("remote").srcObject.getVideoTracks().length
			+ document.getElementById("local").srcObject.getVideoTracks().length`, &pictures)
		if pictures != 0 {
			t.Errorf("%s has %d pictures", p.name, pictures)
		}
	}

	// A picture can come later, from one side.
	bob.Click("button", "Camera off") // pressed: it is off
	alice.AwaitFrames("#remote", 5)
	bob.Click("button", "Hang up")
	alice.atRest()
}

func TestVideoCallIsTakenWithSoundOnly(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	alice.calls(bob, withVideo)
	bob.rings(alice)
	bob.Click("button", "Accept with sound only")
	bob.AwaitFrames("#remote", 10)
	alice.AwaitSound("#remote")
	var seen bool
	if alice.Eval(`document.getElementById("call").classList.contains("seen")`, &seen); seen {
		t.Error("there is a picture of somebody who has no camera on")
	}
	alice.Click("button", "Hang up")
	bob.atRest()
}

func TestMuteAndCameraOff(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	meet(alice, bob)

	bob.Click("button", "Camera off")
	alice.WaitFor(`!document.getElementById("call").classList.contains("seen")`)
	bob.WaitFor(`document.getElementById("camera").ariaPressed === "true"`)
	bob.WaitFor(`document.getElementById("local").srcObject.getVideoTracks().length === 0`) // its light is out
	bob.Click("button", "Camera off")
	alice.WaitFor(`document.getElementById("call").classList.contains("seen")`)
	talk(alice, bob)

	bob.Click("button", "Mute")
	bob.WaitFor(`document.getElementById("mute").ariaPressed === "true"
		&& !document.getElementById("local").srcObject.getAudioTracks()[0].enabled`)
	bob.Click("button", "Mute")
	alice.AwaitSound("#remote")
}

// Of the cameras that Chromium makes up the second measures depth, and its picture is not sent.
func TestSwitchCamera(t *testing.T) {
	h := open(t, browser.Options{Cameras: 3})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	meet(alice, bob)
	camera := `document.getElementById("local").srcObject.getVideoTracks()[0]?.getSettings().deviceId`
	var first, second string
	alice.Eval(camera, &first)
	alice.Click("button", "Switch camera")
	alice.WaitFor(fmt.Sprintf(`(%s ?? %q) !== %[2]q`, camera, first))
	alice.Eval(camera, &second)
	alice.Click("button", "Switch camera")
	alice.WaitFor(fmt.Sprintf(`![undefined, %q, %q].includes(%s)`, first, second, camera))
	bob.AwaitFrames("#remote", 10)
	alice.Click("button", "Switch camera")
	alice.WaitFor(fmt.Sprintf(`%s === %q`, camera, first))
	bob.AwaitFrames("#remote", 10)
}

func TestRefused(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	alice.calls(bob, withVideo)
	bob.rings(alice)
	bob.Click("button", "Refuse")
	bob.atRest()
	alice.AwaitText("Bob cannot talk now.")
	if focus := alice.Focused(); focus != `button "Call again"` {
		t.Errorf("after the refusal the focus is on %s", focus)
	}
	alice.Press("Enter")
	bob.rings(alice)
	alice.Click("button", "Hang up")
	bob.AwaitText("Alice stopped calling. You missed the call.")
	bob.atRest()
	alice.atRest()
}

func TestTabClosedWhileRinging(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	alice.calls(bob, withVideo)
	bob.rings(alice)
	bob.CloseTab()
	alice.AwaitText("Bob is gone.")
	alice.sees(1)

	// The caller's, too: then it rings no more.
	bob = h.arrive("Bob", 1)
	alice.Click("button", "Close")
	bob.calls(alice, withVideo)
	alice.rings(bob)
	bob.CloseTab()
	alice.AwaitGone("dialog", "Bob is calling")
	alice.AwaitText("Bob stopped calling. You missed the call.")
}

func TestTabClosedWhileTalking(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	meet(alice, bob)
	bob.CloseTab()
	alice.AwaitText("Bob hung up.")
	alice.atRest()
	alice.sees(1)
}

func TestThree(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob, carol := h.arrive("Alice", 0), h.arrive("Bob", 1), h.arrive("Carol", 0)
	for _, p := range []*person{alice, bob, carol} {
		p.sees(3)
	}
	meet(alice, bob)
	carol.calls(alice, withVideo)
	alice.rings(carol)
	alice.AwaitText("Accepting ends your call with Bob.")
	alice.Click("button", "Refuse")
	carol.AwaitText("Alice cannot talk now.")
	talk(alice, bob) // undisturbed

	carol.Click("button", "Call again")
	alice.rings(carol)
	alice.Click("button", "Accept with video")
	bob.AwaitText("Alice hung up.")
	bob.atRest()
	talk(alice, carol)

	bob.Click("button", "Leave")
	alice.sees(2)
	talk(alice, carol)
}

// Two who call the same person at once are asked about one after the other.
func TestTwoCallOne(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob, carol := h.arrive("Alice", 0), h.arrive("Bob", 1), h.arrive("Carol", 0)
	for _, p := range []*person{bob, carol} {
		p.sees(3)
	}
	bob.calls(alice, withSoundOnly)
	alice.rings(bob)
	carol.calls(alice, withVideo)
	carol.AwaitText("Ringing…")
	alice.Click("button", "Refuse")
	alice.Await("dialog", "Carol is calling")
	bob.AwaitText("Alice cannot talk now.")
	alice.Click("button", "Accept with video")
	talk(alice, carol)
}
