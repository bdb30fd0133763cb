package library

import (
	_ "embed"
	"fmt"
	"time"
)

//go:embed older.js
var olderClient string

func olderClients(s *stage) {
	// couple are alice, who has the library, and Otto, who has an older client.
	couple := func(h *house, asks bool) (alice, otto *person) {
		alice, otto = h.join("alice", h.gateway(0)), h.visit("bob", h.gateway(1))
		otto.Eval(olderClient, nil)
		otto.Eval(fmt.Sprintf(`join("otto", %t)`, asks), nil)
		return alice, otto
	}
	talks := func(alice, otto *person) {
		alice.h.Helper()
		connected(alice)
		otto.WaitFor(`older.pc.connectionState === "connected"`)
		alice.Eval(`flows("video", "audio")`, nil)
		otto.Eval(`flows("video", "audio")`, nil)
	}

	s.story("an older client calls and is called, and either may hang up", func(h *house) {
		alice, otto := couple(h, false)
		alice.Eval(`dial("otto")`, nil)
		talks(alice, otto)
		otto.Eval(`older.hangUp()`, nil)
		alice.ends("peer_hung_up")

		otto.Eval(`older.call("alice")`, nil)
		alice.WaitFor(`incoming.length === 1`)
		alice.is(`[call.state, call.peer, call.id ?? "none", call.video]`, []any{"ringing", "otto", "none", true})
		alice.Eval(`call.accept()`, nil)
		talks(alice, otto)
		alice.Eval(`call.hangUp()`, nil)
		alice.ends("hung_up")
		otto.WaitFor(`older.ended === "disconnectPeer"`)
		otto.is(`older.faults`, []string{})
	})

	s.story("an older client is never offered anything twice, for it would take that for another call", func(h *house) {
		alice, otto := couple(h, false)
		otto.Eval(`older.call("alice")`, nil)
		alice.WaitFor(`globalThis.call?.state === "ringing"`)
		alice.Eval(`call.accept()`, nil)
		talks(alice, otto)
		alice.Eval(`call.setCamera(false)`, nil)
		alice.is(`[call.camera, call.localStream.getVideoTracks()[0].enabled]`, []bool{false, false})
		alice.Eval(`call.setCamera(true)`, nil)
		alice.Eval(`void dispatchEvent(new Event("online"))`, nil)
		alice.is(`call.camera`, true)
		alice.Eval(`beckon.send("otto", "behind it")`, nil)
		talks(alice, otto)
		otto.is(`[older.asked ?? "never", pcs.length, older.faults]`, []any{"never", 1, []any{}})
	})

	s.story("an older client's next offer is its next call", func(h *house) {
		alice, otto := couple(h, false)
		otto.Eval(`older.call("alice")`, nil)
		alice.WaitFor(`globalThis.call?.state === "ringing"`)
		otto.Eval(`older.call("alice")`, nil)
		alice.WaitFor(`incoming.length === 2`)
		alice.is(`incoming[0].ended.code`, "cancelled")
		alice.Eval(`call.accept()`, nil)
		talks(alice, otto)
		otto.Eval(`older.call("alice")`, nil)
		alice.WaitFor(`incoming.length === 3`)
		alice.is(`[incoming[1].ended.code, incoming[2].state]`, []string{"peer_hung_up", "ringing"})
		alice.Eval(`call.refuse()`, nil)
		otto.WaitFor(`older.ended === "refuse"`)
	})

	for _, asks := range []bool{false, true} {
		name := "when calls cross there is one call, though an older client gives way, too"
		if asks {
			name = "when calls cross there is one call, though an older client asks its user first"
		}
		s.story(name, func(h *house) {
			alice, otto := couple(h, asks)
			at := time.Now().Add(200 * time.Millisecond).UnixMilli()
			alice.Eval(fmt.Sprintf(`void dialAt(%d, "otto")`, at), nil)
			otto.Eval(fmt.Sprintf(`void after(%d - Date.now()).then(() => older.call("alice"))`, at), nil)
			alice.WaitFor(`globalThis.call?.state === "connected"`)
			talks(alice, otto)
			alice.is(`beckon.calls.length`, 1)
			alice.Eval(`call.hangUp()`, nil)
			alice.ends("hung_up")
			otto.WaitFor(`older.ended`)
		})
	}
}
