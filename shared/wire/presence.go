package wire

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// MaxMessage is NATS' max_payload on every server of a Beckon system, in bytes.
const MaxMessage = 128 << 10

// Login is one session of a user, as its gateway announces it.
type Login struct {
	Session string `json:"session"` // a name, unique in the whole system
	User    string `json:"user"`
	Room    string `json:"room"`
	Since   int64  `json:"since"` // wall time of the login, Unix milliseconds; only orders lists
}

// Hash is 64 bits over all of the login. The XOR of the hashes of a set of logins is the set's [Digest].
func (l Login) Hash() uint64 {
	var stack [3*MaxUserID + 16]byte
	b := stack[:0]
	for _, s := range [...]string{l.Session, l.User, l.Room} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return xxhash.Sum64(binary.BigEndian.AppendUint64(b, uint64(l.Since)))
}

// check holds what every reader relies on, so that one bad announcer cannot put a bad name into a list.
func (l Login) check() error {
	if err := checkNames("session", l.Session); err != nil {
		return err
	}
	if err := CheckUserID(l.User); err != nil {
		return fmt.Errorf("session %s: %w", l.Session, err)
	}
	if err := CheckRoom(l.Room); err != nil {
		return fmt.Errorf("session %s: %w", l.Session, err)
	}
	return nil
}

// Digest is the XOR of the hashes of a set of logins: the same for the same set in any order, updated in O(1) by
// XORing a login's hash in or out. It travels as 16 hexadecimal digits, because JSON numbers lose bits above 2^53.
type Digest uint64

// MarshalText gives 16 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(d)), nil }

// UnmarshalText takes 16 hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != 16 {
		return fmt.Errorf("digest of %d characters, want 16", len(b))
	}
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	*d = Digest(n)
	return nil
}

// Announcement tells every replica who came to and who left a gateway since the announcement before, which had Seq-1.
// A session that came and went between two announcements stands in neither list. Left, then Joined apply.
type Announcement struct {
	Header
	Incarnation string   `json:"incarnation"` // new at every start of the gateway
	Seq         uint64   `json:"seq"`         // 1 for the first announcement of an incarnation
	Joined      []Login  `json:"joined,omitempty"`
	Left        []string `json:"left,omitempty"` // sessions
}

// Beat repeats a gateway's state in short. Seq is the last announcement's, 0 before the first.
type Beat struct {
	Header
	Incarnation string `json:"incarnation"`
	Seq         uint64 `json:"seq"`
	Count       int    `json:"count"`
	Digest      Digest `json:"digest"`
	Stopping    bool   `json:"stopping,omitzero"` // the last beat: this incarnation has ended, its sessions are gone
}

// GatewayRequest is what a replica asks of a gateway: its snapshot, or with Probe a beat at once. Both mean: are you there?
type GatewayRequest struct {
	Header
	Probe bool `json:"probe,omitzero"`
}

// GatewaySnapshot is one chunk of all that a gateway holds as of Seq. The chunks of one snapshot share ID; Chunk counts
// from 0 to Chunks-1.
type GatewaySnapshot struct {
	Header
	ID          string  `json:"id"`
	Incarnation string  `json:"incarnation"`
	Seq         uint64  `json:"seq"`
	Chunk       int     `json:"chunk"`
	Chunks      int     `json:"chunks"`
	Logins      []Login `json:"logins"`
}

// Entry is a login and the gateway that holds it.
type Entry struct {
	Gateway string `json:"gateway"`
	Login
}

func (e Entry) check() error {
	if err := checkNames("gateway", e.Gateway); err != nil {
		return err
	}
	return e.Login.check()
}

// Ref names one session on one gateway.
type Ref struct {
	Gateway string `json:"gateway"`
	Session string `json:"session"`
}

func (r Ref) check() error {
	return cmp.Or(checkNames("gateway", r.Gateway), checkNames("session", r.Session))
}

// Delta changes a view from Version-1 to Version. Gone, then Left, then Joined apply: a gateway in Gone has lost all
// its sessions.
type Delta struct {
	Header
	View    string   `json:"view"` // new at every start of the replica
	Version uint64   `json:"version"`
	Gone    []string `json:"gone,omitempty"`
	Left    []Ref    `json:"left,omitempty"`
	Joined  []Entry  `json:"joined,omitempty"`
}

// ViewBeat repeats a view's state in short.
type ViewBeat struct {
	Header
	View     string `json:"view"`
	Version  uint64 `json:"version"`
	Complete bool   `json:"complete"` // every known gateway has been heard whole; an incomplete view is not followed
	Count    int    `json:"count"`
	Digest   Digest `json:"digest"`
	Stopping bool   `json:"stopping,omitzero"` // the last beat of this replica
}

// ViewSnapshot is one chunk of a whole view as of Version. Chunks as in [GatewaySnapshot].
type ViewSnapshot struct {
	Header
	ID      string  `json:"id"`
	View    string  `json:"view"`
	Version uint64  `json:"version"`
	Chunk   int     `json:"chunk"`
	Chunks  int     `json:"chunks"`
	Entries []Entry `json:"entries"`
}

func (m *Announcement) check() error {
	return cmp.Or(
		checkNames("incarnation", m.Incarnation),
		checkAll(m.Joined),
		checkNames("session", m.Left...),
	)
}

func (m *GatewayRequest) check() error { return nil }

func (m *Beat) check() error { return checkNames("incarnation", m.Incarnation) }

func (m *GatewaySnapshot) check() error {
	return cmp.Or(
		checkNames("snapshot", m.ID),
		checkNames("incarnation", m.Incarnation),
		checkChunk(m.Chunk, m.Chunks),
		checkAll(m.Logins),
	)
}

func (m *Delta) check() error {
	return cmp.Or(
		checkNames("view", m.View),
		checkNames("gateway", m.Gone...),
		checkAll(m.Left),
		checkAll(m.Joined),
	)
}

func (m *ViewBeat) check() error { return checkNames("view", m.View) }

func (m *ViewSnapshot) check() error {
	return cmp.Or(
		checkNames("snapshot", m.ID),
		checkNames("view", m.View),
		checkChunk(m.Chunk, m.Chunks),
		checkAll(m.Entries),
	)
}

// checkNames quotes no more of a bad name than a good one could hold: it may be as long as the message.
func checkNames(what string, names ...string) error {
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("%s %.*q: %w", what, MaxName, name, err)
		}
	}
	return nil
}

func checkChunk(chunk, chunks int) error {
	if chunk < 0 || chunk >= chunks {
		return fmt.Errorf("chunk %d of %d", chunk, chunks)
	}
	return nil
}

func checkAll[T interface{ check() error }](all []T) error {
	for _, one := range all {
		if err := one.check(); err != nil {
			return err
		}
	}
	return nil
}
