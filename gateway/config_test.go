package gateway

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"beckon/shared/service"
	"beckon/shared/wire"
)

func defaults(t *testing.T) Config {
	t.Helper()
	var cfg Config
	if err := service.SetDefaults(&cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDefaults(t *testing.T) {
	cfg := defaults(t)
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if cfg.natsURL() != "nats://127.0.0.1:4222" || cfg.Listen != "127.0.0.1:9000" || cfg.Ops != "127.0.0.1:9100" {
		t.Errorf("addresses %q, %q, %q", cfg.natsURL(), cfg.Listen, cfg.Ops)
	}
	if cfg.Drain != 5*time.Second || cfg.MaxSessions != 50_000 || cfg.RateFrames != 1000 || cfg.RateBytes != 4<<20 {
		t.Errorf("bounds %+v", cfg)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string // the error's beginning; "" for none
	}{
		{"a name", func(c *Config) { c.Name = "gw-1" }, ""},
		{"a name with a dot", func(c *Config) { c.Name = "gw.1" }, "--name: "},
		{"a wildcard for a name", func(c *Config) { c.Name = "*" }, "--name: "},
		{"a long name", func(c *Config) { c.Name = strings.Repeat("x", 65) }, "--name: "},
		{"several NATS servers", func(c *Config) { c.NATS = "nats://a:4222,tls://b" }, ""},
		{"another scheme for NATS", func(c *Config) { c.NATS = "http://a" }, "--nats: "},
		{"NATS without a host", func(c *Config) { c.NATS = "nats://" }, "--nats: "},
		{"a hub", func(c *Config) { c.Leaf = []string{"nats-leaf://hub:7422"} }, ""},
		{"a hub, whatever NATS is", func(c *Config) { c.Leaf, c.NATS = []string{"nats-leaf://hub:7422"}, "http://a" }, ""},
		{"a hub with another scheme", func(c *Config) { c.Leaf = []string{"nats-leaf://hub", "http://hub"} }, "--leaf: "},
		{"an empty hub", func(c *Config) { c.Leaf = []string{""} }, "--leaf: "},
		{"nowhere to listen", func(c *Config) { c.Listen = "" }, "--listen: "},
		{"TLS", func(c *Config) { c.TLSCert, c.TLSKey = "a", "b" }, ""},
		{"a certificate without its key", func(c *Config) { c.TLSCert = "a" }, "--tls-cert: "},
		{"a key without its certificate", func(c *Config) { c.TLSKey = "b" }, "--tls-key: "},
		{"no ops", func(c *Config) { c.Ops = "" }, ""},
		{"no drain", func(c *Config) { c.Drain = 0 }, ""},
		{"the longest drain", func(c *Config) { c.Drain = mostDrain }, ""},
		{"too long a drain", func(c *Config) { c.Drain = mostDrain + 1 }, "--drain: "},
		{"a negative drain", func(c *Config) { c.Drain = -1 }, "--drain: "},
		{"no sessions", func(c *Config) { c.MaxSessions = 0 }, "--max-sessions: "},
		{"negative sessions", func(c *Config) { c.MaxSessions = -1 }, "--max-sessions: "},
		{"one session", func(c *Config) { c.MaxSessions = 1 }, ""},
		{"no handshakes", func(c *Config) { c.MaxHandshakes = 0 }, "--max-handshakes: "},
		{"no frames", func(c *Config) { c.RateFrames = 0 }, "--rate-frames: "},
		{"frames without end", func(c *Config) { c.RateFrames = 1<<63 - 1 }, "--rate-frames: "},
		{"fewer bytes than a frame has", func(c *Config) { c.RateBytes = wire.MaxFrame - 1 }, "--rate-bytes: "},
		{"bytes of one frame", func(c *Config) { c.RateBytes = wire.MaxFrame }, ""},
		{"bytes without end", func(c *Config) { c.RateBytes = 1<<63 - 1 }, "--rate-bytes: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := defaults(t)
			test.change(&cfg)
			err := cfg.Validate()
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)):
				t.Errorf("error %v, want %s...", err, test.want)
			}
		})
	}
}

// The read budget lets pass whatever the limits of a session do.
func TestReadBudget(t *testing.T) {
	for _, rates := range [][2]int{{1, wire.MaxFrame}, {1000, 4 << 20}, {mostOfAnything, mostOfAnything}} {
		cfg := Config{RateFrames: rates[0], RateBytes: rates[1]}
		b := readBudget(cfg)
		if b.Bytes < cfg.RateBytes+wire.MaxFrame || b.Reads < cfg.RateFrames || 2*b.Bytes < 0 || 2*b.Reads < 0 {
			t.Errorf("%+v for %v", b, rates)
		}
	}
}

