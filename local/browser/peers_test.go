package browser

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/browser/tamper"
)

// Pages reach each other without a camera, too, when Chromium would rather hide their addresses.
func TestPagesReachEachOther(t *testing.T) {
	alice, s := open(t, Options{})
	bob := alice.b.Page("bob")
	bob.Open(s.URL)
	const gathered = `new Promise((done) => {
		const look = () => pc.iceGatheringState === "complete" && done(JSON.stringify(pc.localDescription));
		pc.onicegatheringstatechange = look;
		look();
	})`
	for _, p := range []*Page{alice, bob} {
		p.Deny("camera", "microphone")
		p.Eval(`void (window.pc = new RTCPeerConnection())`, nil)
	}
	offer := alice.script(`(pc.createDataChannel("talk"), pc.setLocalDescription().then(() => ` + gathered + `))`)
	answer := bob.script(`pc.setRemoteDescription(` + offer + `).then(() => pc.setLocalDescription()).then(() => ` + gathered + `)`)
	alice.Eval(`pc.setRemoteDescription(`+answer+`).then(() => 0)`, nil)
	for _, p := range []*Page{alice, bob} {
		p.WaitFor(`pc.connectionState === "connected"`)
	}
}

func startStack(t *testing.T, o local.Options) *local.Stack {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	stack, err := local.Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return stack
}

// A page behind a proxy meets what happens to its connection as it would on a bad network.
func TestTampered(t *testing.T) {
	stack := startStack(t, local.Options{Gateways: 2})
	proxy := tamper.Start(t, stack.Gateways[0].Listen)
	t.Setenv("BECKON_ARTEFACTS", t.TempDir())
	p := Start(t, Options{}).Page("alice")
	p.Expect("favicon.ico")
	p.Open(proxy.URL() + "/beckon/beckon.js") // an origin is all that is wanted of it
	p.Eval(`void (window.connect = (user) => new Promise((done) => {
		const ws = window.ws = new WebSocket("/ws?user=" + user);
		ws.heard = [];
		ws.onmessage = (e) => ws.heard.push(JSON.parse(e.data).event);
		ws.onopen = () => done("open");
		ws.onclose = (e) => done(ws.ended = "closed with " + e.code);
	}))`, nil)
	connect := func(want string) {
		t.Helper()
		if got := p.script(`connect("alice")`); got != want {
			t.Errorf("connecting: %s, want %s", got, want)
		}
	}
	connect("open")
	p.WaitFor(`ws.heard.join() === "welcome,updateUserlist"`)

	lost := proxy.Drop(tamper.FromPage, "ping")
	p.Eval(`ws.send('{"event":"ping","id":"1"}')`, nil)
	proxy.Await(tamper.FromPage, "ping", 1)
	lost.End()
	late := proxy.Hold(tamper.ToPage, "ack")
	p.Eval(`ws.send('{"event":"ping","id":"2"}')`, nil)
	proxy.Await(tamper.ToPage, "ack", 1)
	late.End()
	p.WaitFor(`ws.heard.join() === "welcome,updateUserlist,ack"`)

	proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}})
	p.Expect("Unexpected response code: 503", "status of 503", "status of 426")
	if got := proxy.Cut(); got != 1 {
		t.Errorf("%d were cut", got)
	}
	p.WaitFor(`ws.ended === "closed with 1006"`)
	connect("closed with 1006")
	why := `fetch("/ws?user=alice").then((r) => r.status + " " + r.headers.get("Retry-After"))`
	if got := p.script(why); got != "503 7" {
		t.Errorf("the reason is %s", got)
	}
	proxy.Forward(stack.Gateways[1].Listen)
	proxy.Admit()
	if got := p.script(why); got != "426 null" {
		t.Errorf("the reason is %s", got)
	}
	connect("open")
}

// A page of another origin, too, learns why a gateway does not let it in, and when to come back.
func TestReasonAcrossOrigins(t *testing.T) {
	stack := startStack(t, local.Options{Gateways: 2, Gateway: func(_ int, cfg *gateway.Config) { cfg.MaxSessions = 1 }})
	t.Setenv("BECKON_ARTEFACTS", t.TempDir())
	p := Start(t, Options{}).Page("alice")
	p.Expect("favicon.ico", "status of 426", "status of 503", "Unexpected response code: 503")
	p.Open("http://" + stack.Gateways[0].Listen + "/beckon/beckon.js")
	why := `fetch("http://` + stack.Gateways[1].Listen + `/ws").then((r) => r.status + " " + /^[3-8]$/.test(r.headers.get("Retry-After")))`
	if got := p.script(why); got != "426 false" {
		t.Errorf("of a door that is open: %s", got)
	}
	connect := `new Promise((done) => {
		const ws = new WebSocket("ws://` + stack.Gateways[1].Listen + `/ws");
		ws.onopen = () => done("open");
		ws.onclose = () => done("closed");
	})`
	if got := p.script(connect); got != "open" {
		t.Errorf("the first is told %s", got)
	}
	if got := p.script(connect); got != "closed" {
		t.Errorf("the second is told %s", got)
	}
	if got := p.script(why); got != "503 true" {
		t.Errorf("of a gateway that is full: %s", got)
	}
}
