package bus

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/wire"
)

// viewsDepth is how many messages may wait for the reader of a [Views]. A snapshot of a hundred thousand sessions has
// about 150.
const viewsDepth = 2048

// Views hears presence's replicas: the beats of all, the deltas of the one view that is followed, and the snapshots
// asked for. It only carries; whom to follow and what to make of it is the reader's business. It is for one goroutine.
type Views struct {
	conn *Conn

	// messages is filled by nats.go, in the order of the link. When it is full nats.go drops the message, of which Lost
	// tells.
	messages chan *nats.Msg
	inbox    string
	beats    *nats.Subscription
	answers  *nats.Subscription
	deltas   *nats.Subscription // nil until Follow
	dropped  map[*nats.Subscription]int
	faults   throttle

	// changes counts those of the link: while it is odd there is a link.
	changes atomic.Uint64
	seen    uint64
	// linked is filled at each change of the link; full, with its one slot, means that the reader will look anyway.
	linked chan struct{}
}

// Absent is what [Views.Read] makes of NATS' notice that nobody is there to answer a request ("no responders").
type Absent struct{}

// Views begins to hear the replicas. There need be no link yet.
func (c *Conn) Views() (*Views, error) {
	v := &Views{
		conn:     c,
		messages: make(chan *nats.Msg, viewsDepth),
		inbox:    c.nc.NewInbox(),
		dropped:  make(map[*nats.Subscription]int),
		faults:   throttle{every: 10 * time.Second},
		linked:   make(chan struct{}, 1),
	}
	var err error
	if v.answers, err = v.subscribe(v.inbox); err != nil {
		return nil, err
	}
	if v.beats, err = v.subscribe(wire.AllReplicas); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	c.Watch(func(up bool) {
		if up || v.changes.Load() > 0 {
			v.changes.Add(1)
		}
		nudge(v.linked)
	})
	return v, nil
}

// Messages has what was heard, to be given to [Views.Read].
func (v *Views) Messages() <-chan *nats.Msg { return v.messages }

// Linked has something when [Views.Link] has news.
func (v *Views) Linked() <-chan struct{} { return v.linked }

// Link reports whether there is a link now, and whether anything has happened to it since the call before: also when it
// broke and came back meanwhile.
func (v *Views) Link() (up, news bool) {
	n := v.changes.Load()
	up, news = n%2 == 1, n != v.seen
	v.seen = n
	return up, news
}

// Lost reports whether messages were dropped since the call before, because the reader was too slow.
func (v *Views) Lost() bool {
	lost := false
	for sub, before := range v.dropped {
		if n, err := sub.Dropped(); err == nil && n != before {
			v.dropped[sub] = n
			lost = true
		}
	}
	return lost
}

// Read gives the *[wire.ViewBeat], *[wire.Delta], *[wire.ViewSnapshot] or [Absent] in a message; nil, and now and then a
// line in the log, for one that is none of them or does not come from the replica it speaks for.
func (v *Views) Read(msg *nats.Msg) any {
	m, err := v.read(msg)
	if err == nil {
		return m
	}
	if n, ok := v.faults.allow(); ok {
		v.conn.log.Warn("a message of presence is not understood", "subject", msg.Subject, "err", err, "events", n)
	}
	return nil
}

func (v *Views) read(msg *nats.Msg) (any, error) {
	switch msg.Sub {
	case v.answers:
		if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" { // no responders
			return Absent{}, nil
		}
		m := new(wire.ViewSnapshot)
		return m, wire.Decode(msg.Data, m)
	case v.beats:
		m := new(wire.ViewBeat)
		if err := wire.Decode(msg.Data, m); err != nil {
			return nil, err
		}
		return m, checkView(msg.Subject, m.View)
	default:
		m := new(wire.Delta)
		if err := wire.Decode(msg.Data, m); err != nil {
			return nil, err
		}
		return m, checkView(msg.Subject, m.View)
	}
}

func checkView(subject, view string) error {
	if of, ok := wire.ViewOf(subject); !ok || of != view {
		return fmt.Errorf("it is of view %q", view)
	}
	return nil
}

// Follow hears the deltas of a view, and no longer those of the view before. Messages of that one may still wait.
// It fails only when the connection is closed.
func (v *Views) Follow(view string) error {
	before := v.deltas
	var err error
	v.deltas, err = v.subscribe(wire.ViewSubject(view))
	return errors.Join(err, v.unsubscribe(before))
}

// Ask asks a view for its snapshot, or fails as [Conn.Publish]. The answer may come late, in part, or not at all.
func (v *Views) Ask(view string) error {
	return v.conn.Publish(wire.ViewSnapshotSubject(view), v.inbox, nil)
}

// Close ends the hearing.
func (v *Views) Close() error {
	return errors.Join(v.unsubscribe(v.deltas), v.unsubscribe(v.beats), v.unsubscribe(v.answers))
}

func (v *Views) subscribe(subject string) (*nats.Subscription, error) {
	sub, err := v.conn.nc.ChanSubscribe(subject, v.messages)
	if err != nil {
		return nil, fmt.Errorf("subscribe %s: %w", subject, err)
	}
	v.dropped[sub] = 0
	return sub, nil
}

// unsubscribe does nothing to a subscription that is nil, or that the end of the connection has ended.
func (v *Views) unsubscribe(sub *nats.Subscription) error {
	delete(v.dropped, sub)
	if sub == nil || !sub.IsValid() {
		return nil
	}
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("unsubscribe %s: %w", sub.Subject, err)
	}
	return nil
}