func runAsMain(t *testing.T, env, args []string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append([]string{asMain + "=1"}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		env, args []string
		want      []string
	}{
		{"defaults", nil, nil, []string{"Listen:127.0.0.1:9000", "Ops:127.0.0.1:9100", "MaxSessions:50000", "Drain:5s"}},
		{
			"flags", nil,
			[]string{"--listen=[::1]:0", "--ops=", "--max-sessions=7", "--drain=250ms", "--name=gw-1"},
			[]string{"Listen:[::1]:0", "Ops: ", "MaxSessions:7", "Drain:250ms", "Name:gw-1"},
		},
		{
			"environment",
			[]string{"BECKON_LISTEN=0.0.0.0:80", "BECKON_OPS=", "BECKON_RATE_BYTES=65536", "BECKON_NATS=nats://hub:1"},
			nil,
			[]string{"Listen:0.0.0.0:80", "Ops: ", "RateBytes:65536", "NATS:nats://hub:1"},
		},
		{"a flag before the environment", []string{"BECKON_NAME=env"}, []string{"--name=flag"}, []string{"Name:flag"}},
		{
			"origins", nil,
			[]string{"--origins=https://a.example,https://b.example"},
			[]string{"Origins:{all:false allowed:[https://a.example https://b.example]}"},
		},
		{"all origins", []string{"BECKON_ORIGINS=*"}, nil, []string{"Origins:{all:true"}},
		{"ICE servers", nil, []string{"--ice-servers=stun:a,stun:b"}, []string{"ICEServers:[{URLs:[stun:a] ", "{URLs:[stun:b] "}},
		{
			"ICE servers as JSON",
			[]string{`BECKON_ICE_SERVERS=[{"urls":["stun:a","turn:b"],"username":"u","credential":"c,d"}]`},
			nil,
			[]string{"ICEServers:[{URLs:[stun:a turn:b] Username:u Credential:c,d}]"},
		},
		{"TLS", []string{"BECKON_TLS_KEY=/b.pem"}, []string{"--tls-cert=/c/../a.pem"}, []string{"TLSCert:/c/../a.pem", "TLSKey:/b.pem"}},
		{"variables that are empty", []string{"BECKON_TLS_CERT=", "BECKON_TLS_KEY="}, nil, []string{"TLSCert: ", "TLSKey: "}},
		{"a leaf", nil, []string{"--leaf=nats-leaf://a:1", "--leaf=nats-leaf://b:2"}, []string{"NATS: ", "Leaf:[nats-leaf://a:1 nats-leaf://b:2]"}},
		{"a leaf by the environment", []string{"BECKON_LEAF=nats-leaf://a:1"}, nil, []string{"Leaf:[nats-leaf://a:1]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := runAsMain(t, test.env, test.args)
			if code != 0 || stderr != "" {
				t.Errorf("exit %d: %s", code, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q in %s", want, stdout)
				}
			}
		})
	}
}

// A bad value is one line that names it, and exit code 2.
func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		env, args []string
		want      string
	}{
		{"an unknown flag", nil, []string{"--port=1"}, "--port"},
		{"an argument", nil, []string{"start"}, "start"},
		{"a listen address without a host", nil, []string{"--listen=:9000"}, "--listen"},
		{"a listen address without a port", []string{"BECKON_LISTEN=localhost"}, nil, "BECKON_LISTEN"},
		{"no number", nil, []string{"--max-sessions=many"}, "--max-sessions"},
		{"a bound", []string{"BECKON_MAX_SESSIONS=0"}, nil, "--max-sessions"},
		{"a duration without a unit", nil, []string{"--drain=5"}, "--drain"},
		{"too long a drain", nil, []string{"--drain=8s"}, "--drain"},
		{"a bad name", nil, []string{"--name=a b"}, "--name"},
		{"a key without its certificate", []string{"BECKON_TLS_KEY=/b.pem"}, nil, "--tls-key"},
		{"an origin with a path", nil, []string{"--origins=https://a.example/x"}, "--origins"},
		{"a wildcard in an origin", []string{"BECKON_ORIGINS=https://*.example"}, nil, "--origins"},
		{"turn without credentials", nil, []string{"--ice-servers=turn:a"}, "--ice-servers"},
		{"ICE servers that are no JSON", nil, []string{`--ice-servers=[{"urls":`}, "--ice-servers"},
		{"NATS of another scheme", nil, []string{"--nats=http://a"}, "--nats"},
		{"a hub of another scheme", nil, []string{"--leaf=http://a"}, "--leaf"},
		{"NATS and a leaf", nil, []string{"--nats=nats://a", "--leaf=nats-leaf://b"}, "--nats and --leaf"},
		{"NATS and a leaf, one by the environment", []string{"BECKON_NATS=nats://a"}, []string{"--leaf=nats-leaf://b"}, "--nats and --leaf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := runAsMain(t, test.env, test.args)
			if code != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit %d, %q, %q", code, stdout, stderr)
			}
		})
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	for _, args := range [][]string{
		{"--ice-servers=turn:user:s3cret@turn.example"},
		{`--ice-servers=[{"urls":"turn:a","credential":"s3cret"}]`},
		{"--nats=http://user:s3cret@hub"},
		{"--leaf=http://user:s3cret@hub"},
	} {
		if code, _, stderr := runAsMain(t, nil, args); code != 2 || strings.Contains(stderr, "s3cret") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	}
}
