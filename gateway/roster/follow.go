package roster

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/bus"
	"beckon/shared/wire"
)

// follow keeps the follower informed and does what it says.
func (r *Roster) follow(ctx context.Context, views *bus.Views) {
	f := NewFollower(r.gateway)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var msg *nats.Msg
		select {
		case <-ctx.Done():
			return
		case <-views.Linked():
		case <-timer.C:
		case msg = <-views.Messages():
		}
		now := time.Now()
		if up, news := views.Link(); news {
			r.perform(f, views, f.Link(now, false))
			if up {
				r.perform(f, views, f.Link(now, true))
			}
		}
		if views.Lost() > 0 {
			r.perform(f, views, f.Lost(now))
		}
		if msg != nil {
			r.perform(f, views, hear(f, views, now, msg))
		}
		r.perform(f, views, f.Tick(now))
		r.report(f, now)
		if at, ok := f.Deadline(now); ok {
			timer.Reset(time.Until(at))
		}
	}
}

// hear gives a message to the follower.
func hear(f *Follower, views *bus.Views, now time.Time, msg *nats.Msg) Effects {
	switch m := views.Read(msg).(type) {
	case *wire.ViewBeat:
		return f.Beat(now, m)
	case *wire.Delta:
		return f.Delta(now, m)
	case *wire.ViewSnapshot:
		return f.Chunk(now, m)
	case bus.Absent:
		return f.Absent(now)
	default: // not understood: if it was a delta, the follower will find a gap
		return Effects{}
	}
}

func (r *Roster) perform(f *Follower, views *bus.Views, e Effects) {
	r.apply(e.Changes)
	if e.Resync != "" {
		r.log.Info("a snapshot of the view is needed", "view", f.view, "why", e.Resync)
		r.resyncs.Add(1)
	}
	if e.Follow != "" {
		r.log.Info("following a view", "view", e.Follow)
		if err := views.Follow(e.Follow); err != nil {
			r.log.Error("cannot follow a view", "view", e.Follow, "err", err)
		}
	}
	if e.Ask {
		// Away is no news: asking again comes with the next link.
		if err := views.Ask(f.view); err != nil && !errors.Is(err, bus.ErrAway) {
			r.log.Error("cannot ask for a snapshot", "view", f.view, "err", err)
		}
	}
}

// apply lays changes into the lists, under one lock: a switch to another view is one change.
func (r *Roster) apply(changes []Change) {
	if len(changes) > 0 {
		r.change(func(now time.Time) { r.lists.Apply(now, changes) })
	}
}

// report publishes how the roster stands with presence.
func (r *Roster) report(f *Follower, now time.Time) {
	r.mu.Lock()
	if degraded := f.Degraded(now); degraded != r.lists.standing.Degraded {
		r.lists.Degraded(now, degraded)
		nudge(r.touched)
	}
	r.mu.Unlock()
	before, status := r.Status(), Status{View: f.view, Live: f.Live(now), Ever: f.ever}
	if status == before {
		return
	}
	r.status.Store(&status)
	switch {
	case status.Live && !before.Live:
		r.log.Info("the view is known whole", "view", f.view, "sessions", f.table.count)
	case before.Live && !status.Live:
		r.log.Warn("presence is not heard; lists stand still", "view", before.View)
	}
}
