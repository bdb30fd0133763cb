package service

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTeardownLastInFirstOut(t *testing.T) {
	var order []string
	td := NewTeardown(discard())
	for _, name := range []string{"nats", "bus", "listener"} {
		td.Add(name, time.Second, func(context.Context) error {
			order = append(order, name)
			return nil
		})
	}
	if err := td.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if want := []string{"listener", "bus", "nats"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if err := td.Run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second run did something: %v, %v", order, err)
	}
}

func TestTeardownGoesOnAfterErrors(t *testing.T) {
	first, last := errors.New("first"), errors.New("last")
	var between bool
	td := NewTeardown(discard())
	td.Add("a", time.Second, func(context.Context) error { return first })
	td.Add("b", time.Second, func(context.Context) error { between = true; return nil })
	td.Add("c", time.Second, func(context.Context) error { return last })
	err := td.Run(t.Context())
	if !errors.Is(err, first) || !errors.Is(err, last) || !between {
		t.Errorf("got %v, between ran: %v", err, between)
	}
	if want := "end c: last\nend a: first"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestTeardownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var order []string
		td := NewTeardown(discard())
		td.Add("after both", time.Second, func(context.Context) error {
			order = append(order, "after both")
			return nil
		})
		td.Add("heeds its limit", 3*time.Second, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, "heeds its limit")
			return ctx.Err()
		})
		td.Add("stuck", 2*time.Second, func(context.Context) error {
			<-stuck
			return nil
		})
		start := time.Now()
		err := td.Run(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if took, want := time.Since(start), 5*time.Second+grace; took != want {
			t.Errorf("took %s, want %s", took, want)
		}
		if want := []string{"heeds its limit", "after both"}; !slices.Equal(order, want) {
			t.Errorf("ran %v, want %v", order, want)
		}
		close(stuck)
	})
}

func TestTeardownWithinItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		td := NewTeardown(discard())
		for _, name := range []string{"a", "b", "c"} {
			td.Add(name, time.Minute, func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := td.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s, want %s", took, time.Second)
		}
	})
}
