package ws

import (
	"encoding/json"
	"fmt"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// A page of a list has pageDefault users if the client does not say how many, and pageMost at most: 130 KiB when every id
// is as long as it may be and nothing but quotes.
const pageDefault, pageMost = 100, 500

// readQuery reads the data of a list frame, {prefix?, after?, limit?}; nil for none. data is valid JSON.
func readQuery(data []byte) (roster.Query, *refusal) {
	q := roster.Query{Limit: pageDefault}
	if data == nil {
		return q, nil
	}
	if data[0] != '{' {
		return q, &refusal{codeBadField, "data must be an object"}
	}
	var bad *refusal
	fault := func(format string, args ...any) {
		if bad == nil {
			bad = &refusal{codeBadField, fmt.Sprintf(format, args...)}
		}
	}
	text := func(name string, v []byte, into *string) {
		if !wire.FitsText(v, wire.MaxUserID) || json.Unmarshal(v, into) != nil {
			fault("%s must be a string of at most %d bytes", name, wire.MaxUserID)
		}
	}
	r := wire.NewReader(data)
	defer r.Free()
	err := r.Object(func(name []byte) error {
		v, err := r.Value()
		if err != nil {
			return err
		}
		if v[0] == 'n' { // null, as if it were not there
			return nil
		}
		switch string(name) {
		case "prefix":
			text("prefix", v, &q.Prefix)
		case "after":
			text("after", v, &q.After)
		case "limit":
			if err := json.Unmarshal(v, &q.Limit); err != nil || q.Limit < 1 || q.Limit > pageMost {
				fault("limit must be a whole number from 1 to %d", pageMost)
			}
		}
		return nil
	})
	if err != nil {
		return q, &refusal{codeBadFrame, err.Error()}
	}
	return q, bad
}
