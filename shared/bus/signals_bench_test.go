package bus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"beckon/shared/embednats"
	"beckon/shared/wire"
)

// BenchmarkSignals sends offers of 2.5 KB and candidates from one gateway to another, each over a connection of its own
// inside this process, with a bounded number under way. It counts both gateways and the NATS server.
func BenchmarkSignals(b *testing.B) {
	server, err := embednats.Start(b.Context(), embednats.Options{Name: "bench", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Shutdown(context.Background())
	gateway := func(name string) *Signals {
		conn, err := Connect(Options{InProcess: server, Name: name, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		s, err := NewSignals(SignalOptions{
			Conn: conn, Gateway: name, Incarnation: wire.NewID(), Log: slog.New(slog.DiscardHandler),
			Deliver: func(string, *wire.Signal) wire.Outcome { return wire.Delivered },
			Holders: func(string) []string { return nil },
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			s.Close()
			conn.Close(context.Background())
		})
		return s
	}
	from, to := gateway("from"), gateway("to")
	users := make([]string, 100)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
		if _, err := to.Listen(users[i]); err != nil {
			b.Fatal(err)
		}
	}
	if err := to.o.Conn.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, body := range []int{2500, 200} {
		signal := &wire.Signal{
			Kind: wire.Offer, From: wire.Quote("alice"), FromSession: wire.NewID(), ToSession: wire.NewID(),
			Body: fmt.Appendf(nil, `{"offerSDP":"%0*d"}`, body, 0),
		}
		b.Run(fmt.Sprint(body, " bytes"), func(b *testing.B) {
			underWay := make(chan struct{}, 1000)
			var all sync.WaitGroup
			outcome := func(o wire.Outcome) {
				if o != wire.Delivered {
					b.Errorf("the outcome is %s", o)
				}
				<-underWay
				all.Done()
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(signal.Body)))
			for i := 0; b.Loop(); i++ {
				underWay <- struct{}{}
				all.Add(1)
				from.Send(users[i%len(users)], signal, outcome)
			}
			all.Wait()
		})
	}
}
