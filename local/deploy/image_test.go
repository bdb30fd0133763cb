package deploy

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// buildTimeout bounds a build with nothing in any cache.
	buildTimeout = 8 * time.Minute
	// buildVersion is what the images are built as.
	buildVersion = "v0.0.0-test"
)

// builtImage is what a Dockerfile makes, without Docker: the commands of its first stage are run in a folder that has only
// what its COPY lines bring.
type builtImage struct {
	stages []stage
	copied []string          // paths in the image of the first stage of what came from the repository
	early  []string          // those that were there when the first command ran
	files  map[string]string // of the last stage: path there, path in the first
	env    map[string]string // of the last stage
	binary string            // where the entry point is on this machine
}

// images are built when a test first asks for one, and stay until all have run.
var images imageStore

type imageStore struct {
	mu    sync.Mutex
	dir   string
	built map[string]*builtImage
}

func (s *imageStore) remove() error { return os.RemoveAll(s.dir) }

func image(t *testing.T, service string) *builtImage {
	t.Helper()
	images.mu.Lock()
	defer images.mu.Unlock()
	if images.dir == "" {
		dir, err := os.MkdirTemp("", "beckon-images-")
		if err != nil {
			t.Fatal(err)
		}
		images.dir, images.built = dir, map[string]*builtImage{}
	}
	if images.built[service] == nil {
		ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
		defer cancel()
		built, err := buildImage(ctx, service, filepath.Join(images.dir, service))
		if err != nil {
			t.Fatalf("build the image of %s: %v", service, err)
		}
		images.built[service] = built
	}
	return images.built[service]
}

func buildImage(ctx context.Context, service, dir string) (*builtImage, error) {
	text, err := os.ReadFile(filepath.Join(root, service, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	ignore, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	rules := parseIgnored(string(ignore))
	stages, err := parseDockerfile(string(text))
	if err != nil {
		return nil, err
	}
	if len(stages) != 2 {
		return nil, fmt.Errorf("%d stages, want two", len(stages))
	}
	b := &builtImage{stages: stages, files: map[string]string{}, env: map[string]string{}}
	in := func(workdir, p string) string { // where a path of the first stage is on this machine
		if !path.IsAbs(p) {
			p = path.Join(workdir, p) + p[len(strings.TrimRight(p, "/")):]
		}
		return dir + p
	}

	// As the official image has it, and with the caches of this machine.
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GO") })
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	env = append(env, "GOTOOLCHAIN=local")
	workdir, ran := "/", false
	for _, i := range stages[0].instructions {
		switch i.name {
		case "ENV":
			env = append(env, i.words...)
		case "ARG":
			if i.rest != "VERSION=dev" {
				return nil, fmt.Errorf("ARG %s: the only argument is VERSION", i.rest)
			}
			env = append(env, "VERSION="+buildVersion)
		case "WORKDIR":
			workdir = path.Join(workdir, i.rest)
			if err := os.MkdirAll(in("", workdir), 0o755); err != nil {
				return nil, err
			}
		case "COPY":
			last := len(i.words) - 1
			for _, from := range i.words[:last] {
				made, err := copyIn(rules, from, in(workdir, i.words[last]))
				if err != nil {
					return nil, fmt.Errorf("COPY %s: %w", i.rest, err)
				}
				b.copied = append(b.copied, made...)
			}
		case "RUN":
			if !ran {
				b.early, ran = slices.Clone(b.copied), true
			}
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", i.rest)
			cmd.Dir, cmd.Env = in("", workdir), env
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("RUN %s: %w\n%s", i.rest, err, out)
			}
		default:
			return nil, fmt.Errorf("%s is not for the first stage", i.name)
		}
	}

	for _, i := range stages[1].all("COPY") {
		if i.flags["from"] != stages[0].name || len(i.words) != 2 || !path.IsAbs(i.words[0]) {
			return nil, fmt.Errorf("COPY %s is not from an absolute path of the first stage", i.rest)
		}
		to := i.words[1]
		if strings.HasSuffix(to, "/") {
			to += path.Base(i.words[0])
		}
		b.files[to] = i.words[0]
	}
	for _, i := range stages[1].all("ENV") {
		name, value, _ := strings.Cut(i.rest, "=")
		b.env[name] = value
	}
	for _, i := range stages[1].all("ENTRYPOINT") {
		if from, ok := b.files[i.words[0]]; ok {
			b.binary = in("", from)
		}
	}
	for i, file := range b.copied {
		b.copied[i] = strings.TrimPrefix(file, dir)
	}
	for i, file := range b.early {
		b.early[i] = strings.TrimPrefix(file, dir)
	}
	return b, nil
}

// Each Dockerfile builds its service from what it copies, into one static program and nothing else but authorities, for a
// user who is nobody.
func TestImages(t *testing.T) {
	for _, service := range []string{"gateway", "presence"} {
		t.Run(service, func(t *testing.T) {
			b := image(t, service)
			for _, module := range []string{service, "shared"} {
				version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, filepath.Join(root, module, "go.mod")))
				if want := "golang:" + version[1] + "-alpine"; b.stages[0].base != want {
					t.Errorf("built from %s, but %s/go.mod wants %s", b.stages[0].base, module, want)
				}
			}
			var modules []string
			for _, module := range []string{"shared", service} {
				modules = append(modules, "/src/"+module+"/go.mod", "/src/"+module+"/go.sum")
			}
			if got := b.stages[0].all("RUN")[0].rest; got != "go mod download" || !slices.Equal(b.early, modules) {
				t.Errorf("the first layer is %s with %q, want the modules with %q alone", got, b.early, modules)
			}
			for _, file := range b.copied {
				if !strings.HasPrefix(file, "/src/shared/") && !strings.HasPrefix(file, "/src/"+service+"/") || strings.HasSuffix(file, "_test.go") {
					t.Errorf("%s is not needed", file)
				}
			}

			last := b.stages[1]
			if last.base != "scratch" {
				t.Errorf("the image is based on %s", last.base)
			}
			want := map[string]string{
				"/" + service: "/src/" + service + "/bin/" + service,
				// Where Go looks first: crypto/x509, root_linux.go.
				"/etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs/ca-certificates.crt",
			}
			if fmt.Sprint(b.files) != fmt.Sprint(want) {
				t.Errorf("it has %v, want %v", b.files, want)
			}
			if user := single(t, last, "USER").rest; !numericUser(user) {
				t.Errorf("its user is %q", user)
			}
			if words := single(t, last, "ENTRYPOINT").words; !slices.Equal(words, []string{"/" + service}) {
				t.Errorf("its entry point is %q", words)
			}
			if words := single(t, last, "HEALTHCHECK").words; !slices.Equal(words, []string{"/" + service, "--probe"}) {
				t.Errorf("its health check is %q", words)
			}
			flags := flagsOf(t, service)
			for name := range b.env {
				if !slices.Contains(flags.variables, name) {
					t.Errorf("%s is no variable of the service", name)
				}
			}
			if service == "gateway" {
				if port := single(t, last, "EXPOSE").rest; b.env["BECKON_LISTEN"] != "0.0.0.0:"+port {
					t.Errorf("it listens at %s and exposes %s", b.env["BECKON_LISTEN"], port)
				}
			}

			isStatic(t, b.binary)
			out, err := exec.CommandContext(limited(t), b.binary, "--version").Output()
			if err != nil || string(out) != service+" "+buildVersion+"\n" {
				t.Errorf("--version says %q (%v)", out, err)
			}
		})
	}
}

