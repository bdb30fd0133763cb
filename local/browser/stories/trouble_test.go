package stories

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"beckon/local/browser"
	"beckon/local/browser/tamper"
)

func TestPermissionDenied(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	denied := "This page may not use the camera or the microphone."

	alice.Deny("camera", "microphone")
	alice.calls(bob, withVideo)
	alice.AwaitText(denied)
	alice.Grant("camera", "microphone")
	alice.Click("button", "Call again")
	bob.rings(alice)

	// The callee is told in the question itself, and may answer it again.
	bob.Deny("camera", "microphone")
	bob.Click("button", "Accept with video")
	bob.AwaitText(denied)
	bob.Await("dialog", "Alice is calling")
	bob.Grant("camera", "microphone")
	bob.Click("button", "Accept with video")
	talk(alice, bob)
}

func TestNoCamera(t *testing.T) {
	h := open(t, browser.Options{Cameras: browser.NoCamera})
	alice, bob := h.arrive("Alice", 0), h.arrive("Bob", 1)
	alice.sees(2)
	alice.calls(bob, withVideo)
	alice.AwaitText("No camera was found: Bob will hear you, but not see you.")
	bob.rings(alice)
	bob.Click("button", "Accept with video")
	for _, p := range []*person{alice, bob} {
		p.AwaitSound("#remote")
	}
	bob.Click("button", "Camera off")
	bob.AwaitText("No microphone or camera was found.")
	alice.AwaitSound("#remote")
}

// Over plain HTTP from afar there is no camera. The page says so before anybody wonders.
func TestNotOnHTTPS(t *testing.T) {
	h := open(t, browser.Options{})
	bob := h.arrive("Bob", 1)
	at, err := url.Parse(h.url(0))
	if err != nil {
		t.Fatal(err)
	}
	alice := &person{h.browser.Page("Alice"), "Alice"}
	alice.Open(fmt.Sprintf("http://beckon.test:%s/", at.Port()))
	alice.AwaitText("This page is not on HTTPS, so the browser will give it no camera and no microphone.")
	alice.join()
	alice.sees(2)
	bob.sees(2)
	alice.calls(bob, withVideo)
	alice.AwaitText("Browsers give camera and microphone only to pages on HTTPS or on localhost.")
	alice.Expect("Cross-Origin-Opener-Policy") // which browsers heed on such origins only
}

// A call does not need the gateways once it stands.
func TestGatewayIsAwayDuringACall(t *testing.T) {
	h := open(t, browser.Options{})
	proxy := tamper.Start(t, h.stack.Gateways[0].Listen)
	alice := &person{h.browser.Page("Alice"), "Alice"}
	alice.Open(proxy.URL())
	alice.join()
	bob := h.arrive("Bob", 1)
	alice.sees(2)
	meet(alice, bob)

	alice.Expect("503", "WebSocket connection to")
	proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}})
	if n := proxy.Cut(); n != 1 {
		t.Fatalf("%d sockets were cut", n)
	}
	alice.AwaitText("Your call goes on.")
	bob.sees(1)
	talk(alice, bob)

	// It comes back as another gateway, at the same address.
	proxy.Forward(h.stack.Gateways[1].Listen)
	proxy.Admit()
	alice.sees(2)
	bob.sees(2)
	alice.WaitFor(`document.getElementById("connection").textContent === ""`)
	talk(alice, bob)
	bob.Click("button", "Hang up")
	alice.AwaitText("Bob hung up.")
	alice.atRest()
}

func TestGatewayIsNotThereYet(t *testing.T) {
	h := open(t, browser.Options{})
	proxy := tamper.Start(t, h.stack.Gateways[0].Listen)
	alice := &person{h.browser.Page("Alice"), "Alice"}
	alice.Open(proxy.URL())
	alice.Expect("503", "WebSocket connection to")
	proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}})
	alice.Click("textbox", "Your name")
	alice.Type("Alice")
	alice.Press("Enter")
	alice.AwaitText("The server cannot take anybody at the moment. Trying again soon.")
	proxy.Admit()
	alice.sees(1)
}

func TestNameThatCannotBe(t *testing.T) {
	h := open(t, browser.Options{})
	alice := h.browser.Page("Alice")
	alice.Open(h.url(0) + "?user=" + url.QueryEscape("\x07"))
	alice.AwaitText("user id")
	alice.Await("button", "Join")
}

// slowCamera has the camera of a page take its time.
const slowCamera = `(() => {
	const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
	navigator.mediaDevices.getUserMedia = async (...args) => {
		await new Promise((opened) => { window.letCameraOpen = opened; });
		return open(...args);
	};
})()`

// Whoever gives up while the callee's camera opens leaves the callee's other call alone.
func TestCallerGivesUpWhileAccepted(t *testing.T) {
	h := open(t, browser.Options{})
	alice, bob, carol := h.arrive("Alice", 0), h.arrive("Bob", 1), h.arrive("Carol", 0)
	alice.sees(3)
	carol.sees(3)
	meet(alice, bob)
	alice.Eval(slowCamera, nil)
	carol.calls(alice, withVideo)
	alice.rings(carol)
	alice.Click("button", "Accept with video")
	alice.WaitFor(`window.letCameraOpen !== undefined`)
	carol.Click("button", "Hang up")
	alice.AwaitText("Carol stopped calling. You missed the call.")
	alice.Eval(`window.letCameraOpen()`, nil)
	talk(alice, bob)
	alice.Click("button", "Hang up")
	bob.AwaitText("Alice hung up.")
}

// Names are any text. None may turn the words beside it around, or look like another.
func TestNamesThatDeceive(t *testing.T) {
	h := open(t, browser.Options{})
	alice := h.arrive("Alice", 0)
	trudy := &person{h.browser.Page("trudy"), "Bob\ufffd"}
	trudy.Open(h.url(1) + "?user=" + url.QueryEscape("Bob\u202e"))
	alice.sees(2)
	alice.Await("button", "Call Bob\ufffd with video")
	trudy.calls(alice, withSoundOnly)
	alice.Await("dialog", "Bob\ufffd is calling")
	trudy.CloseTab()
	alice.AwaitText("Bob\ufffd stopped calling. You missed the call.")
}

// Who calls over and over, and gives up each time, fills neither the page nor its user's patience.
func TestCallsInBursts(t *testing.T) {
	h := open(t, browser.Options{})
	alice := h.arrive("Alice", 0)
	trudy := h.browser.Page("Trudy")
	trudy.Open(h.url(1))
	trudy.Eval(`(async () => {
		const socket = new WebSocket("/ws?user=Trudy");
		await new Promise((open) => (socket.onopen = open));
		const say = (event, data) => socket.send(JSON.stringify({ event, data: { to: "Alice", ...data } }));
		for (let i = 0; i < 300; i++) {
			say("offer", { callId: "c" + i, offerSDP: "v=0\r\n", offerType: "offer" });
			say("disconnectPeer", { callId: "c" + i });
		}
		say("offer", { callId: "last", offerSDP: "v=0\r\n", offerType: "offer" });
	})()`, nil)
	alice.Await("dialog", "Trudy is calling")
	var notices int
	if alice.Eval(`document.getElementById("notices").children.length`, &notices); notices > 3 {
		t.Errorf("%d notices", notices)
	}
	alice.Click("button", "Refuse")
	alice.atRest()
}
