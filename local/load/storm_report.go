package load

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// StormReport is what [Storm.Run] measured.
type StormReport struct {
	Concurrency int     `json:"concurrency"` // logins under way at a time
	Storms      []Surge `json:"storms"`
}

// Surge is what was measured in one storm, from the first dial until every client held everybody.
type Surge struct {
	Users           int     `json:"users"`
	Full            bool    `json:"full"` // everybody asked for whole lists
	Seconds         float64 `json:"seconds"`
	LoginSeconds    float64 `json:"login_seconds"` // to the last welcome
	LoginsPerSecond float64 `json:"logins_per_second"`
	Bytes           int64   `json:"bytes"`  // of TCP's payload, received by the clients; all that they were sent
	Frames          int64   `json:"frames"` // of WebSocket
	Lists           int64   `json:"lists"`  // of these, those with a list or a change of it
	CPU             []Spent `json:"cpu"`
	Memory          Memory  `json:"gateway_memory_per_client"`
	// Others is what share of the machine's processors others used. What is measured beside much else is worth little.
	Others float64 `json:"others"`
}

// goal is what a storm may take.
type goal struct {
	seconds float64
	bytes   int64
}

// stormGoals are those of storms in which clients take changes, by the number of users.
var stormGoals = map[int]goal{
	1_000:  {0.5, 15e6},
	10_000: {5, 1.5e9},
}

// comparison is what the same takes elsewhere.
const comparison = "for comparison: the one-file Node server of the tutorials (Socket.IO, whole lists) takes 9.9 s and 7.7 GB for 1,000 users, " +
	"and never finishes 2,000"

// Judge says which goals were missed; nil if none was. Storms of other sizes, and those with whole lists, have no goals.
func (r *StormReport) Judge() error {
	var errs []error
	for _, s := range r.Storms {
		goal, has := stormGoals[s.Users]
		if !has || s.Full {
			continue
		}
		if s.Seconds > goal.seconds {
			errs = append(errs, fmt.Errorf("%d users took %.2f s, more than %g", s.Users, s.Seconds, goal.seconds))
		}
		if s.Bytes > goal.bytes {
			errs = append(errs, fmt.Errorf("%d users took %.1f MB, more than %g", s.Users, float64(s.Bytes)/1e6, float64(goal.bytes)/1e6))
		}
	}
	return errors.Join(errs...)
}

// Write writes the report as a table for people.
func (r *StormReport) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "users log in to one room of one gateway, %d at a time\n", r.Concurrency)
	for _, s := range r.Storms {
		kind := "changes"
		if s.Full {
			kind = "whole lists"
		}
		fmt.Fprintf(&b, "\n%d users, %s\n", s.Users, kind)
		fmt.Fprintf(&b, "  everybody holds all after %.2f s; the last was welcomed after %.2f s, %.0f logins a second\n",
			s.Seconds, s.LoginSeconds, s.LoginsPerSecond)
		fmt.Fprintf(&b, "  %.1f MB in %d frames, %d of them lists and changes\n", float64(s.Bytes)/1e6, s.Frames, s.Lists)
		b.WriteString("  CPU seconds:")
		for _, c := range s.CPU {
			fmt.Fprintf(&b, " %s %.2f,", c.Process, c.Seconds)
		}
		fmt.Fprintf(&b, " others %.0f%% of the machine\n", 100*s.Others)
		fmt.Fprintf(&b, "  memory of the gateway for each client: %s\n", s.Memory)
	}
	fmt.Fprintf(&b, "\n%s\n", comparison)
	_, err := io.WriteString(w, b.String())
	return err
}
