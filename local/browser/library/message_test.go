package library

import (
	"strconv"

	"beckon/local/browser/tamper"
)

func messages(s *stage) {
	s.story("a message arrives as it was sent, at all devices or at one, and who sent it knows", func(h *house) {
		alice, bob := h.couple()
		other := h.joinOn("bob's other device", "bob", h.gateway(0))
		alice.Eval(`beckon.send("bob", { text: "Grüße \u{1f600}", deep: [null, false, 0, ""] })`, nil)
		for _, p := range []*person{bob, other} {
			p.WaitFor(`messages.length === 1`)
			p.is(`[messages[0].from, messages[0].data]`, []any{"alice", map[string]any{"text": "Grüße 😀", "deep": []any{nil, false, 0, ""}}})
		}
		var session string
		bob.Eval(`beckon.sessionId`, &session)
		alice.Eval(`beckon.send("bob", "for one", { toSession: "`+session+`" })`, nil)
		alice.Eval(`beckon.send("bob", "for both")`, nil)
		bob.WaitFor(`messages.length === 3`)
		other.WaitFor(`messages.length === 2`)
		other.is(`messages[1].data`, "for both")
		bob.is(`beckon.send("alice", 1, { toSession: messages[0].fromSession }).then(() => "arrived")`, "arrived")
		bob.is(`failure(beckon.send("alice", 1, { toSession: "AAAAAAAAAAAAAAAA" }))`, "offline")
	})

	s.story("a message that cannot arrive is rejected with a code and a sentence", func(h *house) {
		proxy := h.proxy(0)
		alice := h.visit("alice", proxy.Address())
		why := func(send string, code, message string) {
			h.Helper()
			alice.is(`beckon.`+send+`.then(() => "nothing", (e) => [e.name, e.code, e.message])`, []string{"BeckonError", code, message})
		}
		alice.Eval(`make({ user: "alice" })`, nil)
		why(`send("bob", 1)`, "disconnected", "There is no connection to the server at the moment. Nothing was sent.")
		alice.Eval(`beckon.connect()`, nil)
		why(`send("bob", 1)`, "offline", "bob is not here.")
		why(`send("bob")`, "bad_field", "data must be JSON of at most 16384 bytes")
		why(`send("", 1)`, "bad_field", "to must be a user id: user id is empty")
		why(`send("bob", "x".repeat(beckon.limits.message))`, "bad_field", "data must be JSON of at most 16384 bytes")
		// What no frame can hold would cost the connection.
		why(`send("bob", "x".repeat(beckon.limits.frame))`, "bad_field", "This is too long to be sent.")
		why(`send("bob", "\u{1f600}".repeat(beckon.limits.frame / 4))`, "bad_field", "This is too long to be sent.")
		alice.is(`failure(beckon.send("bob", 1n))`, "TypeError: Do not know how to serialize a BigInt")
		alice.is(`[states.length, [...timers.values()].filter((delay) => delay === 5_000)]`, []any{2, []any{}})

		lost := proxy.Drop(tamper.ToPage, "ack")
		alice.Eval(`void (shorten[5_000] = 100)`, nil)
		why(`send("bob", 1)`, "unknown", "It is not known whether this reached bob.")
		lost.End()
	})

	s.story("what is sent too fast is rejected one by one, and the connection stays", func(h *house) {
		alice, bob := h.couple() // bob is on the slow gateway
		var codes map[string]int
		bob.Eval(`(async () => {
			const codes = { nothing: 0 };
			while (!codes.rate_limited) { // the gateway ends connections that do not heed it at all
				for (const code of await Promise.all(Array.from({ length: 50 }, (_, i) => failure(beckon.send("alice", i))))) {
					codes[code] = (codes[code] ?? 0) + 1;
				}
			}
			return codes;
		})()`, &codes)
		if codes["nothing"] < 2*slowFrames-1 || len(codes) != 2 {
			h.Errorf("what became of the messages: %v", codes)
		}
		alice.WaitFor(`messages.length === ` + strconv.Itoa(codes["nothing"]))
		bob.Eval(`until(async () => await failure(beckon.send("alice", "later")) === "nothing")`, nil)
		bob.is(`states.length`, 2)
	})
}
