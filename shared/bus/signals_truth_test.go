package bus

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"beckon/shared/embednats"
	"beckon/shared/wire"
)

// Many pairs at once, while the users come to and go from two gateways and do not always read: every signal has one
// outcome, which is the truth, and each pair's signals arrive in order, none of them twice.
func TestSignalsTellTheTruth(t *testing.T) {
	const (
		senders = 8
		users   = 4
		each    = 300
	)
	server := testServer(t, embednats.Options{})
	o := Options{InProcess: server}
	a, gateways := testStation(t, "a", o), []*station{testStation(t, "b", o), testStation(t, "c", o)}
	a.set(wire.Delivered, "b", "c")

	stop := make(chan struct{})
	var changes sync.WaitGroup
	for i, g := range gateways {
		changes.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			subs := make([]*nats.Subscription, users)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if u := random.IntN(users); subs[u] == nil {
					subs[u] = g.listen(t, fmt.Sprint("user-", u))[0]
				} else if err := subs[u].Unsubscribe(); err != nil {
					t.Error(err)
				} else {
					subs[u] = nil
				}
				g.set([]wire.Outcome{wire.Delivered, wire.Delivered, wire.Slow, wire.Offline}[random.IntN(4)])
				runtime.Gosched()
			}
		})
	}

	outcomes := make([][]wire.Outcome, senders*users*each)
	late := make([]bool, len(outcomes)) // told after a second, when not all need have answered
	underWay := make(chan struct{}, 1000)
	var guard sync.Mutex
	var all, sending sync.WaitGroup
	all.Add(len(outcomes))
	for sender := range senders {
		sending.Go(func() {
			for i := range users * each {
				n := sender*users*each + i
				underWay <- struct{}{}
				start := time.Now()
				a.Send(fmt.Sprint("user-", i%users), message("alice", fmt.Sprint("S", sender), fmt.Sprint(n)), func(o wire.Outcome) {
					guard.Lock()
					defer guard.Unlock()
					if outcomes[n] = append(outcomes[n], o); len(outcomes[n]) == 1 {
						late[n] = time.Since(start) >= outcomeTimeout
						<-underWay
						all.Done()
					}
				})
			}
		})
	}
	sending.Wait()
	all.Wait()
	close(stop)
	changes.Wait()
	a.Close()
	for _, g := range gateways {
		g.Close()
	}

	said := make(map[wire.Outcome]int)
	arrived := make([]bool, len(outcomes))
	for _, g := range gateways {
		close(g.arrived)
		last := make(map[pair]int)
		for x := range g.arrived {
			n := number(t, x)
			arrived[n] = arrived[n] || x.said == wire.Delivered
			p := pair{x.FromSession, x.token}
			if was, had := last[p]; had && n <= was {
				t.Errorf("%s received %d after %d", g.name, n, was)
			}
			last[p] = n
		}
	}
	for n, told := range outcomes {
		if len(told) != 1 {
			t.Errorf("signal %d has the outcomes %v", n, told)
		}
		o := told[0]
		said[o]++
		if o == wire.Delivered && !arrived[n] || o != wire.Delivered && arrived[n] && o != wire.Unknown && !late[n] {
			t.Errorf("signal %d is called %s; arrived: %v", n, o, arrived[n])
		}
	}
	if said[wire.Delivered] == 0 || said[wire.Slow] == 0 {
		t.Errorf("not much of a test: %v", said)
	}
}
