package stories

import (
	"context"
	"testing"
	"time"

	"beckon/local/browser"
	"beckon/local/proc"
)

// Presence is a process of its own here, and stopped and started again. The people are told that their list may not be true,
// and call each other all the same.
func TestPresenceIsAway(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // with the build
	t.Cleanup(cancel)
	programs, err := proc.Build(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := programs.Remove(); err != nil {
			t.Error(err)
		}
	})
	var at [6]string
	for i := range at {
		if at[i], err = proc.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	listen := at[2:4]
	run := func(spec proc.Spec) *proc.Process {
		p := proc.New(spec)
		t.Cleanup(p.Kill)
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		return p
	}
	nats, err := programs.NATS(at[0])
	if err != nil {
		t.Fatal(err)
	}
	run(nats)
	presence := run(programs.Presence(at[0], at[1]))
	run(programs.Gateway("gw-0", at[0], listen[0], at[4], "--drain", "0s"))
	run(programs.Gateway("gw-1", at[0], listen[1], at[5], "--drain", "0s"))

	b := browser.Start(t, browser.Options{})
	arrive := func(name string, i int) *person {
		p := &person{b.Page(name), name}
		p.Open("http://" + listen[i] + "/")
		p.join()
		return p
	}
	alice, bob := arrive("Alice", 0), arrive("Bob", 1)
	alice.sees(2)
	bob.sees(2)
	const stale = "This list may be out of date at the moment. Calls go on."

	if err := presence.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	alice.AwaitText(stale)
	bob.AwaitText(stale)
	alice.looks(t, "stale")
	alice.Resize(1280, 800, false)
	meet(alice, bob)
	carol := arrive("Carol", 0)
	carol.AwaitText(stale)
	carol.sees(3)
	bob.sees(2) // who is at another gateway

	if err := presence.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{alice, bob, carol} {
		p.WaitFor(`document.getElementById("standing").textContent === ""`)
		p.sees(3)
	}
	talk(alice, bob)
	bob.Click("button", "Hang up")
	alice.atRest()
}
