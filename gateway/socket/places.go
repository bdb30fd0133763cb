package socket

import (
	"net/netip"
	"sync"
)

// places bounds the connections of each address. With IPv6 one address is a network of 64 bits, because
// that is what one place gets.
type places struct {
	most int

	mu    sync.Mutex
	taken map[string]int
}

// newPlaces gives each address so many.
func newPlaces(most int) *places { return &places{most: most, taken: make(map[string]int)} }

// enter takes a place of an address, host:port, and reports whether there was one. Who has one leaves.
func (p *places) enter(remote string) bool {
	from := Place(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[from] >= p.most {
		return false
	}
	p.taken[from]++
	return true
}

// force takes a place even if there is none.
func (p *places) force(remote string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[Place(remote)]++
}

// leave gives a place back.
func (p *places) leave(remote string) {
	from := Place(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[from]--; p.taken[from] == 0 {
		delete(p.taken, from)
	}
}

// Place is what counts as one address of a peer, host:port.
func Place(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote // no TCP
	}
	addr := from.Addr().Unmap()
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64) // fails for lengths that an address does not have
		return network.String()
	}
	return addr.String()
}
