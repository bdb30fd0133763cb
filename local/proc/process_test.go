package proc

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a process of this test's executable in a role, on an address of its own. It is killed when the test ends.
func program(t *testing.T, role string, args ...string) (_ *Process, addr string) {
	t.Helper()
	addr, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(childRole, role)
	p := New(Spec{Name: role, Path: os.Args[0], Args: append([]string{addr}, args...), Ready: OK("http://" + addr + "/readyz")})
	t.Cleanup(p.Kill)
	return p, addr
}

func start(t *testing.T, p *Process) {
	t.Helper()
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func bounded(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// await asks until good holds.
func await(t *testing.T, what string, good func() bool) {
	t.Helper()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !good(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within half a minute", what)
		}
	}
}

func TestProcessStartsServesAndStops(t *testing.T) {
	p, addr := program(t, "server")
	if p.Running() || p.Err() != nil {
		t.Fatalf("before its start: running %v, error %v", p.Running(), p.Err())
	}
	start(t, p)
	if err := Listening(addr)(t.Context()); err != nil {
		t.Fatalf("Start returned before the process listens: %v", err)
	}
	if err := p.Start(t.Context()); err == nil {
		t.Fatal("a running process was started a second time")
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Running() || Listening(addr)(t.Context()) == nil {
		t.Fatal("it still serves after Stop")
	}
	if out := p.Output(); !strings.Contains(out, "serving on "+addr) || !strings.Contains(out, "asked to end") {
		t.Fatalf("output: %q", out)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatalf("stop what does not run: %v", err)
	}
}

func TestKilledProcessStartsAgainOnItsPort(t *testing.T) {
	p, addr := program(t, "server")
	start(t, p)
	for range 3 {
		p.Kill()
		if p.Running() {
			t.Fatal("it runs after Kill")
		}
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("error of a killed process: %v", err)
		}
		start(t, p)
		if err := Listening(addr)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEndedTellsOfAnUnexpectedEnd(t *testing.T) {
	p, _ := program(t, "server")
	start(t, p)
	p.signal(syscall.SIGINT)
	select {
	case <-p.Ended():
	case <-bounded(t, 30*time.Second).Done():
		t.Fatal("its end went unnoticed")
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "interrupt") {
		t.Fatalf("error: %v", err)
	}
}

func TestPausedProcessAnswersNothingUntilItIsResumed(t *testing.T) {
	p, addr := program(t, "server")
	start(t, p)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	err := OK("http://" + addr + "/readyz")(bounded(t, 300*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a paused process answered: %v", err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := OK("http://" + addr + "/readyz")(bounded(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestPausedProcessCanBeStoppedAndKilled(t *testing.T) {
	p, _ := program(t, "server")
	for _, end := range []func() error{
		func() error { return p.Stop(t.Context()) },
		func() error { p.Kill(); return nil },
	} {
		start(t, p)
		if err := p.Pause(); err != nil {
			t.Fatal(err)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if p.Running() {
			t.Fatal("it still runs")
		}
	}
	if p.Pause() == nil || p.Resume() == nil {
		t.Fatal("what does not run was signalled")
	}
}

func TestStopKillsAProcessThatDoesNotListen(t *testing.T) {
	p, _ := program(t, "stubborn")
	start(t, p)
	err := p.Stop(bounded(t, 100*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("error: %v", err)
	}
	if p.Running() {
		t.Fatal("it still runs")
	}
}

func TestStartSaysWhyItFailed(t *testing.T) {
	t.Run("the program fails", func(t *testing.T) {
		p, _ := program(t, "failing")
		err := p.Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such luck") {
			t.Fatalf("error: %v", err)
		}
	})
	t.Run("it is never ready", func(t *testing.T) {
		p, _ := program(t, "unready")
		ctx, giveUp := context.WithCancel(t.Context())
		defer giveUp()
		ready, answered := p.spec.Ready, false
		p.spec.Ready = func(ctx context.Context) error {
			if answered {
				giveUp()
			}
			err := ready(ctx)
			answered = strings.Contains(err.Error(), "503")
			return err
		}
		err := p.Start(ctx)
		if err == nil || !strings.Contains(err.Error(), "the moon is missing") {
			t.Fatalf("error: %v", err)
		}
		if p.Running() {
			t.Fatal("it was left running")
		}
	})
	t.Run("there is no such program", func(t *testing.T) {
		p := New(Spec{Name: "nothing", Path: t.TempDir() + "/nothing", Ready: Listening("127.0.0.1:1")})
		if err := p.Start(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("error: %v", err)
		}
	})
}

func TestEnvironmentDoesNotConfigureServers(t *testing.T) {
	t.Setenv("BECKON_NATS", "nats://elsewhere:4222")
	t.Setenv("BECKONING", "kept")
	got := strings.Join(environment(), "\n")
	if strings.Contains(got, "BECKON_NATS") || !strings.Contains(got, "BECKONING=kept") {
		t.Fatalf("environment:\n%s", got)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var out tail
	line := strings.Repeat("x", 99) + "\n"
	for range 1000 {
		if n, err := out.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := out.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	kept := out.String()
	if len(kept) < tailSize-len(line) || len(kept) > 2*tailSize+len(line) {
		t.Errorf("%d bytes were kept", len(kept))
	}
	if !strings.HasPrefix(kept, line) || !strings.HasSuffix(kept, line+"last words") {
		t.Errorf("kept %q ... %q", kept[:120], kept[len(kept)-120:])
	}
}

func TestFreeAddressesDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 50 {
		addr, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Fatalf("%s was given twice", addr)
		}
		seen[addr] = true
	}
}

func get(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