func single(t *testing.T, s stage, name string) instruction {
	t.Helper()
	all := s.all(name)
	if len(all) != 1 {
		t.Fatalf("%d %s, want one", len(all), name)
	}
	return all[0]
}

// numericUser reports that user is uid:gid in digits, neither of them root's: what must not be root has to be seen to be so
// without the image's /etc/passwd.
func numericUser(user string) bool {
	uid, gid, _ := strings.Cut(user, ":")
	for _, id := range []string{uid, gid} {
		if n, err := strconv.ParseUint(id, 10, 32); err != nil || n == 0 {
			return false
		}
	}
	return true
}

// isStatic checks that a program runs where there is nothing else: no loader, no libraries.
func isStatic(t *testing.T, path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Log("this is no Linux, for which an image is built, so that nobody has looked whether it is static")
		return
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is not static: it has a %s", path, p.Type)
		}
	}
}

// What Docker is sent is what the images are built from.
func TestDockerignore(t *testing.T) {
	rules := parseIgnored(read(t, filepath.Join(root, ".dockerignore")))
	for file, want := range map[string]bool{
		".git/config": true, "Makefile": true, "docs/deploy.md": true, "local/stack.go": true, "bin/gateway": true,
		"go.work": true, "docker-compose.yml": true, "gateway/gateway_test.go": true, "gateway/ws/door_test.go": true,
		"shared/bus/testdata/rapid/a.fail": true, "gateway/web/node_modules/a/index.js": true, "gateway/Dockerfile": true,
		"gateway/gateway.go": false, "gateway/ws/door.go": false, "gateway/go.sum": false, "shared/go.mod": false,
		"shared/wire/doc.go": false, "presence/cmd/presence/main.go": false, "gateway/web/page/index.html": false,
	} {
		if got := rules.has(file); got != want {
			t.Errorf("%s: ignored %v, want %v", file, got, want)
		}
	}
}

// flags are what a service can be told.
type flags struct {
	names     []string // --nats
	variables []string // BECKON_NATS
	help      string
}

var (
	flagName     = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z][a-z-]*)`)
	variableName = regexp.MustCompile(`\$(BECKON_[A-Z_]+)`)
)

func flagsOf(t *testing.T, service string) flags {
	t.Helper()
	out, err := exec.CommandContext(limited(t), image(t, service).binary, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	f := flags{help: string(bytes.TrimSpace(out))}
	for _, m := range flagName.FindAllStringSubmatch(f.help, -1) {
		f.names = append(f.names, m[1])
	}
	for _, m := range variableName.FindAllStringSubmatch(f.help, -1) {
		f.variables = append(f.variables, m[1])
	}
	if len(f.names) < 5 || len(f.variables) < 4 {
		t.Fatalf("cannot read the help of %s:\n%s", service, f.help)
	}
	return f
}
