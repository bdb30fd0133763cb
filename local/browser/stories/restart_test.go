package stories

import (
	"context"
	"testing"
	"time"

	"beckon/local/browser"
	"beckon/local/proc"
)

// Both gateways are processes here, and Alice's is stopped and started again under her.
func TestGatewayRestartsDuringACall(t *testing.T) {
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
	var at [7]string
	for i := range at {
		if at[i], err = proc.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	nats, listen := at[0], at[3:5]
	run := func(spec proc.Spec) *proc.Process {
		p := proc.New(spec)
		t.Cleanup(p.Kill)
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		return p
	}
	run(programs.Hub(nats, at[1], at[2]))
	first := run(programs.Gateway("gw-0", nats, listen[0], at[5], "--drain", "1s"))
	run(programs.Gateway("gw-1", nats, listen[1], at[6]))

	b := browser.Start(t, browser.Options{})
	var people [2]*person
	for i, name := range []string{"Alice", "Bob"} {
		people[i] = &person{b.Page(name), name}
		people[i].Open("http://" + listen[i] + "/")
		people[i].join()
	}
	alice, bob := people[0], people[1]
	alice.sees(2)
	meet(alice, bob)

	alice.Expect("ERR_CONNECTION_REFUSED", "503", "WebSocket connection to")
	if err := first.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	bob.sees(1)
	alice.AwaitText("Your call goes on.")
	talk(alice, bob)
	if err := first.Start(ctx); err != nil {
		t.Fatal(err)
	}
	alice.sees(2)
	bob.sees(2)
	talk(alice, bob)

	// What is said now goes over the new connection.
	alice.Click("button", "Camera off")
	bob.WaitFor(`!document.getElementById("call").classList.contains("seen")`)
	alice.Click("button", "Hang up")
	bob.AwaitText("Alice hung up.")
	bob.atRest()
	alice.atRest()
}
