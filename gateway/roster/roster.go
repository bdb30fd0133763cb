// Package roster is the gateway's knowledge of who is there. It follows one presence replica's view, lays the gateway's
// own sessions over it, of which it knows better, and holds each room's list once, however many sessions show it.
//
//	presence.replica.*  ─▶ follower ─▶ table ─┐ who came, who left
//	presence.view.<one> ─▶                    ├─▶ index: user → gateways
//	Join, Leave ──────────────────────────────┴─▶ rooms ─▶ at most one Update in 250 ms a room ─▶ viewers
//
// [Follower] and [Lists] are pure state machines, which decide everything; [Roster] runs them on NATS and the clock. While
// presence cannot be heard the lists stand as they are, but for the gateway's own sessions, and viewers are told so.
package roster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/shared/bus"
	"beckon/shared/wire"
)

// Options say whose roster this is. All are required.
type Options struct {
	Gateway string // the gateway's name: what a view says about it is not news
	Conn    *bus.Conn
	Limits  Limits
	Log     *slog.Logger
}

// Roster knows who is there, and tells the gateway's sessions.
type Roster struct {
	gateway string
	conn    *bus.Conn
	log     *slog.Logger

	status  atomic.Pointer[Status]
	resyncs atomic.Uint64 // by the follower
	missed  atomic.Uint64 // updates for which a viewer had no room

	// touched is filled when a room may be due sooner than before; full, with its one slot, means that the fan-out will
	// look anyway.
	touched chan struct{}

	mu    sync.Mutex // never held while a viewer is called
	lists *Lists     // but for its index, which has a lock of its own
}

// Status is how the roster stands with presence.
type Status struct {
	View string // the view that is followed; "" before the first
	Live bool   // that view is heard now; if not, lists stand as they are but for the gateway's own sessions
	Ever bool   // some view has been known whole once
}

// New makes a roster. It knows the gateway's own sessions at once, the others' when Run runs. The error says that
// Gateway is not a name ([wire.CheckName]).
func New(o Options) (*Roster, error) {
	if err := wire.CheckName(o.Gateway); err != nil {
		return nil, fmt.Errorf("roster of gateway %q: %w", o.Gateway, err)
	}
	r := &Roster{
		gateway: o.Gateway,
		conn:    o.Conn,
		log:     o.Log.With("component", "roster"),
		touched: make(chan struct{}, 1),
		lists:   NewLists(o.Gateway, o.Limits),
	}
	r.status.Store(&Status{})
	return r, nil
}

// Run follows presence and sends updates to viewers until ctx ends. It returns an error if it cannot begin.
func (r *Roster) Run(ctx context.Context) error {
	views, err := r.conn.Views()
	if err != nil {
		return fmt.Errorf("hear presence: %w", err)
	}
	var loops sync.WaitGroup
	loops.Go(func() { r.fanOut(ctx) })
	loops.Go(func() { r.follow(ctx, views) })
	loops.Wait()
	if err := views.Close(); err != nil {
		return fmt.Errorf("stop hearing presence: %w", err)
	}
	return nil
}

// Join lets a session of this gateway in. v is sent its room's list, itself included: at once, or with the room's next
// update. After that it gets deltas, or, when full is set, the whole list each time; and when the next update is not soon, a
// list of its own before that. A session that is in already is put out first.
func (r *Roster) Join(login wire.Login, v Viewer, full bool) {
	r.change(func(now time.Time) { r.lists.Join(now, login, v, full) })
}

// Leave puts a session out, if it is in.
func (r *Roster) Leave(session string) {
	r.change(func(now time.Time) { r.lists.Leave(now, session) })
}

// Detach stops telling a session anything, but leaves it in the lists for as long as the gateway is there.
func (r *Roster) Detach(session string) {
	r.change(func(time.Time) { r.lists.Detach(session) })
}

// Sync sends a session its room's list again.
func (r *Roster) Sync(session string) {
	r.change(func(now time.Time) { r.lists.Sync(now, session) })
}

func (r *Roster) change(apply func(time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	apply(time.Now())
	nudge(r.touched)
}

// Page gives a part of the list of a session's room, as it was told last; nothing if the session is not in.
func (r *Roster) Page(session string, q Query) Page {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists.Page(session, q)
}

// Gateways names the gateways that hold sessions of a user, this one included. It never waits for anything long.
func (r *Roster) Gateways(user string) []string { return r.lists.Gateways(user) }

// Shows reports whether any gateway holds sessions of a user.
func (r *Roster) Shows(user string) bool { return r.lists.index.shows(user) }

// Status is how the roster stands with presence now.
func (r *Roster) Status() Status { return *r.status.Load() }

// Collectors are the roster's metrics.
func (r *Roster) Collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value *atomic.Uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value.Load()) })
	}
	return []prometheus.Collector{
		gauge("beckon_roster_users", "Users that the roster shows on any gateway.",
			func() float64 { return float64(r.lists.index.len()) }),
		gauge("beckon_roster_remote_sessions", "Sessions that the roster shows on other gateways.",
			func() float64 {
				r.mu.Lock()
				defer r.mu.Unlock()
				return float64(r.lists.remote)
			}),
		gauge("beckon_roster_waiting", "Sessions that wait for a whole list, for which there is no budget yet.", func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(r.lists.waiting)
		}),
		gauge("beckon_roster_rooms", "Rooms that anybody is in.", func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(len(r.lists.rooms))
		}),
		gauge("beckon_roster_live", "Whether a presence view is followed and heard (1) or lists stand still (0).",
			func() float64 {
				if r.Status().Live {
					return 1
				}
				return 0
			}),
		counter("beckon_roster_resyncs_total", "Snapshots of a followed view that became necessary.", &r.resyncs),
		counter("beckon_roster_updates_missed_total", "List updates for which a session's queue had no room.", &r.missed),
	}
}

// nudge wakes the reader of a channel with one slot.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
