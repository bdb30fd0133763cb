package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"beckon/gateway/frames"
	"beckon/gateway/session"
	"beckon/gateway/socketio/sio"
	"beckon/shared/wire"
)

// read takes an event. Waiting here leaves the client's next ones unread. An error ends the connection: the event was no
// JSON.
func (c *conn) read(e *sio.Event) error {
	if !c.settle() {
		return nil
	}
	kind, known := wire.ParseKind(e.Name)
	if now := time.Now(); !c.frames.AllowN(now, 1) || !c.bytes.AllowN(now, len(e.Data)) {
		c.refuse(kind, e.Ack, &refusal{codeRateLimited, "more events or bytes than allowed"})
		return nil
	}
	var bad *refusal
	switch {
	case len(e.Attachments) > 0: // and so its JSON has been read
		bad = &refusal{codeBinary, "events have no binary attachments here"}
	case len(e.Data) > wire.MaxFrame:
		bad = &refusal{codeBadFrame, fmt.Sprintf("an event of more than %d bytes", wire.MaxFrame)}
	case !known:
		bad = &refusal{codeUnknown, "unknown event"}
	default:
		req, err := readRequest(e.Data, kind)
		var field *wire.FieldError
		switch {
		case err == nil:
			c.pass(kind, &req, e.Ack)
			return nil
		case errors.As(err, &field) && field.Field == "to":
			c.tell(kind, e.Ack, wire.Offline) // nobody is addressed, which is no error to these clients
			return nil
		case errors.As(err, &field):
			c.refuse(kind, e.Ack, &refusal{codeBadField, field.Error()})
			return nil
		}
		bad = &refusal{codeBadFrame, err.Error()}
	}
	if !json.Valid(e.Data) {
		return sio.ErrMalformed
	}
	c.refuse(kind, e.Ack, bad)
	return nil
}

// settle waits until the session has been welcomed, and reports false if the connection is over.
func (c *conn) settle() bool {
	s := c.session.Load()
	if c.closing.Load() || s == nil {
		return false
	}
	select {
	case <-s.Ready():
	case <-c.socket.Ended(): // the hub ends what it cannot welcome in seconds
	}
	return !c.closing.Load()
}

// readRequest reads an event, [name, payload, ...], in one strict pass. Errors are those of [wire.ReadRequest]; without an
// object for a payload nobody is addressed.
func readRequest(event []byte, kind wire.Kind) (req wire.Request, err error) {
	r := wire.NewReader(event)
	defer r.Free()
	fault := error(&wire.FieldError{Field: "to", Want: "a user id"})
	err = r.Array(func(i int) error {
		if i != 1 || !r.AtObject() {
			_, err := r.Value()
			return err
		}
		fault = nil
		var err error
		req, err = wire.ReadRequest(r, kind)
		if field := (*wire.FieldError)(nil); errors.As(err, &field) {
			fault = field
			return nil
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err == nil {
		err = fault
	}
	return req, err
}

// pass passes a signal on, and tells the client its outcome.
func (c *conn) pass(kind wire.Kind, req *wire.Request, ack sio.Ack) {
	c.inFlight <- struct{}{} // not for long: every signal has an outcome within about a second
	c.door.o.Hub.Send(c.session.Load(), req, func(o wire.Outcome) {
		c.tell(kind, ack, o)
		<-c.inFlight
	})
}

// tell tells the client the outcome of its signal, if it wants that. A caller whose offer has certainly reached nobody is
// refused besides: that ends the ringing in clients that know of no outcomes.
func (c *conn) tell(kind wire.Kind, ack sio.Ack, o wire.Outcome) {
	if ack.Wanted() {
		ack.Send(outcomes[o])
	}
	if kind == wire.Offer && !o.Positive() && o != wire.Unknown {
		c.send(true, frames.Text(refuseEvent))
	}
}

// refuse tells the client that its event was not accepted, if it wants that; of an offer in any case.
func (c *conn) refuse(kind wire.Kind, ack sio.Ack, r *refusal) {
	c.door.o.Metrics.Refused(r.code)
	c.door.log.Debug("event refused", "session", c.session.Load().ID, "code", r.code)
	if ack.Wanted() {
		ack.Send(encodeError(r))
	}
	if kind == wire.Offer {
		c.send(true, frames.Text(refuseEvent))
	}
	if r.code != codeUnknown && !c.bad.Allow() { // an application may have events of its own
		c.Close(session.TooManyBad)
	}
}
