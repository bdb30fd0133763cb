package wire

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// ErrVersion is the error of a message whose version is newer than [Version], or missing.
var ErrVersion = errors.New("message of another version of the contract")

// Header stands first in every message. [Encode] writes it.
type Header struct {
	V int `json:"v"`
}

func (h *Header) header() *Header { return h }

func (h *Header) checkVersion() error {
	if h.V < 1 || h.V > Version {
		return fmt.Errorf("%w: %d, this side speaks %d", ErrVersion, h.V, Version)
	}
	return nil
}

// Encodable is a pointer to a message that travels as a plain struct: all but [Signal].
type Encodable interface {
	header() *Header
	check() error
}

// Encode gives the JSON of a message, version and all. It fails only for strings that are not valid UTF-8, which no
// checked name or user id is.
func Encode(m Encodable) ([]byte, error) {
	m.header().V = Version
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return b, nil
}

// Decode reads data into m, which must be empty. It takes strict JSON (RFC 8259 in UTF-8, no duplicate names, names
// matched exactly), ignores unknown members, and checks every name, user id and room. A newer version gives
// [ErrVersion].
func Decode(data []byte, m Encodable) error {
	err := json.Unmarshal(data, m)
	if h := m.header(); err == nil || h.V > Version { // the version stands first; what follows may be unknown here
		err = h.checkVersion()
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return fmt.Errorf("decode %T: %w", m, err)
	}
	return nil
}
