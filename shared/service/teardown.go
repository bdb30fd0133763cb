package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// grace is for a step that ends because its context did.
const grace = 250 * time.Millisecond

// Teardown undoes what Run has built: each step is added where the thing is made, and the last one made goes first. It
// belongs to one goroutine.
type Teardown struct {
	log   *slog.Logger
	steps []step
}

type step struct {
	name  string
	limit time.Duration
	undo  func(context.Context) error
}

// NewTeardown makes a teardown without steps.
func NewTeardown(log *slog.Logger) *Teardown {
	return &Teardown{log: log.With("component", "teardown")}
}

// Add adds a step. Its context ends after limit; a step that does not heed it is left behind, and is an error.
func (t *Teardown) Add(name string, limit time.Duration, undo func(context.Context) error) {
	t.steps = append(t.steps, step{name, limit, undo})
}

// Run runs the steps, whatever fails, and returns all errors. A second Run has nothing to do.
func (t *Teardown) Run(ctx context.Context) error {
	var errs []error
	for _, s := range slices.Backward(t.steps) {
		start := time.Now()
		err := s.run(ctx)
		if err != nil {
			err = fmt.Errorf("end %s: %w", s.name, err)
			t.log.Warn("step failed", "step", s.name, "took", time.Since(start), "err", err)
			errs = append(errs, err)
			continue
		}
		t.log.Debug("step done", "step", s.name, "took", time.Since(start))
	}
	t.steps = nil
	return errors.Join(errs...)
}

func (s step) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	result := make(chan error, 1) // filled once; has room so that a step left behind can end
	go func() { result <- s.undo(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case err := <-result:
		return err
	case <-late.C:
		return fmt.Errorf("left behind: %w", ctx.Err())
	}
}
