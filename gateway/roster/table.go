package roster

import (
	"cmp"
	"slices"

	"beckon/shared/wire"
)

// table is a replica's view as this gateway knows it: every session of every gateway.
type table struct {
	gateways map[string]map[string]wire.Login // gateway → session → login
	count    int                              // of sessions
	digest   wire.Digest                      // of their logins
}

// Change is a session that came or left.
type Change struct {
	wire.Entry
	Left bool
}

func newTable() table { return table{gateways: make(map[string]map[string]wire.Login)} }

// apply changes the table as a delta says, and gives what changed: who came before who left, so that a user who only
// changed sessions is never without one.
func (t *table) apply(d *wire.Delta) []Change {
	var came, left []Change
	leave := func(gateway, session string) {
		if login, ok := t.take(gateway, session); ok {
			left = append(left, Change{wire.Entry{Gateway: gateway, Login: login}, true})
		}
	}
	for _, gateway := range d.Gone {
		for session := range t.gateways[gateway] {
			leave(gateway, session)
		}
	}
	for _, ref := range d.Left {
		leave(ref.Gateway, ref.Session)
	}
	for _, entry := range d.Joined {
		if t.gateways[entry.Gateway][entry.Session] == entry.Login {
			continue
		}
		leave(entry.Gateway, entry.Session)
		t.put(entry)
		came = append(came, Change{entry, false})
	}
	return inOrder(came, left)
}

// replace makes entries all that is in the table, and gives the difference, who came first.
func (t *table) replace(entries []wire.Entry) []Change {
	before := *t
	*t = newTable()
	for _, entry := range entries {
		t.take(entry.Gateway, entry.Session) // so that a session named twice counts once
		t.put(entry)
	}
	return inOrder(t.without(&before, false), before.without(t, true))
}

// without gives what is in t and not in other, marked as left or not.
func (t *table) without(other *table, left bool) []Change {
	var all []Change
	for gateway, logins := range t.gateways {
		for session, login := range logins {
			if other.gateways[gateway][session] != login {
				all = append(all, Change{wire.Entry{Gateway: gateway, Login: login}, left})
			}
		}
	}
	return all
}

// put takes in a session that is not there.
func (t *table) put(entry wire.Entry) {
	logins := t.gateways[entry.Gateway]
	if logins == nil {
		logins = make(map[string]wire.Login)
		t.gateways[entry.Gateway] = logins
	}
	logins[entry.Session] = entry.Login
	t.count++
	t.digest ^= wire.Digest(entry.Hash())
}

// take is the inverse of put; false if the session is not there.
func (t *table) take(gateway, session string) (wire.Login, bool) {
	logins := t.gateways[gateway]
	login, ok := logins[session]
	if !ok {
		return login, false
	}
	delete(logins, session)
	if len(logins) == 0 {
		delete(t.gateways, gateway)
	}
	t.count--
	t.digest ^= wire.Digest(login.Hash())
	return login, true
}

// inOrder sorts each kind by login time first, so that a user with several new sessions enters lists with the oldest.
func inOrder(came, left []Change) []Change {
	slices.SortFunc(came, byLogin)
	slices.SortFunc(left, byLogin)
	return append(came, left...)
}

func byLogin(a, b Change) int {
	return cmp.Or(
		cmp.Compare(a.Since, b.Since),
		cmp.Compare(a.Gateway, b.Gateway),
		cmp.Compare(a.Session, b.Session),
	)
}
