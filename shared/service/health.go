package service

import (
	"errors"
	"sync"
)

// Health is what a service knows about itself, as named checks of three kinds. A check returns nil when all is well, else
// an error whose text tells an operator what is wrong. It is called for each probe, from any goroutine: it must look, not
// try, and return at once.
type Health struct {
	mu       sync.Mutex
	checks   []check
	draining bool
}

type check struct {
	kind kind
	name string
	look func() error
}

type kind int

const (
	vital kind = iota
	required
	optional
)

// Problem is a check that failed.
type Problem struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// Report is the state of a service: the bodies of /healthz and /readyz.
type Report struct {
	Healthy  bool      `json:"healthy"`
	Ready    bool      `json:"ready"`
	Broken   []Problem `json:"broken,omitempty"`   // vital checks that fail
	Missing  []Problem `json:"missing,omitempty"`  // required checks that fail
	Degraded []Problem `json:"degraded,omitempty"` // optional checks that fail
}

// Vital adds a check that fails only when nothing but a new process can help.
func (h *Health) Vital(name string, look func() error) { h.add(check{vital, name, look}) }

// Required adds a check without which the service must not be sent work.
func (h *Health) Required(name string, look func() error) { h.add(check{required, name, look}) }

// Optional adds a check whose failure makes the service worse, but not useless.
func (h *Health) Optional(name string, look func() error) { h.add(check{optional, name, look}) }

// Unless makes a check of a condition: it fails with the text of detail whenever good does not hold.
func Unless(good func() bool, detail string) (look func() error) {
	err := errors.New(detail)
	return func() error {
		if good() {
			return nil
		}
		return err
	}
}

func (h *Health) add(c check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
}

// Drain makes the service not ready for good: it is about to end.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Report runs the checks.
func (h *Health) Report() Report {
	h.mu.Lock()
	checks, draining := h.checks, h.draining // only ever appended to
	h.mu.Unlock()

	var r Report
	for _, c := range checks {
		err := c.look()
		if err == nil {
			continue
		}
		p := Problem{c.name, err.Error()}
		switch c.kind {
		case vital:
			r.Broken = append(r.Broken, p)
		case required:
			r.Missing = append(r.Missing, p)
		case optional:
			r.Degraded = append(r.Degraded, p)
		}
	}
	if draining {
		r.Missing = append(r.Missing, Problem{"draining", "the service is about to end"})
	}
	r.Healthy = len(r.Broken) == 0
	r.Ready = r.Healthy && len(r.Missing) == 0
	return r
}
