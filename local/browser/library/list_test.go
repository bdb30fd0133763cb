package library

import (
	"fmt"
	"math/rand/v2"

	"beckon/local/browser/tamper"
	"beckon/local/client"
)

func list(s *stage) {
	// room opens a room that is nobody else's, and shows it to alice.
	room := func(h *house, name string) (*person, *tamper.Proxy, func(user string) *client.Client) {
		proxy := h.proxy(0)
		alice := h.visit("alice", proxy.Address())
		alice.Eval(fmt.Sprintf(`join({ user: "alice", room: %q })`, name), nil)
		alice.WaitFor(`beckon.users.length === 1`)
		return alice, proxy, func(user string) *client.Client {
			c, err := client.Dial(h.limited(), client.Options{Address: h.gateway(1), User: user, Room: name})
			if err != nil {
				h.Fatal(err)
			}
			h.Cleanup(c.Close)
			return c
		}
	}
	shows := func(p *person, users string) {
		p.h.Helper()
		p.WaitFor(`beckon.users.join() === "` + users + `"`)
	}

	s.story("who comes and goes is told as it happens", func(h *house) {
		alice, _, enter := room(h, "happens")
		bob := enter("bob")
		shows(alice, "alice,bob")
		enter("carol")
		shows(alice, "alice,bob,carol")
		bob.Close()
		shows(alice, "alice,carol")
		alice.is(`lists.map(({ users, joined, left }) => [users.join(), joined.join(), left.join()])`, [][]string{
			{"alice", "alice", ""}, {"alice,bob", "bob", ""}, {"alice,bob,carol", "carol", ""}, {"alice,carol", "", "bob"},
		})
	})

	s.story("who moves within the list has neither come nor gone", func(h *house) {
		alice, proxy, enter := room(h, "moves")
		enter("bob")
		shows(alice, "alice,bob")
		enter("carol")
		shows(alice, "alice,bob,carol")
		alice.Eval(`void (lists.length = 0)`, nil)
		// Gateways have reason for this when they hear of logins in another order than that in which they were.
		alice.Eval(`hear("userlistDelta", {
			from: version, version: version + 1, left: ["alice", "bob"], joined: ["dave", "bob", "erin", "alice"], at: [0, 2, 3, 4],
		})`, nil)
		alice.is(`lists`, []any{map[string]any{
			"users": []string{"dave", "carol", "bob", "erin", "alice"}, "joined": []string{"dave", "erin"}, "left": []string{},
			"count": 5, "large": false,
		}})
		enter("frank") // of which the gateway tells as it knows the list
		shows(alice, "alice,bob,carol,frank")
		alice.is(`[lists.at(-1).joined, lists.at(-1).left]`, [][]string{{"frank"}, {"dave", "erin"}})
		if n := proxy.Seen(tamper.FromPage, "sync"); n != 1 {
			h.Errorf("it asked %d times", n)
		}
	})

	s.story("a change that was lost makes it ask for the whole list, once", func(h *house) {
		alice, proxy, enter := room(h, "lost")
		lost := proxy.Drop(tamper.ToPage, "userlistDelta")
		enter("bob")
		proxy.Await(tamper.ToPage, "userlistDelta", 1)
		lost.End()
		answer := proxy.Hold(tamper.ToPage, "updateUserlist")
		carol := enter("carol")
		proxy.Await(tamper.FromPage, "sync", 1)
		proxy.Await(tamper.ToPage, "updateUserlist", 2)
		for i := range 3 { // which do not fit either
			enter(fmt.Sprintf("dave%d", i))
			proxy.Await(tamper.ToPage, "userlistDelta", 3+i)
		}
		alice.is(`beckon.users`, []string{"alice"})
		answer.End()
		shows(alice, "alice,bob,carol")

		// Those came before the answer, which did not have them: of a connection that loses nothing this cannot be.
		carol.Close()
		shows(alice, "alice,bob,dave0,dave1,dave2")
		enter("erin")
		shows(alice, "alice,bob,dave0,dave1,dave2,erin")
		if n := proxy.Seen(tamper.FromPage, "sync"); n != 2 {
			h.Errorf("it asked %d times for two gaps", n)
		}
	})

	s.story("a question for the whole list that came to nothing is asked again at the next change", func(h *house) {
		alice, proxy, enter := room(h, "nothing")
		alice.Eval(`void (shorten[5_000] = 100)`, nil)
		lost, unasked := proxy.Drop(tamper.ToPage, "userlistDelta"), proxy.Drop(tamper.FromPage, "sync")
		enter("bob")
		proxy.Await(tamper.ToPage, "userlistDelta", 1)
		lost.End()
		enter("carol")
		proxy.Await(tamper.FromPage, "sync", 1)
		alice.Eval(`until(() => ![...timers.values()].includes(5_000))`, nil) // nobody waits for an answer any more
		unasked.End()
		enter("dave")
		shows(alice, "alice,bob,carol,dave")
		if n := proxy.Seen(tamper.FromPage, "sync"); n != 2 {
			h.Errorf("it asked %d times", n)
		}
	})

	s.story("the list of the connection before stays until the new one is there, and what differs is told", func(h *house) {
		alice, proxy, enter := room(h, "before")
		bob := enter("bob")
		shows(alice, "alice,bob")
		alice.Expect(cutOff)
		alice.Eval(`void (lists.length = states.length = 0)`, nil)
		whole := proxy.Hold(tamper.ToPage, "updateUserlist")
		proxy.Cut()
		alice.WaitFor(`states.at(-1)?.state === "online"`)
		alice.is(`[beckon.users, lists]`, []any{[]string{"alice", "bob"}, []any{}})
		bob.Close()
		enter("carol")
		whole.End()
		shows(alice, "alice,carol")
		alice.is(`[lists.flatMap((l) => l.joined), lists.flatMap((l) => l.left)]`, [][]string{{"carol"}, {"bob"}})
	})

	s.story("any list and any changes come out as whoever keeps them by hand has them", func(h *house) {
		seed := rand.Uint32()
		h.Logf("seed %d", seed)
		alice := h.visit("alice", h.gateway(0))
		alice.Eval(fmt.Sprintf(model, seed), nil)
	})
}

