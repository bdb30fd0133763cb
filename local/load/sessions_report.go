package load

import (
	"fmt"
	"io"
	"strings"
)

// SessionsReport is what [Sessions.Run] measured.
type SessionsReport struct {
	Sessions int         `json:"sessions"` // of each kind
	Messages int         `json:"messages"` // sent, and received, by each before it was busy
	Ways     []Footprint `json:"ways"`
}

// Footprint is what one session takes of the server's memory.
type Footprint struct {
	Way  string `json:"way"`
	Idle Memory `json:"idle"`
	Busy Memory `json:"busy"` // right after its messages
}

// Write writes the report as a table for people.
func (r *SessionsReport) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d sessions of each kind; KB by which the server's memory has grown for each: by the kernel's account, which has\n"+
		"garbage that was not given back, and live, after a collection; idle, and right after each sent and received %d messages\n\n",
		r.Sessions, r.Messages)
	fmt.Fprintf(&b, "  %-34s %13s %9s %13s %9s\n", "", "idle resident", "live", "busy resident", "live")
	for _, f := range r.Ways {
		fmt.Fprintf(&b, "  %-34s %13.1f %9.1f %13.1f %9.1f\n", f.Way,
			f.Idle.Resident/1e3, f.Idle.Live/1e3, f.Busy.Resident/1e3, f.Busy.Live/1e3)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
