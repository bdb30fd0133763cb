package embednats

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

const component = "nats"

// logger is a nats-server's logger on slog. It never ends the process.
type logger struct {
	log *slog.Logger
	// fatal gets the first reason why the server cannot run, from Fatalf; room for one, later ones are only logged.
	fatal chan string
	// started is false while the server introduces itself in a dozen notices.
	started atomic.Bool
}

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log.With("component", component), fatal: make(chan string, 1)}
}

func (l *logger) debug() bool { return l.log.Enabled(context.Background(), slog.LevelDebug) }

func (l *logger) print(level slog.Level, format string, v []any) {
	if ctx := context.Background(); l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

func (l *logger) Noticef(format string, v ...any) {
	level := slog.LevelInfo
	if !l.started.Load() {
		level = slog.LevelDebug
	}
	l.print(level, format, v)
}

func (l *logger) Fatalf(format string, v ...any) {
	l.print(slog.LevelError, format, v)
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

func (l *logger) Warnf(format string, v ...any)  { l.print(slog.LevelWarn, format, v) }
func (l *logger) Errorf(format string, v ...any) { l.print(slog.LevelError, format, v) }
func (l *logger) Debugf(format string, v ...any) { l.print(slog.LevelDebug, format, v) }

// Tracef does nothing: traces show payloads.
func (l *logger) Tracef(string, ...any) {}
