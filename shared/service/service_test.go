package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is the deadline of whatever happens at once on an idle machine.
const patience = 20 * time.Second

// testConfig is the configuration of an imagined service.
type testConfig struct {
	Config `embed:"" set:"ops=127.0.0.1:9199"`

	Listen  Address       `help:"Where it listens." default:"127.0.0.1:9099"`
	Drain   time.Duration `help:"How long it drains." default:"5s"`
	Servers []string      `help:"Whom it talks to."`
	Most    int           `help:"How many it takes." default:"10"`
	Key     string        `help:"What lets it in." type:"path"`
}

func (c testConfig) Validate() error {
	if c.Most > 100 {
		return errors.New("--most: at most 100")
	}
	return nil
}

// outcome is what a main left behind.
type outcome struct {
	code           int
	stdout, stderr string
	cfg            *testConfig // what run got; nil if it was not called
}

func runArgs(t *testing.T, args ...string) outcome {
	t.Helper()
	var o outcome
	var stdout, stderr bytes.Buffer
	o.code = runMain(process{args: args, stdout: &stdout, stderr: &stderr}, "imagined", "Does nothing.",
		func(_ context.Context, cfg testConfig) error {
			o.cfg = &cfg
			return nil
		})
	o.stdout, o.stderr = stdout.String(), stderr.String()
	return o
}

func TestDefaults(t *testing.T) {
	o := runArgs(t)
	if o.code != 0 || o.stderr != "" || o.cfg == nil {
		t.Fatalf("exit %d, stderr %q", o.code, o.stderr)
	}
	if o.cfg.Ops != "127.0.0.1:9199" || o.cfg.LogLevel != "info" || o.cfg.LogFormat != "text" || o.cfg.Drain != 5*time.Second {
		t.Errorf("defaults: %+v", *o.cfg)
	}
	var set testConfig
	if err := SetDefaults(&set); err != nil {
		t.Fatal(err)
	}
	if set.Ops != o.cfg.Ops || set.Listen != o.cfg.Listen || set.Drain != o.cfg.Drain || set.LogLevel != o.cfg.LogLevel {
		t.Errorf("without a command line: %+v", set)
	}
}

func TestFlagsAndEnvironmentNameTheSame(t *testing.T) {
	for _, c := range []struct {
		flag, variable, value string
		got                   func(*testConfig) string
	}{
		{"--log-level", "BECKON_LOG_LEVEL", "debug", func(c *testConfig) string { return c.LogLevel }},
		{"--log-format", "BECKON_LOG_FORMAT", "json", func(c *testConfig) string { return c.LogFormat }},
		{"--ops", "BECKON_OPS", "127.0.0.1:1", func(c *testConfig) string { return string(c.Ops) }},
		{"--ops", "BECKON_OPS", "", func(c *testConfig) string { return string(c.Ops) }},
		{"--listen", "BECKON_LISTEN", "[::1]:0", func(c *testConfig) string { return string(c.Listen) }},
		{"--drain", "BECKON_DRAIN", "250ms", func(c *testConfig) string { return c.Drain.String() }},
		{"--key", "BECKON_KEY", "/a/../b.pem", func(c *testConfig) string { return c.Key }},
		{"--key", "BECKON_KEY", "", func(c *testConfig) string { return c.Key }},
		{"--servers", "BECKON_SERVERS", "a,b", func(c *testConfig) string { return strings.Join(c.Servers, ",") }},
	} {
		t.Run(c.flag+"="+c.value, func(t *testing.T) {
			if o := runArgs(t, c.flag+"="+c.value); o.code != 0 || c.got(o.cfg) != c.value {
				t.Errorf("by flag: exit %d, %s", o.code, o.stderr)
			}
			t.Setenv(c.variable, c.value)
			if o := runArgs(t); o.code != 0 || c.got(o.cfg) != c.value {
				t.Errorf("by variable: exit %d, %s", o.code, o.stderr)
			}
		})
	}
	t.Run("a path is absolute", func(t *testing.T) {
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		if o := runArgs(t, "--key=here.pem"); o.cfg.Key != filepath.Join(here, "here.pem") {
			t.Errorf("got %s", o.cfg.Key)
		}
	})
	t.Run("the flag wins", func(t *testing.T) {
		t.Setenv("BECKON_LOG_LEVEL", "warn")
		if o := runArgs(t, "--log-level", "error"); o.cfg.LogLevel != "error" {
			t.Errorf("got %s", o.cfg.LogLevel)
		}
	})
}

func TestBadCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  [2]string
		want string
	}{
		{args: []string{"--nonsense"}, want: "--nonsense"},
		{args: []string{"nonsense"}, want: "nonsense"},
		{args: []string{"--log-level=loud"}, want: "--log-level"},
		{args: []string{"--ops=9100"}, want: "--ops"},
		{args: []string{"--ops=:9100"}, want: "no host"},
		{args: []string{"--ops=127.0.0.1:ops"}, want: "not between 0 and 65535"},
		{args: []string{"--listen=127.0.0.1:70000"}, want: "not between 0 and 65535"},
		{args: []string{"--listen=a:b:c"}, want: "too many colons"},
		{args: []string{"--drain=5"}, want: "--drain"},
		{args: []string{"--most=many\nmore"}, want: "--most"},
		{args: []string{"--most=101"}, want: "at most 100"},
		{args: []string{"--drain"}, want: "--drain"},
		{env: [2]string{"BECKON_DRAIN", "soon"}, want: "BECKON_DRAIN"},
		{env: [2]string{"BECKON_LOG_LEVEL", "loud"}, want: "--log-level"},
	} {
		t.Run(fmt.Sprint(c.args, c.env), func(t *testing.T) {
			if c.env[0] != "" {
				t.Setenv(c.env[0], c.env[1])
			}
			o := runArgs(t, c.args...)
			if o.code != 2 || o.cfg != nil || o.stdout != "" {
				t.Errorf("exit %d, stdout %q, run: %v", o.code, o.stdout, o.cfg != nil)
			}
			if strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stderr, "imagined: ") || !strings.Contains(o.stderr, c.want) {
				t.Errorf("want one line with %q, got %q", c.want, o.stderr)
			}
		})
	}
}

