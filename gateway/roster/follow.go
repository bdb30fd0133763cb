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
	f := newFollower(r.gateway)
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
			r.perform(f, views, f.link(now, false))
			if up {
				r.perform(f, views, f.link(now, true))
			}
		}
		if views.Lost() > 0 {
			r.perform(f, views, f.lost(now))
		}
		if msg != nil {
			r.perform(f, views, hear(f, views, now, msg))
		}
		r.perform(f, views, f.tick(now))
		r.report(f, now)
		if at, ok := f.deadline(now); ok {
			timer.Reset(time.Until(at))
		}
	}
}

// hear gives a message to the follower.
func hear(f *follower, views *bus.Views, now time.Time, msg *nats.Msg) effects {
	switch m := views.Read(msg).(type) {
	case *wire.ViewBeat:
		return f.beat(now, m)
	case *wire.Delta:
		return f.delta(now, m)
	case *wire.ViewSnapshot:
		return f.chunk(now, m)
	case bus.Absent:
		return f.absent(now)
	default: // not understood: if it was a delta, the follower will find a gap
		return effects{}
	}
}

func (r *Roster) perform(f *follower, views *bus.Views, e effects) {
	r.apply(e.changes)
	if e.resync != "" {
		r.log.Info("a snapshot of the view is needed", "view", f.view, "why", e.resync)
		r.resyncs.Add(1)
	}
	if e.follow != "" {
		r.log.Info("following a view", "view", e.follow)
		if err := views.Follow(e.follow); err != nil {
			r.log.Error("cannot follow a view", "view", e.follow, "err", err)
		}
	}
	if e.ask {
		// Away is no news: asking again comes with the next link.
		if err := views.Ask(f.view); err != nil && !errors.Is(err, bus.ErrAway) {
			r.log.Error("cannot ask for a snapshot", "view", f.view, "err", err)
		}
	}
}

// apply lays what other gateways' sessions did into the lists, under one lock: a switch to another view is one change.
func (r *Roster) apply(changes []change) {
	if len(changes) == 0 {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changes {
		switch {
		case c.Gateway == r.gateway:
			// Own truth is known.
		case c.left:
			r.rooms.leave(now, c.Room, c.User)
			r.index.remove(c.User, c.Gateway)
			r.remote.Add(-1)
		default:
			r.rooms.enter(now, c.Room, c.User, c.Since)
			r.index.add(c.User, c.Gateway)
			r.remote.Add(1)
		}
	}
	nudge(r.touched)
}

// report publishes how the roster stands with presence.
func (r *Roster) report(f *follower, now time.Time) {
	before, status := r.Status(), Status{View: f.view, Live: f.live(now), Ever: f.ever}
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
