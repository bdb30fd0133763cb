package library

import (
	"net/http"

	"beckon/local"
	"beckon/local/browser/tamper"
)

// cutOff is what Chromium says about sockets that fail.
const cutOff = "WebSocket connection to"

func connection(s *stage) {
	s.story("a connection that is cut comes back in another session as the user whom the gateway chose", func(h *house) {
		proxy := h.proxy(0)
		alice := h.visit("alice", proxy.Address())
		alice.Expect(cutOff)
		alice.Eval(`join()`, nil)
		alice.Eval(`void (globalThis.before = { user: beckon.userId, session: beckon.sessionId })`, nil)
		for range 2 {
			alice.Eval(`void (states.length = 0)`, nil)
			if n := proxy.Cut(); n != 1 {
				h.Fatalf("%d sockets were cut", n)
			}
			alice.WaitFor(`states.at(-1)?.state === "online"`)
			alice.is(`states.map(({ state, code }) => [state, code ?? ""])`, [][]string{
				{"reconnecting", "unreachable"}, {"reconnecting", "unreachable"}, {"online", ""},
			})
		}
		alice.is(`beckon.userId === before.user && beckon.sessionId !== before.session`, true)
		alice.WaitFor(`JSON.stringify(beckon.users) === JSON.stringify([beckon.userId])`)
	})

	s.story("a connection is back within a second when its gateway restarts", func(h *house) {
		old := start(h, local.Options{})
		proxy := tamper.Start(h, old.Gateways[0].Listen)
		alice := h.join("alice", proxy.Address())
		proxy.Forward(h.gateway(0))
		if err := old.Close(); err != nil {
			h.Fatal(err)
		}
		alice.WaitFor(`states.at(-1).code === undefined && states.length > 3`)
		alice.is(`states.slice(2).map(({ state, code }) => [state, code ?? ""])`, [][]string{
			{"reconnecting", "restarting"}, {"reconnecting", "restarting"}, {"online", ""},
		})
		alice.is(`states[2].retryIn < 1000`, true)
	})

	s.story("a connection stays away as long as a full gateway asks for, and comes back then", func(h *house) {
		proxy := h.proxy(0)
		alice := h.join("alice", proxy.Address())
		alice.Expect(cutOff, "503")
		proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}})
		proxy.Cut()
		alice.WaitFor(`states.at(-1).code === "unavailable" && states.at(-1).retryIn`)
		alice.Eval(`void (globalThis.waiting = states.at(-1))`, nil)
		proxy.Admit()
		alice.is(`waiting.retryIn >= 1000 && waiting.retryIn < 3000`, true)
		alice.WaitFor(`states.at(-1).state === "online"`)
		alice.is(`states[states.indexOf(waiting) + 1].at - waiting.at >= waiting.retryIn - 1`, true)

		// As long as is reasonable, and not when there is a reason to look at once.
		proxy.Refuse(http.StatusServiceUnavailable, http.Header{"Retry-After": {"99999999"}})
		proxy.Cut()
		alice.WaitFor(`states.at(-1).code === "unavailable" && states.at(-1).retryIn`)
		alice.is(`states.at(-1).retryIn >= 60_000 && states.at(-1).retryIn <= 75_000`, true)
		proxy.Admit()
		alice.Eval(`void dispatchEvent(new Event("online"))`, nil)
		alice.WaitFor(`states.at(-1).state === "online"`)
	})

	s.story("connect waits until nothing is in the way, and what is in the way is told", func(h *house) {
		proxy := h.proxy(0)
		alice := h.visit("alice", proxy.Address())
		alice.Expect(cutOff, "426", "ERR_")
		proxy.Refuse(http.StatusUpgradeRequired, nil)
		alice.Eval(`void (globalThis.joined = join({ user: "alice" }).then(() => beckon.state))`, nil)
		alice.WaitFor(`states.at(-1)?.code === "blocked"`)
		proxy.Forward("127.0.0.1:1") // where nobody listens
		proxy.Admit()
		alice.Eval(`void dispatchEvent(new Event("pageshow"))`, nil)
		alice.WaitFor(`states.at(-1).code === "unreachable"`)
		alice.is(`states.every(({ state }) => state === "connecting")`, true)
		proxy.Forward(h.gateway(0))
		alice.is(`joined`, "online")
	})

	s.story("a connection is tried less and less often, never in step with others, and never given up", func(h *house) {
		alice := h.visit("alice", h.gateway(0))
		alice.Eval(`(async () => {
			const { backoff } = await import("/beckon/signaling.js");
			const seen = new Set();
			for (let n = 0; n < 2000; n++) {
				const most = Math.min(15_000, 500 * 2 ** n);
				for (const r of [0, 0.25, 0.5, 1 - Number.EPSILON]) {
					const delay = backoff(n, () => r);
					if (!(delay >= most / 2 && delay <= most)) throw new Error(n + ", " + r + ": " + delay);
					if (n > 0 && delay < backoff(n - 1, () => r)) throw new Error(n + ", " + r + " is sooner than before");
				}
				seen.add(backoff(n));
			}
			if (seen.size < 1900) throw new Error("only " + seen.size + " different delays");
		})()`, nil)
	})

	s.story("a user, a room or a URL that cannot be is told at once, and not tried again", func(h *house) {
		alice := h.visit("alice", h.gateway(0))
		for _, login := range []struct{ options, code string }{
			{`{ user: "\u0007" }`, "bad_user"},
			{`{ user: "x".repeat(129) }`, "bad_user"},
			{`{ user: "alice", room: "" }`, "bad_room"},
			{`{ user: "alice", url: "ftp://127.0.0.1/ws" }`, "unreachable"},
		} {
			alice.is(`failure(join(`+login.options+`))`, login.code)
			alice.is(`[beckon.state, states.at(-1).code, left()]`, []string{"closed", login.code, ""})
		}
	})

	s.story("close ends everything, timers included, and connect begins anew", func(h *house) {
		alice, bob := h.couple()
		talk(alice, bob, withSoundOnly)
		alice.Eval(`void (globalThis.late = failure(beckon.send("bob", 1)), beckon.close())`, nil)
		alice.ends("hung_up")
		alice.is(`[beckon.state, states.at(-1).state, await late]`, []string{"closed", "closed", "unknown"})
		bob.ends("peer_hung_up")
		bob.WaitFor(`JSON.stringify(beckon.users) === '["bob"]'`)
		alice.is(`failure(beckon.send("bob", 1))`, "disconnected")

		alice.Eval(`beckon.connect()`, nil)
		talk(alice, bob, withSoundOnly)

		// While it is being connected, too.
		alice.is(`(beckon.close(), globalThis.again = failure(beckon.connect()), beckon.close(), await again)`, "closed")
		alice.is(`left()`, "")
		bob.ends("peer_hung_up")
	})

	s.story("a listener may close the connection in the middle of anything", func(h *house) {
		proxy := h.proxy(0)
		alice := h.visit("alice", proxy.Address())
		alice.Expect(cutOff)
		for _, moment := range []string{
			`state === "connecting"`, `state === "online"`,
			`retryIn !== undefined`, `state === "reconnecting" && retryIn === undefined`,
		} {
			alice.Eval(`make({ user: "alice" })`, nil)
			alice.Eval(`void beckon.on("state", ({ state, retryIn }) => { if (`+moment+`) beckon.close(); })`, nil)
			alice.Eval(`void failure(beckon.connect())`, nil)
			alice.WaitFor(`beckon.state === "closed" || beckon.state === "online"`)
			proxy.Cut()
			alice.WaitFor(`beckon.state === "closed"`)
			alice.is(`[left(), states.at(-1).state]`, []string{"", "closed"})
		}
	})

	s.story("a connection that died without a word is noticed when the page has reason to look, and by itself", func(h *house) {
		proxy := h.proxy(0)
		alice := h.join("alice", proxy.Address())
		alice.Expect(cutOff)
		for _, reason := range []string{
			`dispatchEvent(new Event("online"))`, `document.dispatchEvent(new Event("visibilitychange"))`,
			`0`, // just the time
		} {
			alice.Eval(`void (shorten[5_000] = 200, states.length = 0)`, nil)
			if reason == `0` {
				alice.Eval(`void (shorten[20_000] = 300)`, nil)
				h.dial("bob") // a frame to the page, after which the quiet begins
				alice.WaitFor(`beckon.users.includes("bob")`)
			}
			here, there := proxy.Hold(tamper.ToPage, tamper.Any), proxy.Hold(tamper.FromPage, tamper.Any)
			alice.Eval(`void `+reason, nil)
			alice.WaitFor(`states[0]?.state === "reconnecting"`)
			here.End()
			there.End()
			alice.WaitFor(`states.at(-1).state === "online"`)
			alice.is(`states[0].code`, "unreachable")
		}

		// And one that is alive is left alone.
		alice.Eval(`void (states.length = 0)`, nil)
		pings := proxy.Seen(tamper.FromPage, "ping")
		alice.Eval(`void dispatchEvent(new Event("online"))`, nil)
		proxy.Await(tamper.FromPage, "ping", pings+1)
		alice.Eval(`until(() => ![...timers.values()].includes(5_000))`, nil)
		alice.is(`states`, []string{})
	})
}
