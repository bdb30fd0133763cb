package socket

import (
	"net/netip"
	"sync"
)

// Places bounds how many there may be of something from one address. With IPv6 one address is a network of 64 bits, because
// that is what one place gets.
type Places struct {
	most int

	mu    sync.Mutex
	taken map[string]int
}

// NewPlaces gives each address so many.
func NewPlaces(most int) *Places { return &Places{most: most, taken: make(map[string]int)} }

// Enter takes a place of an address, host:port, and reports whether there was one. Who has one leaves.
func (p *Places) Enter(remote string) bool {
	from := place(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[from] >= p.most {
		return false
	}
	p.taken[from]++
	return true
}

// force takes a place even if there is none.
func (p *Places) force(remote string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[place(remote)]++
}

// Leave gives a place back.
func (p *Places) Leave(remote string) {
	from := place(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[from]--; p.taken[from] == 0 {
		delete(p.taken, from)
	}
}

// place is what counts as one address.
func place(remote string) string {
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
