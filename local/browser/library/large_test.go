package library

import (
	"context"
	"fmt"
	"time"

	"beckon/gateway"
	"beckon/local"
	"beckon/local/browser/tamper"
	"beckon/local/client"
	"beckon/local/proc"
)

func largeRooms(s *stage) {
	small := start(s, local.Options{Gateway: func(_ int, c *gateway.Config) { c.RoomListLimit = 3 }})
	// room shows alice a room that is nobody else's.
	room := func(h *house, name string, others ...string) (*person, *tamper.Proxy, func(user string) *client.Client) {
		address := small.Gateways[0].Listen
		enter := func(user string) *client.Client {
			c, err := client.Dial(h.limited(), client.Options{Address: address, User: user, Room: name})
			if err != nil {
				h.Fatal(err)
			}
			h.Cleanup(c.Close)
			return c
		}
		for _, user := range others {
			enter(user)
		}
		proxy := tamper.Start(h, address)
		alice := h.visit("alice", proxy.Address())
		alice.Eval(fmt.Sprintf(`join({ user: "alice", room: %q })`, name), nil)
		alice.WaitFor(fmt.Sprintf(`beckon.count === %d`, len(others)+1))
		return alice, proxy, enter
	}

	s.story("a room that grows large has a count, and its list again when it shrinks", func(h *house) {
		alice, proxy, enter := room(h, "grows")
		bob := enter("bob")
		carol := enter("carol")
		alice.WaitFor(`beckon.users.join() === "alice,bob,carol"`)
		alice.is(`[beckon.count, beckon.large, lists.at(-1).count, lists.at(-1).large]`, []any{3, false, 3, false})
		alice.Eval(`void (lists.length = 0)`, nil)
		dave := enter("dave")
		alice.WaitFor(`beckon.large`)
		enter("erin")
		alice.WaitFor(`beckon.count === 5`)
		alice.is(`[beckon.users, lists]`, []any{[]string{}, []any{
			map[string]any{"users": []string{}, "joined": []string{}, "left": []string{}, "count": 4, "large": true},
			map[string]any{"users": []string{}, "joined": []string{}, "left": []string{}, "count": 5, "large": true},
		}})

		// There is nothing to which a change could be applied.
		counts := proxy.Seen(tamper.ToPage, "userCount")
		alice.Eval(`hear("userlistDelta", { from: version, version: version + 1, joined: ["nobody"], left: [] })`, nil)
		proxy.Await(tamper.ToPage, "userCount", counts+1)
		alice.Eval(`beckon.send("bob", 1)`, nil) // behind it
		alice.is(`[beckon.users, beckon.count, beckon.large]`, []any{[]string{}, 5, true})

		alice.Eval(`void (lists.length = 0)`, nil)
		bob.Close()
		dave.Close()
		alice.WaitFor(`!beckon.large`)
		alice.is(`lists.at(-1)`, map[string]any{
			"users": []string{"alice", "carol", "erin"}, "joined": []string{"erin"}, "left": []string{"bob"}, "count": 3, "large": false,
		})
		carol.Close() // and from here on it is kept
		alice.WaitFor(`beckon.users.join() === "alice,erin"`)
		if n := proxy.Seen(tamper.FromPage, "sync"); n != 1 {
			h.Errorf("it asked %d times for the list", n)
		}
	})

	s.story("who comes to a large room is told its count, and comes back to whatever it is then", func(h *house) {
		alice, proxy, enter := room(h, "comes", "bob", "carol")
		dave, erin := enter("dave"), enter("erin")
		alice.WaitFor(`beckon.count === 5`)
		alice.Eval(`void (lists.length = 0)`, nil)
		alice.Expect(cutOff)
		proxy.Cut()
		alice.WaitFor(`lists.length > 0`)
		alice.is(`[lists[0].count, lists[0].large, beckon.users]`, []any{5, true, []string{}})

		proxy.Refuse(503, nil)
		alice.Expect("503")
		proxy.Cut()
		alice.WaitFor(`beckon.state === "reconnecting"`)
		alice.is(`[beckon.count, beckon.large]`, []any{5, true}) // as it was last known
		dave.Close()
		erin.Close()
		proxy.Admit()
		alice.Eval(`void dispatchEvent(new Event("online"))`, nil)
		alice.WaitFor(`beckon.users.join() === "bob,carol,alice"`)
		alice.is(`[beckon.count, beckon.large, lists.at(-1).joined, lists.at(-1).left]`, []any{3, false, []string{}, []string{}})
	})

	s.story("a call in a large room ends for no other reason than itself", func(h *house) {
		alice, bob := h.couple()
		alice.WaitFor(`beckon.count === 2`)
		alice.Eval(`dial("bob", `+withSoundOnly+`)`, nil)
		bob.rings(alice)
		doubts := `[...timers.values()].includes(4_000)` // it waits until it believes that bob is gone
		alice.Eval(`hear("userlistDelta", { from: version, version: version + 1, joined: [], left: ["bob"] })`, nil)
		alice.is(doubts, true)
		alice.Eval(`hear("userCount", { version: version + 2, count: 9 })`, nil)
		alice.is(doubts, false)
		bob.Eval(`call.accept()`, nil)
		connected(alice, bob)
		bob.Eval(`call.hangUp()`, nil)
		alice.ends("peer_hung_up")
	})

	s.story("the list can be had by pages in rooms of any size", func(h *house) {
		alice, proxy, enter := room(h, "pages", "bob", "Bea")
		alice.is(`(await beckon.list()).users`, []string{"Bea", "alice", "bob"})
		for _, user := range []string{"böb", "bobby", "carol"} {
			enter(user)
		}
		alice.WaitFor(`beckon.count === 6`)
		page := func(query string, more bool, users ...string) {
			h.Helper()
			alice.is(`beckon.list(`+query+`).then(({ users, more, count, version: v }) => [users, more, count, v > 0])`,
				[]any{append([]string{}, users...), more, 6, true})
		}
		page(``, false, "Bea", "alice", "bob", "bobby", "böb", "carol")
		page(`{ limit: 2 }`, true, "Bea", "alice")
		page(`{ after: "alice", limit: 4 }`, false, "bob", "bobby", "böb", "carol")
		page(`{ prefix: "b" }`, false, "bob", "bobby", "böb")
		page(`{ prefix: "b", after: "bo", limit: 1 }`, true, "bob")
		page(`{ prefix: "bö" }`, false, "böb")
		page(`{ prefix: "d" }`, false)
		alice.is(`(await Promise.all(["c", "a", "B"].map((prefix) => beckon.list({ prefix })))).flatMap((p) => p.users)`,
			[]string{"carol", "alice", "Bea"})

		why := func(query, code, message string) {
			h.Helper()
			alice.is(`beckon.list(`+query+`).then(() => "nothing", (e) => [e.name, e.code, e.message])`, []string{"BeckonError", code, message})
		}
		why(`{ limit: 501 }`, "bad_field", "limit must be a whole number from 1 to 500")
		why(`{ prefix: "x".repeat(beckon.limits.frame) }`, "bad_field", "This is too long to be sent.")
		lost := proxy.Drop(tamper.ToPage, "userlistPage")
		alice.Eval(`void (shorten[5_000] = 100)`, nil)
		why(``, "unknown", "The server has not answered.")
		alice.Eval(`void (delete shorten[5_000], globalThis.late = failure(beckon.list()))`, nil)
		proxy.Await(tamper.FromPage, "list", 14)
		alice.Expect(cutOff)
		proxy.Cut()
		alice.is(`late`, "unknown")
		lost.End()
		alice.WaitFor(`beckon.state === "online"`)
		alice.Eval(`beckon.close()`, nil)
		why(``, "disconnected", "There is no connection to the server at the moment.")
		alice.is(`left()`, "")
	})
}

