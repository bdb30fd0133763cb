package roster

import (
	"slices"
	"sync"
)

// index tells which gateways hold a user. It has a lock of its own, held for a moment only, because signals ask it.
type index struct {
	mu    sync.RWMutex
	users map[string][]holding
}

// holding is one gateway's share in a user: one or more sessions.
type holding struct {
	gateway  string
	sessions int
}

func newIndex() index { return index{users: make(map[string][]holding)} }

func (x *index) add(user, gateway string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.users[user]
	if i := at(all, gateway); i >= 0 {
		all[i].sessions++
		return
	}
	x.users[user] = append(all, holding{gateway, 1})
}

// remove takes back an add.
func (x *index) remove(user, gateway string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.users[user]
	i := at(all, gateway)
	all[i].sessions--
	switch {
	case all[i].sessions > 0:
	case len(all) == 1:
		delete(x.users, user)
	default:
		x.users[user] = slices.Delete(all, i, i+1)
	}
}

func (x *index) gateways(user string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var names []string
	for _, h := range x.users[user] {
		names = append(names, h.gateway)
	}
	return names
}

func (x *index) shows(user string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.users[user] != nil
}

func (x *index) len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.users)
}

func at(all []holding, gateway string) int {
	return slices.IndexFunc(all, func(h holding) bool { return h.gateway == gateway })
}
