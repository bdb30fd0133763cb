package load

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// PresenceReport is what [Presence.Run] measured.
type PresenceReport struct {
	Users          int     `json:"users"`
	Gateways       int     `json:"gateways"`
	FillSeconds    float64 `json:"fill_seconds"` // until the view had everybody, all of whom came at once
	Memory         Memory  `json:"memory_per_user"`
	Rate           int     `json:"logins_per_second"` // and as many logouts
	Seconds        float64 `json:"seconds"`           // for which users came and went
	CPU            []Spent `json:"cpu"`               // in that time
	PresenceCPU    float64 `json:"presence_cpu"`      // of the replica, in processors
	RebuildSeconds float64 `json:"rebuild_seconds"`   // from the start after kill -9 until it answers, and its view is complete
	// Others is what share of the machine's processors others used. What is measured beside much else is worth little.
	Others float64 `json:"others"`
}

// The goals of a replica, for the users, gateways and rate that are the defaults.
const (
	GoalUserBytes  = 1500 // resident, for each user
	GoalReplicaCPU = 0.25 // processors
	GoalRebuild    = 2.0  // seconds
)

// Judge says which goals were missed; nil if none was.
func (r *PresenceReport) Judge() error {
	var errs []error
	if r.Memory.Resident > GoalUserBytes {
		errs = append(errs, fmt.Errorf("a user takes %.0f bytes, more than %d", r.Memory.Resident, GoalUserBytes))
	}
	if r.PresenceCPU > GoalReplicaCPU {
		errs = append(errs, fmt.Errorf("%d logins a second take %.0f%% of a processor, more than %.0f%%", r.Rate, 100*r.PresenceCPU, 100*GoalReplicaCPU))
	}
	if r.RebuildSeconds > GoalRebuild {
		errs = append(errs, fmt.Errorf("the view was whole again after %.2f s, more than %g", r.RebuildSeconds, GoalRebuild))
	}
	return errors.Join(errs...)
}

// Write writes the report for people.
func (r *PresenceReport) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "a replica of presence with %d users on %d gateways\n", r.Users, r.Gateways)
	fmt.Fprintf(&b, "  all came at once, and were in its view after %.2f s\n", r.FillSeconds)
	fmt.Fprintf(&b, "  memory for each user: %s\n", r.Memory)
	fmt.Fprintf(&b, "  at %d logins and as many logouts a second: %.1f%% of a processor\n", r.Rate, 100*r.PresenceCPU)
	fmt.Fprintf(&b, "  CPU seconds in %.1f s:", r.Seconds)
	for _, c := range r.CPU {
		fmt.Fprintf(&b, " %s %.2f,", c.Process, c.Seconds)
	}
	fmt.Fprintf(&b, " others %.0f%% of the machine\n", 100*r.Others)
	fmt.Fprintf(&b, "  killed and started again: it answers, and knows everybody, after %.2f s\n", r.RebuildSeconds)
	_, err := io.WriteString(w, b.String())
	return err
}