// model compares Userlist with lists that are made anew at every step, for some thousand steps.
const model = `(async () => {
	const { Userlist } = await import("/beckon/userlist.js");
	const random = seeded(%d);
	const below = (n) => Math.floor(random() * n);
	const some = (list, share) => list.filter(() => random() < share);
	const same = (step, what, got, want) => {
		if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error("step " + step + ": " + what + " is " + JSON.stringify(got) + ", want " + JSON.stringify(want));
	};
	const list = new Userlist();
	let users = [];
	let version; // none yet
	let names = 0;
	for (let step = 0; step < 5000; step++) {
		const kind = random();
		if (version === undefined || kind < 0.05) { // the whole list
			const before = users;
			users = some(before, 0.7).concat(Array.from({ length: below(6) }, () => "user" + names++)).sort(() => random() - 0.5);
			version = below(1e9);
			const { joined, left } = list.replace({ version, userList: users });
			same(step, "joined", joined, users.filter((u) => !before.includes(u)));
			same(step, "left", left, before.filter((u) => !users.includes(u)));
		} else if (kind < 0.1) { // a delta of another version
			const before = list.users;
			same(step, "a gap", list.apply({ from: version + 1 + below(5), version: version + 9, joined: ["nobody"], left: some(users, 0.5) }), undefined);
			same(step, "the list after a gap", list.users, before);
		} else if (kind < 0.11) { // a large room, for a while
			const count = users.length + below(9);
			list.replaceByCount({ version: version + 1, count });
			same(step, "a large room", [list.users, list.count, list.large], [[], count, true]);
			same(step, "a delta in a large room", list.apply({ from: version + 1, version: version + 2, joined: ["nobody"], left: [] }), undefined);
			version = undefined;
			continue;
		} else if (kind < 0.12) { // another connection
			list.expect();
			same(step, "a delta before the list", list.apply({ from: version, version: version + 1, joined: ["nobody"], left: [] }), undefined);
			version = undefined;
		} else {
			const gone = some(users, 0.15);
			const moved = some(gone, 0.3);
			const stay = users.filter((u) => !gone.includes(u));
			const joined = moved.concat(Array.from({ length: below(4) }, () => "user" + names++)).sort(() => random() - 0.5);
			const length = stay.length + joined.length;
			// The places of those who join in the list as it will be.
			const at = joined.length === 0 || random() < 0.4 ? undefined
				: Array.from({ length }, (_, i) => [random(), i]).sort(([a], [b]) => a - b).slice(0, joined.length).map(([, i]) => i).sort((a, b) => a - b);
			const next = [];
			for (let i = 0, j = 0, k = 0; i < length; i++) next.push(at ? (at[j] === i ? joined[j++] : stay[k++]) : (i < stay.length ? stay[i] : joined[i - stay.length]));
			const change = list.apply({ from: version, version: version + 1, joined, left: gone, at });
			same(step, "joined", change?.joined, joined.filter((u) => !moved.includes(u)));
			same(step, "left", change?.left, gone.filter((u) => !moved.includes(u)));
			users = next;
			version++;
		}
		same(step, "the list", [list.users, list.count, list.large], [users, users.length, false]);
	}
	if (names < 3000) throw new Error("only " + names + " users");
})()`
