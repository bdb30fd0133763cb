// Package deploy holds docs/deploy.md, the files that it shows, the Dockerfiles and docker-compose.yml to their word: what
// they say is read from them and run.
package deploy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beckon/local/client"
	"beckon/local/proc"
)

// patience bounds every wait. It is no expectation: those are in the tests.
const patience = 60 * time.Second

// root is the repository, docs its folder for deployments.
var (
	root = filepath.Join("..", "..")
	docs = filepath.Join(root, "docs", "deploy")
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := images.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := proc.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// running is a service in a process of its own, the one from its image.
type running struct {
	*proc.Process
	env    []string
	listen string // of a gateway, for clients
	ops    string
}

// run runs a service until the test ends, configured by variables alone, with free ports of this machine for its listeners
// whatever env says of them. It returns when the service is ready.
func run(t *testing.T, service string, env map[string]string) *running {
	t.Helper()
	return runAt(t, service, freeAddress(t), freeAddress(t), env)
}

func runAt(t *testing.T, service, listen, ops string, env map[string]string) *running {
	t.Helper()
	r := &running{listen: listen, ops: ops}
	vars := maps.Clone(env)
	vars["BECKON_OPS"] = ops
	if service == "gateway" {
		vars["BECKON_LISTEN"] = listen
	}
	for name, value := range vars {
		r.env = append(r.env, name+"="+value)
	}
	r.Process = proc.New(proc.Spec{
		Name: service, Path: "/usr/bin/env", Args: append(r.env[:len(r.env):len(r.env)], image(t, service).binary),
		Ready: proc.OK("http://" + r.ops + "/readyz"),
	})
	t.Cleanup(func() {
		if err := r.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", service, r.Output())
		}
	})
	if err := r.Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) login(t *testing.T, user string) *client.Client {
	t.Helper()
	c, err := client.Dial(limited(t), client.Options{Address: r.listen, User: user})
	if err != nil {
		t.Fatalf("log in as %q: %v", user, err)
	}
	t.Cleanup(c.Close)
	return c
}

// meet has two users log in, on two gateways or on one: they see each other, and a message goes each way.
func meet(t *testing.T, one, other *running, names ...string) (a, b *client.Client) {
	t.Helper()
	a, b = one.login(t, names[0]), other.login(t, names[1])
	talk(t, a, b)
	return a, b
}

func talk(t *testing.T, a, b *client.Client) {
	t.Helper()
	for _, c := range []*client.Client{a, b} {
		if err := c.AwaitList(limited(t), func(l client.List) bool {
			return len(l.Users) >= 2 && slices.Contains(l.Users, a.Welcome.UserID) && slices.Contains(l.Users, b.Welcome.UserID)
		}); err != nil {
			t.Fatalf("%s does not see both: %v", c.Welcome.UserID, err)
		}
	}
	for _, pair := range [][2]*client.Client{{a, b}, {b, a}} {
		from, to := pair[0], pair[1]
		outcome, err := from.Outcome(limited(t), "message", map[string]any{"to": to.Welcome.UserID, "data": "hello"})
		if err != nil || outcome != "delivered" {
			t.Fatalf("a message of %s: %s, %v", from.Welcome.UserID, outcome, err)
		}
		f, err := to.Event(limited(t), "message")
		if err != nil || f.Text("from") != from.Welcome.UserID || f.Text("data") != "hello" {
			t.Fatalf("%s got %s (%v)", to.Welcome.UserID, f.Data, err)
		}
	}
}

// get gives the body of an answer, whatever its status.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// httpClient keeps no connection, or its goroutines would stay.
var httpClient = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

var quiet = slog.New(slog.DiscardHandler)
