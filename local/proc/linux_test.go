package proc

import (
	"os"
	"testing"
	"time"
)

func TestChildrenEndWithTheProcessThatStartedThem(t *testing.T) {
	grandchild, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := program(t, "parent", grandchild)
	start(t, p)
	if err := Listening(grandchild)(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	await(t, "the grandchild's end", func() bool { return Listening(grandchild)(t.Context()) != nil })
}

func TestCPUCountsWhatAProcessUses(t *testing.T) {
	p, addr := program(t, "server")
	if _, err := p.CPU(); err == nil {
		t.Fatal("a process that does not run has CPU time")
	}
	start(t, p)
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	machineBefore, err := MachineCPU()
	if err != nil {
		t.Fatal(err)
	}
	// The process spins for 100 ms of wall time at each request, which is less of CPU time on a busy machine.
	var used time.Duration
	await(t, "CPU time", func() bool {
		get(t, "http://"+addr+"/spin")
		after, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		used = after - before
		return used >= 100*time.Millisecond
	})
	if used > 10*time.Second {
		t.Errorf("%v for a few spins", used)
	}
	machineAfter, err := MachineCPU()
	if err != nil {
		t.Fatal(err)
	}
	if all := machineAfter - machineBefore; all < used/2 { // the two are not counted in the same way
		t.Errorf("the whole machine used %v, one process %v", all, used)
	}
	if own, err := CPU(os.Getpid()); err != nil || own < 0 {
		t.Errorf("our own: %v, %v", own, err)
	}
}
