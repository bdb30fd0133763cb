package deploy

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// proving is a machine on which the commands of docs/deploy.md are run: a folder that stands for its root, and the services
// that the page has running.
type proving struct {
	root              string
	gateway, presence *running
}

// kind is a kind of command, by how it begins, and what proves one right. Those without a proof change the machine itself, and
// only the shell has to understand them.
type kind struct {
	begins string
	prove  func(p *proving, t *testing.T, command string)
}

// kinds are those of docs/deploy.md.
var kinds = []kind{
	{"sudo install ", (*proving).run},
	{"curl ", (*proving).run},
	{"until ", (*proving).run},
	{"openssl ", (*proving).run},
	{"printf ", (*proving).run},
	{"nats-server ", (*proving).checkNATS},
	{"haproxy ", (*proving).checkBalancer},
	{"make ", (*proving).findTarget},
	{"sudo systemctl ", (*proving).findUnits},
	{"docker compose ", (*proving).findComposeFiles},
	{"PUBLISH=0.0.0.0 docker compose ", (*proving).findComposeFiles},
	{"docker build ", (*proving).findDockerfile},
	{"nats ", (*proving).readRequest}, // TestCluster sends it
	{"sudo useradd ", nil},
	{"sudoedit ", nil},
}

// Every command of docs/deploy.md does what the page has it for.
func TestCommands(t *testing.T) {
	p := &proving{root: t.TempDir()}
	for _, dir := range []string{"usr/local/bin", "etc/systemd/system", "etc/nats", "work/bin", "work/docs"} {
		if err := os.MkdirAll(filepath.Join(p.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, service := range []string{"gateway", "presence"} { // make build
		if err := os.Symlink(image(t, service).binary, filepath.Join(p.root, "work", "bin", service)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(p.root, "work", "docs", "deploy"), os.DirFS(docs)); err != nil {
		t.Fatal(err)
	}
	nats := freeAddress(t)
	p.presence = run(t, "presence", map[string]string{"BECKON_EMBED_NATS": nats})
	p.gateway = run(t, "gateway", map[string]string{"BECKON_NATS": "nats://" + nats})

	for _, b := range deployPage(t).blocks {
		switch b.lang {
		case "sh":
		case "ini":
			continue // TestVariables, and whoever runs a service with them
		default:
			t.Errorf("nobody proves a block of %s:\n%s", b.lang, b.text)
			continue
		}
		if out, err := exec.CommandContext(limited(t), "/bin/sh", "-n", "-c", b.text).CombinedOutput(); err != nil {
			t.Errorf("the shell does not read it: %s\n%s", out, b.text)
		}
		for command := range strings.Lines(b.text) {
			command = strings.TrimSpace(command)
			i := slices.IndexFunc(kinds, func(k kind) bool { return strings.HasPrefix(command, k.begins) })
			if i < 0 {
				t.Errorf("nobody proves it: %s", command)
			} else if prove := kinds[i].prove; prove != nil {
				prove(p, t, command)
			}
		}
	}
	for _, service := range []string{"gateway", "presence"} {
		for _, file := range []string{"usr/local/bin/beckon-" + service, "etc/systemd/system/beckon-" + service + ".service"} {
			if _, err := os.Stat(filepath.Join(p.root, file)); err != nil {
				t.Errorf("after all: %v", err)
			}
		}
	}
	p.checkAuthority(t)
}

// run runs a command for this folder and these services, as a user who needs no sudo.
func (p *proving) run(t *testing.T, command string) {
	t.Helper()
	program, _, _ := strings.Cut(strings.TrimPrefix(command, "sudo "), " ")
	if program != "until" {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s is not installed, so that this was not run: %s", program, command)
			return
		}
	}
	here := strings.NewReplacer("sudo ", "", " -o nats ", " ", " /usr/local/", " "+p.root+"/usr/local/", " /etc/", " "+p.root+"/etc/",
		"127.0.0.1:9100", p.gateway.ops, "127.0.0.1:9101", p.presence.ops).Replace(command)
	cmd := exec.CommandContext(limited(t), "/bin/sh", "-e", "-c", here)
	cmd.Dir = filepath.Join(p.root, "work")
	ops := p.gateway.ops
	if strings.Contains(command, "beckon-presence") {
		ops = p.presence.ops
	}
	cmd.Env = append(os.Environ(), "PATH="+p.root+"/usr/local/bin:"+os.Getenv("PATH"), "BECKON_OPS="+ops)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// checkNATS has nats-server look at the configuration that was installed before.
func (p *proving) checkNATS(t *testing.T, command string) {
	etc := filepath.Join(p.root, "etc", "nats")
	if err := os.MkdirAll(filepath.Join(etc, "tls"), 0o755); err != nil {
		t.Fatal(err)
	}
	certificate(t, filepath.Join(etc, "tls"))
	machine := filepath.Join(etc, "machine.conf")
	write(t, machine, strings.ReplaceAll(read(t, machine), "/etc/nats", etc))
	args := strings.Fields(strings.ReplaceAll(command, "/etc/nats", etc))
	out, err := exec.CommandContext(limited(t), "go", append([]string{"tool"}, args...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is valid") {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// checkBalancer has HAProxy look at its configuration, with names and a certificate that it finds here.
func (p *proving) checkBalancer(t *testing.T, command string) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		t.Logf("haproxy is not installed, so that this was not run: %s", command)
		return
	}
	certificate(t, p.root)
	pem := write(t, filepath.Join(p.root, "meet.pem"), read(t, filepath.Join(p.root, "hub.crt"))+read(t, filepath.Join(p.root, "hub.key")))
	args := strings.Fields(command)[1:]
	file := filepath.Join(root, args[len(args)-1])
	args[len(args)-1] = write(t, filepath.Join(p.root, "haproxy.cfg"),
		strings.NewReplacer("gw-1.internal", "127.0.0.1", "gw-2.internal", "127.0.0.1", "/etc/haproxy/meet.pem", pem).Replace(read(t, file)))
	if out, err := exec.CommandContext(limited(t), path, args...).CombinedOutput(); err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// checkAuthority checks what the openssl commands have made.
func (p *proving) checkAuthority(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		return // run has said so
	}
	file := func(name string) string { return filepath.Join(p.root, "work", name) }
	pair, err := tls.LoadX509KeyPair(file("hub.crt"), file("hub.key"))
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM([]byte(read(t, file("hub-ca.pem")))) {
		t.Fatal("no certificate in hub-ca.pem")
	}
	for hub := range strings.SplitSeq(deployPage(t).variables(t, "A gateway at the edge", "/etc/beckon/gateway.env")["BECKON_LEAF"], ",") {
		name := regexp.MustCompile(`@([^:]+):`).FindStringSubmatch(hub)[1]
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: authorities}); err != nil {
			t.Errorf("the certificate of the hub: %v", err)
		}
	}
}

func (p *proving) findTarget(t *testing.T, command string) {
	target := strings.TrimPrefix(command, "make ")
	if !regexp.MustCompile(`(?m)^` + target + `:`).MatchString(read(t, filepath.Join(root, "Makefile"))) {
		t.Errorf("%s: no such target", command)
	}
}

func (p *proving) findUnits(t *testing.T, command string) {
	for _, word := range strings.Fields(command) {
		if service, ok := strings.CutPrefix(word, "beckon-"); ok {
			read(t, unitFile(service))
		}
	}
}

// findComposeFiles checks that a command names those files that TestComposeAccepts gives to compose.
func (p *proving) findComposeFiles(t *testing.T, command string) {
	var files []string
	for _, m := range regexp.MustCompile(`--file (\S+)`).FindAllStringSubmatch(command, -1) {
		files = append(files, filepath.FromSlash(m[1]))
	}
	if len(files) > 0 && !slices.Equal(files, composeFiles) {
		t.Errorf("%s: nobody knows whether compose takes these files", command)
	}
}

// findDockerfile checks what buildImage does not: where the command says that things are.
func (p *proving) findDockerfile(t *testing.T, command string) {
	m := regexp.MustCompile(`^docker build --file (\S+)/Dockerfile --build-arg VERSION=\S+ --tag \S+/beckon-(\S+):\S+ \.$`).FindStringSubmatch(command)
	if m == nil || m[1] != m[2] {
		t.Fatalf("%s: %q", command, m)
	}
	image(t, m[1])
}

func (p *proving) readRequest(t *testing.T, command string) {
	if natsRequest.FindStringSubmatch(command) == nil {
		t.Errorf("nobody sends it: %s", command)
	}
}

// natsRequest is a request with NATS' own tool: server, subject, payload.
var natsRequest = regexp.MustCompile(`(?m)^nats --server (\S+) req (\S+) '(.*)'$`)

// askAsTold sends the requests that docs/deploy.md shows, as the users that it shows them for.
func (c *cluster) askAsTold(t *testing.T) {
	t.Helper()
	asked := 0
	for _, b := range deployPage(t).blocks {
		for _, m := range natsRequest.FindAllStringSubmatch(b.text, -1) {
			nc, err := nats.Connect(c.local.Replace(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			reply, err := nc.RequestWithContext(limited(t), m[2], []byte(m[3]))
			if err != nil || !strings.Contains(string(reply.Data), `"count":2`) && !strings.Contains(string(reply.Data), `"status":"delivered"`) {
				t.Errorf("%s: %v, %v", m[0], reply, err)
			}
			nc.Close()
			asked++
		}
	}
	if asked == 0 {
		t.Error("docs/deploy.md asks nothing")
	}
}

// The page's settings are settings, and what it points at is there.
func TestVariables(t *testing.T) {
	p := deployPage(t)
	gateway, presence := flagsOf(t, "gateway"), flagsOf(t, "presence")
	for _, b := range p.blocks {
		if b.lang != "ini" {
			continue
		}
		known := gateway.variables
		if strings.HasPrefix(b.text, "# /etc/beckon/presence.env\n") {
			known = presence.variables
		} else if !strings.HasPrefix(b.text, "# /etc/beckon/gateway.env\n") {
			t.Errorf("whose is this?\n%s", b.text)
		}
		for name := range variables(t, b.text) {
			if !slices.Contains(known, name) {
				t.Errorf("%s is no variable, in\n%s", name, b.text)
			}
		}
	}
	all := append(slices.Clone(gateway.variables), presence.variables...)
	for _, m := range regexp.MustCompile("`(BECKON_[A-Z_]+)").FindAllStringSubmatch(p.prose, -1) {
		if !slices.Contains(all, m[1]) {
			t.Errorf("%s is no variable", m[1])
		}
	}
	names := append(slices.Clone(gateway.names), presence.names...)
	for _, m := range regexp.MustCompile("`(?:[^`]* )?(--[a-z-]+)").FindAllStringSubmatch(p.prose, -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("%s is no flag", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(p.prose, -1) {
		if _, err := os.Stat(filepath.Join(root, "docs", m[1])); err != nil {
			t.Errorf("a link leads nowhere: %v", err)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(p.prose, -1) {
		if !slices.ContainsFunc(strings.Split(p.prose, "\n"), func(line string) bool {
			title, ok := strings.CutPrefix(line, "## ")
			return ok && strings.ReplaceAll(strings.ToLower(title), " ", "-") == m[1]
		}) {
			t.Errorf("no section %s", m[1])
		}
	}
	for flag, want := range map[string]string{"--listen": "127.0.0.1:9000", "--ops": "127.0.0.1:9100", "--max-sessions": "50000", "--max-handshakes": "1000", "--drain": "5s"} {
		if !regexp.MustCompile(flag + `="?` + regexp.QuoteMeta(want) + `\b`).MatchString(gateway.help) {
			t.Errorf("the page takes %s=%s for granted:\n%s", flag, want, gateway.help)
		}
	}
	if !strings.Contains(presence.help, `--ops="127.0.0.1:9101"`) {
		t.Errorf("the page takes another address of presence for granted:\n%s", presence.help)
	}
}
