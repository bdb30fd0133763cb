// Package service is what each main needs around its Run function: flags and environment, signals, logs, the ops
// listener, and a teardown in order. It knows the operating system so that nothing else has to.
//
//	func main() { os.Exit(service.Main("gateway", "Carries ...", gateway.Run)) }
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes of [Main]. A second signal ends with 128 and the signal's number, as a shell would say.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Version is what --version prints. A build sets it with -ldflags "-X beckon/shared/service.Version=...".
var Version = ""

// configOf is a pointer to a struct that embeds [Config].
type configOf[C any] interface {
	*C
	base() *Config
}

// Main is a whole main function but for os.Exit, which takes its result. It fills a C, a struct with kong tags that embeds
// [Config], from the flags and from the environment (the flag --log-level is BECKON_LOG_LEVEL there), then calls run,
// whose context ends with the first SIGINT or SIGTERM. The second one ends Main at once.
//
// With --probe it does not call run, but asks the service that runs already whether it is ready: for container health
// checks in images that have no shell and no HTTP client.
//
// It returns 0 when run returned nil, also after a signal; 1 when run failed, which it logs, or when the service asked is
// not ready; 2 with one line on standard error when a flag or variable is wrong.
func Main[C any, P configOf[C]](name, description string, run func(context.Context, C) error) int {
	signals := make(chan os.Signal, 2) // filled by the runtime; two are all that matter, it drops further ones
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	code := exitFailed
	withHeapFloor(func() {
		code = runMain[C, P](process{os.Args[1:], os.Stdout, os.Stderr, signals}, name, description, run)
	})
	return code
}

// process is what the operating system gives to a main, apart from the environment.
type process struct {
	args           []string
	stdout, stderr io.Writer
	signals        <-chan os.Signal
}

func runMain[C any, P configOf[C]](p process, name, description string, run func(context.Context, C) error) int {
	var cfg C
	done, err := parse(p, name, description, &cfg)
	if err != nil {
		fmt.Fprintf(p.stderr, "%s: %s (%s --help explains)\n", name, oneLine(err), name)
		return exitUsage
	}
	if done {
		return exitOK
	}
	base := P(&cfg).base()
	if base.Probe {
		if err := probe(context.Background(), base.Ops); err != nil {
			fmt.Fprintf(p.stderr, "%s: %s\n", name, oneLine(err))
			return exitFailed
		}
		return exitOK
	}
	base.Log = base.newLogger(p.stderr)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1) // filled once, by run; has room so that run can end unheard after a second signal
	go func() { result <- run(ctx, cfg) }()

	for signalled := false; ; {
		select {
		case err := <-result:
			// Cut short on request is not a failure.
			if err == nil || signalled && errors.Is(err, context.Canceled) {
				return exitOK
			}
			base.Log.Error(name+" failed", "err", err)
			return exitFailed
		case sig := <-p.signals:
			if signalled {
				base.Log.Error("second signal, leaving at once", "signal", sig)
				return 128 + number(sig)
			}
			signalled = true
			base.Log.Info("signal, shutting down", "signal", sig)
			cancel()
		}
	}
}

// envValue is how kong quotes a variable that is wrong. It may hold a secret, such as the credential of a TURN server, so
// only its name is told.
var envValue = regexp.MustCompile(`(?s)\(from envar ([A-Z0-9_]+)=.*\)`)

// parse fills cfg. done says that all has been said: --help and --version.
func parse(p process, name, description string, cfg any) (done bool, err error) {
	k, err := kong.New(cfg,
		kong.Name(name),
		kong.Description(description),
		kong.DefaultEnvars("BECKON"),
		kong.NamedMapper("path", kong.MapperFunc(decodePath)),
		kong.Vars{"version": name + " " + version()},
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { done = true }),
	)
	if err != nil {
		return false, fmt.Errorf("read the definition of the flags: %w", err)
	}
	// kong goes on after Exit returned; what it finds wrong then does not matter.
	if _, err := k.Parse(p.args); err != nil && !done {
		return false, errors.New(envValue.ReplaceAllString(err.Error(), "(from $$${1})"))
	}
	return done, nil
}

// decodePath reads a flag of type path. Unlike kong's own it lets a variable that is set to nothing be nothing, not the
// working directory: compose files have such.
func decodePath(ctx *kong.DecodeContext, target reflect.Value) error {
	var path string
	if err := ctx.Scan.PopValueInto("file", &path); err != nil {
		return err
	}
	if path != "" {
		path = kong.ExpandPath(path)
	}
	target.SetString(path)
	return nil
}

// SetDefaults fills cfg, a pointer to a struct with kong tags, with the defaults of its flags, for programs that run a
// service without a command line. It does not look at the environment.
func SetDefaults(cfg any) error {
	if err := kong.ApplyDefaults(cfg); err != nil {
		return fmt.Errorf("apply the defaults of the flags: %w", err)
	}
	return nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func version() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func number(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok {
		return int(s)
	}
	return 0
}