func presenceAway(s *stage) {
	s.story("how the list stands is told as it changes, and is well after a reconnect until it is told otherwise", func(h *house) {
		proxy := h.proxy(0)
		alice := h.join("alice", proxy.Address())
		alice.is(`[beckon.presence, standings]`, []any{"ok", []string{}})
		alice.Eval(`["degraded", "degraded", "unheard-of", "ok", "degraded"].forEach((state) => hear("presence", { state }))`, nil)
		alice.Eval(`hear("unheard-of", { state: "ok", version: 1, count: 1 })`, nil)
		alice.is(`[beckon.presence, standings]`, []any{"degraded", []string{"degraded", "ok", "degraded"}})
		alice.Expect(cutOff)
		proxy.Cut()
		alice.WaitFor(`states.length > 2 && beckon.state === "online"`)
		alice.is(`[beckon.presence, standings]`, []any{"ok", []string{"degraded", "ok", "degraded", "ok"}})
	})

	s.story("a gateway says that presence is away, and calls do without it", func(h *house) {
		listen, presence := apart(h)
		alice, bob := h.join("alice", listen), h.join("bob", listen)
		alice.WaitFor(`beckon.count === 2`)
		if err := presence.Stop(h.limited()); err != nil {
			h.Fatal(err)
		}
		for _, p := range []*person{alice, bob} {
			p.WaitFor(`beckon.presence === "degraded"`)
		}
		talk(alice, bob, withSoundOnly)
		carol := h.join("carol", listen)
		carol.WaitFor(`beckon.presence === "degraded"`)
		carol.is(`beckon.users`, []string{"alice", "bob", "carol"})
		if err := presence.Start(h.limited()); err != nil {
			h.Fatal(err)
		}
		for _, p := range []*person{alice, bob, carol} {
			p.WaitFor(`beckon.presence === "ok"`)
			p.is(`standings`, []string{"degraded", "ok"})
			p.is(`beckon.users`, []string{"alice", "bob", "carol"})
		}
		alice.is(`call.state`, "connected")
	})
}

// apart are NATS, presence and a gateway, each a process, so that presence can be away while NATS is there.
func apart(h *house) (listen string, presence *proc.Process) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 5*time.Minute) // with the build
	h.Cleanup(cancel)
	programs, err := proc.Build(ctx)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if err := programs.Remove(); err != nil {
			h.Error(err)
		}
	})
	var at [4]string
	for i := range at {
		if at[i], err = proc.FreeAddress(); err != nil {
			h.Fatal(err)
		}
	}
	run := func(spec proc.Spec) *proc.Process {
		p := proc.New(spec)
		h.Cleanup(p.Kill)
		if err := p.Start(ctx); err != nil {
			h.Fatal(err)
		}
		return p
	}
	nats, err := programs.NATS(at[0])
	if err != nil {
		h.Fatal(err)
	}
	run(nats)
	presence = run(programs.Presence(at[0], at[1]))
	run(programs.Gateway("gw", at[0], at[2], at[3], "--drain", "0s"))
	return at[2], presence
}
