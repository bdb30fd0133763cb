package readme

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"beckon/local/proc"
)

const root = "../.."

// elsewhere are the commands that are not run here, and the file that runs them, which has this text.
var elsewhere = map[string]struct{ file, text string }{
	"git clone <this repository> beckon && cd beckon": {".ci/quickstart", "git clone"},
	"make run":                          {".ci/quickstart", "make run"},
	"make run LAN=1":                    {"local/cmd/beckon/main_test.go", "func TestRunLAN"},
	"make build":                        {".ci/run", "make build"},
	"make test":                         {".ci/run", "make test"},
	"docker compose up --detach --wait": {"local/deploy/compose_test.go", "docker-compose.yml"},
	"go test -v ./local/browser/...":    {"Makefile", "go test -race"},
	"go test -v ./local/socketio":       {"Makefile", "go test -race"},
	"go test -v ./local/e2e":            {"Makefile", "go test -race"},
	"go test -v ./local/sim":            {"Makefile", "go test -race"},
	"make chaos":                        {"Makefile", "./local/chaos"},
	"go run ./local/cmd/load relay":     {"local/load/relay_test.go", "func Test"},
	"go run ./local/cmd/load doors":     {"local/load/doors_test.go", "func Test"},
	"go run ./local/cmd/load sessions":  {"local/load/sessions_test.go", "func Test"},
	"go run ./local/cmd/load storm":     {"local/load/storm_test.go", "func TestStorm("},
	"go run ./local/cmd/load presence":  {"local/load/replica_test.go", "func TestPresence("},
}

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```\n")
	comment = regexp.MustCompile(`\s+#.*`)
	port    = regexp.MustCompile(`127\.0\.0\.1:(\d+)`)
)

// blocks are the README's blocks of a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// commands are those of the README, without comments, block by block.
func commands(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	for _, block := range blocks(t, "sh") {
		var lines []string
		for line := range strings.Lines(block) {
			lines = append(lines, strings.TrimSpace(comment.ReplaceAllString(line, "")))
		}
		all = append(all, lines)
	}
	return all
}

func TestEveryCommandIsRun(t *testing.T) {
	unused := maps.Clone(elsewhere)
	for _, block := range commands(t) {
		for _, command := range block {
			delete(unused, command)
			where, ok := elsewhere[command]
			switch {
			case ok:
				text, err := os.ReadFile(filepath.Join(root, where.file))
				if err != nil || !strings.Contains(string(text), where.text) {
					t.Errorf("%q should be run by %s, which has no %q (%v)", command, where.file, where.text, err)
				}
			case !strings.HasPrefix(command, "bin/") && !strings.HasPrefix(command, "node "):
				t.Errorf("nothing runs %q", command)
			}
		}
	}
	for command := range unused {
		t.Errorf("the README does not have %q any more", command)
	}
}

// machine stands in for the reader's: each port of the README is a free one here, the same at every use.
type machine struct {
	t        *testing.T
	ctx      context.Context
	ports    map[string]string // the README's -> address here
	programs string            // the folder of what make build would have put into bin
	running  []*proc.Process
}

func (m *machine) address(ofReadme string) string {
	m.t.Helper()
	if m.ports[ofReadme] == "" {
		a, err := proc.FreeAddress()
		if err != nil {
			m.t.Fatal(err)
		}
		m.ports[ofReadme] = a
	}
	return m.ports[ofReadme]
}

func (m *machine) here(text string) string {
	return port.ReplaceAllStringFunc(text, func(s string) string { return m.address(port.FindStringSubmatch(s)[1]) })
}

// defaults are what the services take when the command does not say otherwise; the test holds them against --help.
var defaults = map[string]map[string]string{
	"gateway":  {"--listen": "127.0.0.1:9000", "--ops": "127.0.0.1:9100", "--nats": "nats://127.0.0.1:4222"},
	"presence": {"--ops": "127.0.0.1:9101", "--embed-nats": ""},
}

// start runs a command of the README until the test ends.
func (m *machine) start(command string) {
	m.t.Helper()
	args := strings.Fields(command)
	name := strings.TrimPrefix(args[0], "bin/")
	given := map[string]bool{}
	for _, a := range args[1:] {
		given[a] = true
	}
	for flag, value := range defaults[name] {
		if value != "" && !given[flag] && (flag != "--nats" || !given["--leaf"]) {
			args = append(args, flag, value)
		}
	}
	for i := range args {
		args[i] = m.here(args[i])
	}
	var ops string
	for i, a := range args {
		if a == "--ops" {
			ops = args[i+1]
		}
	}
	p := proc.New(proc.Spec{
		Name: command, Path: filepath.Join(m.programs, name), Args: args[1:],
		Ready: proc.OK("http://" + ops + "/readyz"),
	})
	m.t.Cleanup(p.Kill)
	if err := p.Start(m.ctx); err != nil {
		m.t.Fatal(err)
	}
	m.running = append(m.running, p)
}

func (m *machine) stop() {
	m.t.Helper()
	for i := len(m.running) - 1; i >= 0; i-- {
		if err := m.running[i].Stop(m.ctx); err != nil {
			m.t.Error(err)
		}
	}
	m.running = nil
}

// The processes that the README starts become ready, block by block as it says.
func TestProcesses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	m := &machine{t: t, ctx: ctx, ports: map[string]string{}, programs: t.TempDir()}
	build := exec.CommandContext(ctx, "go", "build", "-o", m.programs+string(filepath.Separator),
		"beckon/gateway/cmd/gateway", "beckon/presence/cmd/presence")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, flags := range defaults {
		help, err := exec.CommandContext(ctx, filepath.Join(m.programs, name), "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for flag, value := range flags {
			if text := strings.Join(strings.Fields(string(help)), " "); !strings.Contains(text, flag) || !strings.Contains(text, value) {
				t.Errorf("%s --help does not say that %s is %q", name, flag, value)
			}
		}
	}
	started, said := 0, false
	for _, block := range commands(t) {
		for _, command := range block {
			if !strings.HasPrefix(command, "bin/") {
				continue
			}
			if strings.HasPrefix(command, "bin/presence") {
				m.stop() // another system begins
			}
			m.start(command)
			started++
			if !said && strings.HasPrefix(command, "bin/gateway") {
				said = true
				m.sayHello()
			}
		}
	}
	m.stop()
	if started < 5 || !said {
		t.Errorf("%d processes were started, hello was said: %v", started, said)
	}
}

// sayHello runs the README's client of a few lines, and expects what the README says that it prints.
func (m *machine) sayHello() {
	t := m.t
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Error(err)
		}
		t.Logf("hello.mjs was not run: %v", err)
		return
	}
	script := filepath.Join(t.TempDir(), "hello.mjs")
	if err := os.WriteFile(script, []byte(m.here(blocks(t, "js")[0])), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(m.ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--experimental-websocket", script)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hello.mjs: %v\n%s", err, out)
	}
	if got, want := frames(t, string(out)), frames(t, blocks(t, "json")[0]); !reflect.DeepEqual(got, want) {
		t.Errorf("hello.mjs prints %v, the README says %v", got, want)
	}
}

// frames are lines of JSON, without what differs each time.
func frames(t *testing.T, lines string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(lines) {
		var f map[string]any
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(fmt.Errorf("read %q: %w", line, err))
		}
		if data, ok := f["data"].(map[string]any); ok && data["sessionId"] != nil {
			data["sessionId"] = "a session"
		}
		all = append(all, f)
	}
	return all
}
