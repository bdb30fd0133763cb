package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"beckon/local/proc"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

// fleet is gateways as presence sees them: each announces its users over a connection of its own, and none has any
// clients. It knows what presence must say. Its methods are for one goroutine.
type fleet struct {
	gateways []*bus.Announcer
	conns    []*bus.Conn

	// The truth.
	users  []wire.Login // user i is on gateway i modulo the number of gateways
	digest wire.Digest
	next   int // whose turn it is to come back

	asks  *bus.Conn // for questions, and to hear the replica
	views *bus.Views
}

// newFleet connects gateways that hold nobody. Call close.
func newFleet(nats string, gateways int, log *slog.Logger) (_ *fleet, err error) {
	f := &fleet{}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
			defer cancel()
			err = errors.Join(err, f.close(ctx))
		}
	}()
	connect := func(name string) (*bus.Conn, error) {
		conn, err := bus.Connect(bus.Options{URL: "nats://" + nats, Name: name, Log: log})
		if err == nil {
			f.conns = append(f.conns, conn)
		}
		return conn, err
	}
	if f.asks, err = connect("load generator"); err != nil {
		return nil, err
	}
	if f.views, err = f.asks.Views(); err != nil {
		return nil, err
	}
	for i := range gateways {
		name := fmt.Sprintf("load-%d", i)
		conn, err := connect(name)
		if err != nil {
			return nil, err
		}
		gateway, err := bus.NewAnnouncer(conn, name, wire.NewID(), log)
		if err != nil {
			return nil, err
		}
		f.gateways = append(f.gateways, gateway)
	}
	return f, nil
}

// close ends everything, and says so to presence.
func (f *fleet) close(ctx context.Context) error {
	var errs []error
	for _, gateway := range f.gateways {
		errs = append(errs, gateway.Close(ctx))
	}
	if f.views != nil {
		errs = append(errs, f.views.Close())
	}
	for _, conn := range f.conns {
		errs = append(errs, conn.Close(ctx))
	}
	return errors.Join(errs...)
}

// fill lets n users in.
func (f *fleet) fill(n int) {
	for i := range n {
		f.users = append(f.users, wire.Login{User: fmt.Sprintf("user-%06d", i)})
		f.join(i)
	}
}

func (f *fleet) join(i int) {
	login := &f.users[i]
	login.Session, login.Room, login.Since = wire.NewID(), wire.DefaultRoom, time.Now().UnixMilli()
	f.digest ^= wire.Digest(login.Hash())
	f.gateways[i%len(f.gateways)].Join(*login)
}

// comeBack lets the user out who has been in longest, and in again: one logout and one login.
func (f *fleet) comeBack() {
	i := f.next
	f.next = (i + 1) % len(f.users)
	f.digest ^= wire.Digest(f.users[i].Hash())
	f.gateways[i%len(f.gateways)].Leave(f.users[i].Session)
	f.join(i)
}

// await waits until a replica says that its view is complete and the truth, and gives the view. It is another than the
// one before.
func (f *fleet) await(ctx context.Context, before string) (view string, err error) {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	last := "nothing was heard"
	for {
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for presence's view of %d users: %w; %s", len(f.users), context.Cause(ctx), last)
		case m := <-f.views.Messages():
			beat, ok := f.views.Read(m).(*wire.ViewBeat)
			if !ok || beat.View == before {
				continue
			}
			if beat.Complete && beat.Count == len(f.users) && beat.Digest == f.digest {
				return beat.View, nil
			}
			last = fmt.Sprintf("it has %d, complete: %v", beat.Count, beat.Complete)
		}
	}
}

// ask asks presence how many there are, until it answers: a replica that has just started does not at once. The answer
// must be the truth.
func (f *fleet) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	var answer []byte
	err := proc.Await(ctx, func(ctx context.Context) error {
		msg, err := f.asks.NATS().RequestWithContext(ctx, wire.CountSubject, nil)
		if err == nil {
			answer = msg.Data
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ask presence: %w", err)
	}
	var count struct{ Users, Sessions int }
	if err := json.Unmarshal(answer, &count); err != nil {
		return fmt.Errorf("presence's answer %.200q: %w", answer, err)
	}
	if count.Users != len(f.users) || count.Sessions != len(f.users) {
		return fmt.Errorf("presence counts %d users in %d sessions, not %d", count.Users, count.Sessions, len(f.users))
	}
	return nil
}
