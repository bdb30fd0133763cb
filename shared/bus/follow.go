package bus

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/wire"
)

// viewsDepth is how many messages may wait for the reader of a [Views]. A snapshot of a hundred thousand sessions has
// about 150.
const viewsDepth = 2048

// Views hears presence's replicas: the beats of all, the deltas of the one view that is followed, and the snapshots
// asked for. It only carries; whom to follow and what to make of it is the reader's business.
type Views struct {
	*Intake // of messages for Read

	inbox   string
	beats   *nats.Subscription
	answers *nats.Subscription
	deltas  *nats.Subscription // nil until Follow
	faults  throttle
}

// Absent is what [Views.Read] makes of NATS' notice that nobody is there to answer a request ("no responders").
type Absent struct{}

// Views begins to hear the replicas. There need be no link yet.
func (c *Conn) Views() (*Views, error) {
	v := &Views{
		Intake: c.Intake(viewsDepth),
		inbox:  c.nc.NewInbox(),
		faults: throttle{every: 10 * time.Second},
	}
	var err error
	if v.answers, err = v.Subscribe(v.inbox); err != nil {
		return nil, err
	}
	if v.beats, err = v.Subscribe(wire.AllReplicas); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
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
		if NoResponders(msg) {
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
	v.deltas, err = v.Subscribe(wire.ViewSubject(view))
	return errors.Join(err, v.Unsubscribe(before))
}

// Ask asks a view for its snapshot, or fails as [Conn.Publish]. The answer may come late, in part, or not at all.
func (v *Views) Ask(view string) error {
	return v.conn.Publish(wire.ViewSnapshotSubject(view), v.inbox, nil)
}
