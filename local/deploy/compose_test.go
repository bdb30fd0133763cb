package deploy

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"
)

// composeFile is docker-compose.yml, as far as we use the language (compose-spec.io).
type composeFile struct {
	Services map[string]*composeService
	Networks map[string]struct{ Internal bool }
}

type composeService struct {
	Image       string
	Build       *struct{ Context, Dockerfile string }
	PullPolicy  string `yaml:"pull_policy"`
	Scale       int
	Command     []string
	Environment map[string]*string // nil for what compose's own environment has
	Ports       []string
	Volumes     []string
	Networks    []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck *struct {
		Test              []string
		Interval, Timeout time.Duration
		StartPeriod       time.Duration `yaml:"start_period"`
		Retries           int
	}
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`

	Restart     string
	User        string
	ReadOnly    bool `yaml:"read_only"`
	Privileged  bool
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	NetworkMode string   `yaml:"network_mode"`
	Ulimits     struct{ Nofile int }
}

func parseCompose(t *testing.T, file string) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.Unmarshal([]byte(read(t, file)), &c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

var composeFiles = []string{"docker-compose.yml", filepath.Join("docs", "deploy", "compose", "tls.yml")}

// service is which of ours a container runs; "" if none.
func (s *composeService) service() string {
	if s.Build == nil {
		return ""
	}
	return strings.TrimSuffix(s.Build.Dockerfile, "/Dockerfile")
}

// variables are those that the file itself gives a value.
func (s *composeService) variables() map[string]string {
	vars := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			vars[name] = *value
		}
	}
	return vars
}

func TestComposeAccepts(t *testing.T) {
	path, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Log("docker-compose is not installed, so that only our own reading of the files is checked")
		return
	}
	for _, files := range [][]string{composeFiles[:1], composeFiles} {
		var args []string
		for _, f := range files {
			args = append(args, "--file", f)
		}
		cmd := exec.CommandContext(limited(t), path, append(args, "config", "--quiet")...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("docker-compose config on %q: %v\n%s", files, err, out)
		}
	}
}

// What is told to the services are variables that they have.
func TestComposeVariables(t *testing.T) {
	base := parseCompose(t, filepath.Join(root, composeFiles[0]))
	for _, file := range composeFiles {
		for name, s := range parseCompose(t, filepath.Join(root, file)).Services {
			service := base.Services[name].service()
			if service == "" && len(s.Environment) == 0 {
				continue
			}
			known := flagsOf(t, service).variables
			for v := range s.Environment {
				if !slices.Contains(known, v) {
					t.Errorf("%s: %s: %s is no variable of %s", file, name, v, service)
				}
			}
		}
		for _, v := range regexp.MustCompile(`\b(BECKON_[A-Z_]+)`).FindAllString(read(t, filepath.Join(root, file)), -1) {
			if !slices.Contains(flagsOf(t, "gateway").variables, v) && !slices.Contains(flagsOf(t, "presence").variables, v) {
				t.Errorf("%s speaks of %s, which is no variable", file, v)
			}
		}
	}
}

// Whoever breaks into a container finds nothing there, and no way on.
func TestComposeHardened(t *testing.T) {
	c := parseCompose(t, filepath.Join(root, composeFiles[0]))
	public := regexp.MustCompile(`^\$\{PUBLISH:-127\.0\.0\.1\}:(\d+):(\d+)$`)
	taken := map[string]bool{}
	for name, s := range c.Services {
		if !s.ReadOnly || s.Privileged || !numericUser(s.User) || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.NetworkMode != "" {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
		if s.Restart != "unless-stopped" || s.Ulimits.Nofile < 50_000+1_000 {
			t.Errorf("%s: restart %q, %d files", name, s.Restart, s.Ulimits.Nofile)
		}
		if h := s.Healthcheck; h == nil || h.Interval <= h.Timeout || h.Timeout <= 2*time.Second || h.Retries == 0 || h.StartPeriod == 0 {
			t.Errorf("%s: health check %+v", name, h)
		}
		for other, on := range s.DependsOn {
			if c.Services[other] == nil || on.Condition != "service_healthy" {
				t.Errorf("%s depends on %s: %q", name, other, on.Condition)
			}
		}
		if !slices.Contains(s.Networks, "inside") || s.service() != "gateway" && len(s.Networks) > 1 {
			t.Errorf("%s is on %q", name, s.Networks)
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if _, mode, _ := strings.Cut(to, ":"); mode != "ro" || read(t, filepath.Join(root, from)) == "" {
				t.Errorf("%s: volume %s", name, v)
			}
		}
		if s.service() != "gateway" {
			if len(s.Ports) > 0 {
				t.Errorf("%s is on ports of the host: %q", name, s.Ports)
			}
			continue
		}
		exposed := single(t, image(t, "gateway").stages[1], "EXPOSE").rest
		if len(s.Ports) != 1 {
			t.Fatalf("%s: ports %q, want one", name, s.Ports)
		}
		if m := public.FindStringSubmatch(s.Ports[0]); m == nil || m[2] != exposed || s.variables()["BECKON_LISTEN"] != "0.0.0.0:"+exposed {
			t.Errorf("%s: ports %q for a listener at %s", name, s.Ports, s.variables()["BECKON_LISTEN"])
		} else {
			taken[m[1]] = true
		}
		drain := regexp.MustCompile(`--drain=(\S+)`).FindStringSubmatch(flagsOf(t, "gateway").help)
		if d, err := time.ParseDuration(drain[1]); err != nil || s.StopGracePeriod < d+5*time.Second {
			t.Errorf("%s is killed after %v, but may drain for %v (%v)", name, s.StopGracePeriod, d, err)
		}
	}
	if len(taken) != 3 || !taken["9000"] || !taken["9001"] || !taken["9002"] {
		t.Errorf("the gateways are at %v", taken)
	}
	if !c.Networks["inside"].Internal || c.Networks["clients"].Internal {
		t.Errorf("networks: %+v", c.Networks)
	}
	for name, s := range c.Services {
		if service := s.service(); service == "" {
			// The NATS that the services' own is.
			if want := "nats:" + server.VERSION + "-alpine"; s.Image != want {
				t.Errorf("%s is %s, want %s", name, s.Image, want)
			}
		} else if s.Build.Context != "." || s.Image != "beckon-"+service+":${VERSION:-dev}" || s.PullPolicy != "build" {
			t.Errorf("%s: image %s, %s, of %+v", name, s.Image, s.PullPolicy, s.Build)
		}
	}
}

// The system of docker-compose.yml, each container a process with its variables: users of all three gateways meet, and every
// health check that is ours passes.
func TestComposeSystem(t *testing.T) {
	c := parseCompose(t, filepath.Join(root, composeFiles[0]))
	at := map[string]string{}
	for _, port := range natsPorts {
		at[port] = freeAddress(t)
	}
	config, _, _ := strings.Cut(c.Services["nats"].Volumes[0], ":")
	startNATS(t, write(t, filepath.Join(t.TempDir(), "nats.conf"), listeningAt(at).Replace(read(t, filepath.Join(root, config)))))
	health := c.Services["nats"].Healthcheck.Test
	body, err := get(limited(t), strings.Replace(health[len(health)-1], "127.0.0.1:8222", at["8222"], 1))
	if err != nil || !strings.Contains(body, `"ok"`) {
		t.Errorf("the health check of NATS: %s, %v", body, err)
	}

	local := strings.NewReplacer("nats:4222", at["4222"], "nats:7422", at["7422"])
	start := func(name string) *running {
		s := c.Services[name]
		r := run(t, s.service(), locally(s.variables(), local))
		if s.Healthcheck.Test[0] != "CMD" || s.Healthcheck.Test[1] != "/"+s.service() {
			t.Fatalf("%s: health check %q", name, s.Healthcheck.Test)
		}
		probe := func() error {
			cmd := exec.CommandContext(limited(t), image(t, s.service()).binary, s.Healthcheck.Test[2:]...)
			cmd.Env = r.env
			return cmd.Run()
		}
		if err := probe(); err != nil {
			t.Errorf("%s: health check: %v", name, err)
		}
		t.Cleanup(func() { // runs before the service is stopped by run
			if err := r.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			if err := probe(); err == nil {
				t.Errorf("%s: the health check passes without a service", name)
			}
		})
		return r
	}
	for range c.Services["presence"].Scale {
		start("presence")
	}
	one, two, edge := start("gateway-1"), start("gateway-2"), start("edge")
	awaitHub(t, edge)
	alice, bob := meet(t, one, two, "alice", "bob")
	carol := edge.login(t, "carol")
	talk(t, alice, carol)
	talk(t, bob, carol)
	if page, err := get(limited(t), "http://"+edge.listen+"/"); err != nil || !strings.Contains(page, "</html>") {
		t.Errorf("the page is %.100q (%v)", page, err)
	}
}
