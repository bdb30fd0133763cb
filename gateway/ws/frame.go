package ws

import (
	"errors"
	"fmt"

	"beckon/gateway/roster"
	"beckon/shared/wire"
)

// maxFrameID is the longest id of a frame, in bytes after JSON's escapes are undone.
const maxFrameID = 64

// frame is what a client said: {"event","id"?,"data"?}.
type frame struct {
	id    []byte // a JSON string; nil if the frame had none
	ask   ask    // what the gateway itself is to do; if that is nothing it is a signal:
	req   wire.Request
	query roster.Query // of askList
}

// ask is an event for the gateway itself.
type ask uint8

const (
	askSync ask = iota + 1 // send me the list again
	askPing                // are you there? A page does not see the pings of WebSocket itself
	askList                // who of the list has these ids?
)

func parseAsk(event []byte) ask {
	switch string(event) {
	case "sync":
		return askSync
	case "ping":
		return askPing
	case "list":
		return askList
	}
	return 0
}

// refusal says why a frame was not accepted.
type refusal struct{ code, message string }

// readFrame reads a client's frame in one strict pass. The id is there even if the frame is refused, as far as it could
// be read. What it returns are parts of msg.
func readFrame(msg []byte) (frame, *refusal) {
	var f frame
	var event, data []byte // data only where it stood before the event
	var kind wire.Kind
	var bad *refusal
	r := wire.NewReader(msg)
	defer r.Free()
	err := r.Object(func(name []byte) error {
		if string(name) == "data" && kind != 0 {
			var err error
			f.req, err = wire.ReadRequest(r, kind)
			data = msg // has been read
			return fieldFault(err, &bad)
		}
		v, err := r.Value()
		if err != nil {
			return err
		}
		switch string(name) {
		case "event":
			if v[0] == '"' {
				event = v[1 : len(v)-1]
				kind, _ = wire.ParseKind(event)
			}
		case "id":
			if !wire.FitsText(v, maxFrameID) {
				bad = &refusal{codeBadFrame, fmt.Sprintf("id must be a string of at most %d bytes", maxFrameID)}
				return nil
			}
			f.id = v
		case "data":
			data = v
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return f, &refusal{codeBadFrame, err.Error()}
	case bad != nil:
		return f, bad
	case event == nil:
		return f, &refusal{codeBadFrame, "event must be a string"}
	case kind == 0:
		switch f.ask = parseAsk(event); f.ask {
		case 0:
			return f, &refusal{codeUnknown, "unknown event"}
		case askList:
			f.query, bad = readQuery(data)
		}
		return f, bad
	case data == nil:
		return f, &refusal{codeBadField, "data must be an object"}
	case f.req.Kind == 0:
		return readLate(f, kind, data)
	}
	return f, nil
}

// readLate reads data that stood before its event, so that its rules were not known yet.
func readLate(f frame, kind wire.Kind, data []byte) (frame, *refusal) {
	var bad *refusal
	r := wire.NewReader(data)
	defer r.Free()
	var err error
	f.req, err = wire.ReadRequest(r, kind)
	if err := fieldFault(err, &bad); err != nil {
		return f, &refusal{codeBadFrame, err.Error()}
	}
	return f, bad
}

// fieldFault keeps the first fault that concerns one member, after which reading can go on, and passes others through.
func fieldFault(err error, bad **refusal) error {
	if err == nil {
		return nil // before field, which errors.As moves to the heap
	}
	var field *wire.FieldError
	if !errors.As(err, &field) {
		return err
	}
	if *bad == nil {
		*bad = &refusal{codeBadField, field.Error()}
	}
	return nil
}