// secret is a flag whose value must not be told, whatever is wrong with it.
type secret string

func (*secret) UnmarshalText([]byte) error { return errors.New("no good") }

func TestBadVariableIsNotQuoted(t *testing.T) {
	t.Setenv("BECKON_SECRET", `{"credential":"hunter)2"}`)
	var cfg struct {
		Secret secret
	}
	_, err := parse(process{}, "imagined", "", &cfg)
	if err == nil || strings.Contains(err.Error(), "hunter") || !strings.HasSuffix(err.Error(), "no good (from $BECKON_SECRET)") {
		t.Errorf("error: %v", err)
	}
}

func TestHelpAndVersion(t *testing.T) {
	o := runArgs(t, "--help")
	if o.code != 0 || o.cfg != nil || o.stderr != "" {
		t.Errorf("exit %d, stderr %q, run: %v", o.code, o.stderr, o.cfg != nil)
	}
	for _, want := range []string{"Does nothing.", "--ops", "$BECKON_OPS", "127.0.0.1:9199", "--drain", "$BECKON_DRAIN", "--probe", "--version"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("help lacks %q:\n%s", want, o.stdout)
		}
	}

	o = runArgs(t, "--version")
	if o.code != 0 || o.cfg != nil || !regexp.MustCompile(`^imagined \S+\n$`).MatchString(o.stdout) {
		t.Errorf("exit %d, stdout %q, run: %v", o.code, o.stdout, o.cfg != nil)
	}
}

func TestRunFails(t *testing.T) {
	var stderr bytes.Buffer
	code := runMain(process{stderr: &stderr}, "imagined", "", func(context.Context, testConfig) error {
		return errors.Join(errors.New("first"), errors.New("second"))
	})
	if code != 1 || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("exit %d, want 1 and one line: %q", code, stderr.String())
	}
}

func TestLog(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, `level=INFO msg=info n=1`},
		{[]string{"--log-format=json"}, `"level":"INFO","msg":"info","n":1}`},
		{[]string{"--log-level=debug"}, `msg=debug`},
		{[]string{"--log-level=warn"}, ``},
	} {
		var stderr bytes.Buffer
		code := runMain(process{args: c.args, stderr: &stderr}, "imagined", "", func(_ context.Context, cfg testConfig) error {
			cfg.Log.Info("info", "n", 1)
			cfg.Log.Debug("debug")
			return nil
		})
		if got := stderr.String(); code != 0 || !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v: exit %d, %q, want %q", c.args, code, got, c.want)
		}
	}
}

func TestFirstSignalEndsContext(t *testing.T) {
	for name, result := range map[string]error{
		"run returns nil":                 nil,
		"run returns the context's error": fmt.Errorf("start: %w", context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			signals := make(chan os.Signal, 1)
			signals <- syscall.SIGTERM
			code := runMain(process{stderr: &bytes.Buffer{}, signals: signals}, "imagined", "",
				func(ctx context.Context, _ testConfig) error {
					select {
					case <-ctx.Done():
						return result
					case <-time.After(patience):
						return errors.New("the context goes on")
					}
				})
			if code != 0 {
				t.Errorf("exit %d", code)
			}
		})
	}
}

func TestErrorAfterSignalIsTold(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	var stderr bytes.Buffer
	code := runMain(process{stderr: &stderr, signals: signals}, "imagined", "", func(ctx context.Context, _ testConfig) error {
		<-ctx.Done()
		return errors.New("could not flush")
	})
	if code != 1 || !strings.Contains(stderr.String(), "could not flush") {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for sig, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		signals := make(chan os.Signal, 2)
		signals <- syscall.SIGTERM
		signals <- sig
		stuck, ended := make(chan struct{}), make(chan struct{})
		code := runMain(process{stderr: &bytes.Buffer{}, signals: signals}, "imagined", "",
			func(context.Context, testConfig) error {
				defer close(ended)
				<-stuck
				return nil
			})
		if code != want {
			t.Errorf("%s: exit %d, want %d", sig, code, want)
		}
		close(stuck)
		<-ended
	}
}

func TestMainTakesSignals(t *testing.T) {
	args := os.Args
	defer func() { os.Args = args }()
	os.Args = []string{"imagined", "--log-level=error"}
	code := Main("imagined", "", func(ctx context.Context, cfg testConfig) error {
		if cfg.LogLevel != "error" {
			return fmt.Errorf("log level %q", cfg.LogLevel)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(patience):
			return errors.New("the context goes on")
		}
	})
	if code != 0 {
		t.Errorf("exit %d", code)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
