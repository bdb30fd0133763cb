package ws

import (
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"beckon/gateway/frames"
	"beckon/gateway/session"
	"beckon/shared/wire"
)

// A client may send badBurst frames that are refused, and badRate more each second, before it is sent away.
const (
	badRate  = rate.Limit(4)
	badBurst = 64
)

// Text implements frames.Owner.
func (c *conn) Text(msg []byte) {
	if !c.settle() {
		return
	}
	if now := time.Now(); !c.frames.AllowN(now, 1) || !c.bytes.AllowN(now, len(msg)) {
		// Read all the same, to name the frame that is refused.
		f, _ := readFrame(msg)
		c.refuse(f.id, &refusal{codeRateLimited, "more frames or bytes than allowed"})
		return
	}
	if !utf8.Valid(msg) { // RFC 6455, section 8.1: fail the connection
		c.refuse(nil, &refusal{codeBadUTF8, "not UTF-8"})
		c.Close(session.BadData)
		return
	}
	f, bad := readFrame(msg)
	switch {
	case bad != nil:
		c.refuse(f.id, bad)
	case f.ask != 0:
		c.obey(&f)
	default:
		c.send(&f)
	}
}

// settle waits until the session has been welcomed and the client has read enough of what it is owed. It reports false
// if the connection is over.
func (c *conn) settle() bool {
	s := c.session.Load()
	if c.closing.Load() || s == nil {
		return false
	}
	select {
	case <-s.Ready():
	case <-c.ended: // the hub ends what it cannot welcome in seconds
	}
	if room := c.out.Wait(); room != nil {
		patience := time.NewTimer(frames.StuckAfter)
		defer patience.Stop()
		select {
		case <-room:
		case <-c.ended:
		case <-patience.C:
			c.Close(session.TooSlow)
		}
	}
	return !c.closing.Load()
}

// obey does what the gateway itself is asked for: with an id it is answered by an ack, a list always by a page.
func (c *conn) obey(f *frame) {
	switch s := c.session.Load(); f.ask {
	case askList:
		page := encodePage(f.id, c.door.o.Hub.Page(s, f.query))
		// What it makes us send counts like what it sends: a short frame must not be worth a long answer for nothing.
		if !c.bytes.AllowN(time.Now(), min(len(page), c.bytes.Burst())) {
			c.refuse(f.id, &refusal{codeRateLimited, "more pages than allowed"})
			return
		}
		c.push(page, true)
		return
	case askSync:
		c.door.o.Hub.Sync(s)
	}
	if f.id != nil {
		c.push(encodeAck(f.id, wire.Delivered), true)
	}
}

// send passes a signal on, and tells the client its outcome.
func (c *conn) send(f *frame) {
	c.inFlight <- struct{}{} // not for long: every signal has an outcome within about a second
	id, to, kind := f.id, f.req.To, f.req.Kind
	c.door.o.Hub.Send(c.session.Load(), &f.req, func(o wire.Outcome) {
		switch {
		case id != nil:
			c.push(encodeAck(id, o), true)
		case !o.Positive():
			c.push(encodeUndeliverable(to, kind, o), true)
		}
		<-c.inFlight
	})
}

// Binary implements frames.Owner. The protocol has no such frames.
func (c *conn) Binary([]byte) {
	if c.settle() {
		c.refuse(nil, &refusal{codeBinary, "frames are JSON text, not binary"})
	}
}

// refuse answers a frame that was not accepted.
func (c *conn) refuse(id []byte, r *refusal) {
	c.door.o.Metrics.Refused(r.code)
	c.push(encodeError(id, r), true)
	if !c.bad.Allow() {
		c.Close(session.TooManyBad)
	}
}
