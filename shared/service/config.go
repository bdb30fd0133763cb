package service

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"

	"github.com/alecthomas/kong"
)

// Config is what every service is told. A service embeds it and says where its ops listener is unless told otherwise:
//
//	type Config struct {
//		service.Config `embed:"" set:"ops=127.0.0.1:9100"`
//		...
//	}
type Config struct {
	LogLevel  string           `help:"Least level to log: ${enum}." enum:"debug,info,warn,error" default:"info"`
	LogFormat string           `help:"Format of log lines: ${enum}." enum:"text,json" default:"text"`
	Ops       Address          `help:"Address of the listener for /healthz, /readyz, /metrics and /debug/pprof/; empty for none." default:"${ops}"`
	Probe     bool             `help:"Instead of running, ask the service whose ops listener is at --ops whether it is ready: exit code 0 if so, else 1, and what is missing on standard error." env:"-"`
	Version   kong.VersionFlag `help:"Print the version and exit." env:"-"`

	// Log is what the service logs to. Main makes it from the flags; who runs a service without Main sets it.
	Log *slog.Logger `kong:"-"`
}

func (c *Config) base() *Config { return c }

func (c *Config) newLogger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // the flag's enum lets nothing else in
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// Address is host:port to listen on, port 0 for a free one. A flag of this type takes no other value, apart from the empty
// one. The host must be given: what listens on every interface shall have been told so.
type Address string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = ""
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		var detail *net.AddrError
		if errors.As(err, &detail) {
			return fmt.Errorf("%q is not host:port: %s", text, detail.Err)
		}
		return fmt.Errorf("%q is not host:port: %w", text, err)
	}
	if host == "" {
		return fmt.Errorf("%q has no host (0.0.0.0 or [::] stands for every interface)", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: port %q is not between 0 and 65535", text, port)
	}
	*a = Address(text)
	return nil
}
