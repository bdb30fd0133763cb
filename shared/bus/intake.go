package bus

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// Intake hears many subjects in one queue, in the order of the link, and tells when something may be missing from it.
// Its methods are for one goroutine.
type Intake struct {
	conn *Conn

	// messages is filled by nats.go. When it is full nats.go drops the message, of which Lost tells.
	messages chan *nats.Msg
	dropped  map[*nats.Subscription]int // as of the latest Lost

	changes atomic.Uint64 // of the link: while it is odd there is one
	seen    uint64        // as of the latest Link
	// linked is filled at each change of the link. It holds one: full means that the reader will look anyway.
	linked chan struct{}
}

// Intake makes an intake of which depth messages may wait for the reader. There need be no link yet.
func (c *Conn) Intake(depth int) *Intake {
	in := &Intake{
		conn:     c,
		messages: make(chan *nats.Msg, depth),
		dropped:  make(map[*nats.Subscription]int),
		linked:   make(chan struct{}, 1),
	}
	c.Watch(func(up bool) {
		if up || in.changes.Load() > 0 { // the first call may say that there is none yet
			in.changes.Add(1)
		}
		nudge(in.linked)
	})
	return in
}

// Subscribe adds a subject, whose messages have the result as their Sub.
func (in *Intake) Subscribe(subject string) (*nats.Subscription, error) {
	sub, err := in.conn.nc.ChanSubscribe(subject, in.messages)
	if err != nil {
		return nil, fmt.Errorf("subscribe %s: %w", subject, err)
	}
	in.dropped[sub] = 0
	return sub, nil
}

// Messages has what was heard.
func (in *Intake) Messages() <-chan *nats.Msg { return in.messages }

// Linked has something when [Intake.Link] has news.
func (in *Intake) Linked() <-chan struct{} { return in.linked }

// Link reports whether there is a link now, and whether it is another than at the call before: also when it broke and
// came back meanwhile.
func (in *Intake) Link() (up, news bool) {
	n := in.changes.Load()
	up, news = n%2 == 1, n != in.seen
	in.seen = n
	return up, news
}

// Lost is how many messages were dropped since the call before because the reader was too slow.
func (in *Intake) Lost() (n int) {
	for sub, before := range in.dropped {
		if now, err := sub.Dropped(); err == nil && now != before {
			in.dropped[sub] = now
			n += now - before
		}
	}
	return n
}

// Unsubscribe ends a subscription that Subscribe gave; nil is none. What was heard of it may still wait.
func (in *Intake) Unsubscribe(sub *nats.Subscription) error {
	if sub == nil {
		return nil
	}
	delete(in.dropped, sub)
	// The end of the connection is the end of its subscriptions.
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("unsubscribe %s: %w", sub.Subject, err)
	}
	return nil
}

// Close ends all subscriptions. What was heard may still wait.
func (in *Intake) Close() error {
	var errs []error
	for sub := range in.dropped {
		errs = append(errs, in.Unsubscribe(sub))
	}
	return errors.Join(errs...)
}

// NoResponders reports that msg is NATS' notice that nobody was there to take a request. It comes instead of an answer.
func NoResponders(msg *nats.Msg) bool {
	return len(msg.Data) == 0 && msg.Header.Get("Status") == "503"
}
