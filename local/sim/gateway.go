package sim

import (
	"fmt"
	"strconv"

	"beckon/gateway/roster"
	"beckon/shared/bus"
	"beckon/shared/coalesce"
	"beckon/shared/wire"
)

// gateway is a gateway process. Its parts are the announcer, the follower with the lists, and the clients.
type gateway struct {
	*port
	w           *world
	incarnation int
	announcing
	following
	clients []*client
}

// site is where processes of one gateway's name run, one after the other.
type site struct {
	name    string
	hub     int
	gateway *gateway // nil when nothing runs
	hung    *gateway // one that stands still for ever
	told    *told
}

// start starts a process.
func (s *site) start(w *world) {
	if s.gateway != nil {
		return
	}
	incarnation := s.told.begin()
	g := &gateway{port: w.net.newPort(s.name, s.hub), w: w, incarnation: incarnation}
	w.notef("%s starts, incarnation %d", s.name, incarnation)
	g.announcing = announcing{
		ledger:    bus.NewLedger("i" + strconv.Itoa(incarnation)),
		listening: true,
		answers:   coalesce.Gate{Interval: gatewaySnapshotEvery},
		announces: timer{port: g.port, fire: func() {}},
		held:      make(map[string]wire.Login),
		told:      s.told,
	}
	g.following = following{
		follower: roster.NewFollower(s.name),
		lists:    roster.NewLists(s.name, roster.Limits{ListUsers: w.limit, WholeBytes: w.budget}),
		known:    make(map[wire.Entry]bool),
		follows:  timer{port: g.port, fire: func() {}},
		fansOut:  timer{port: g.port, fire: func() {}},
	}
	g.after = g.advance
	s.gateway = g
	g.connect()
	g.wake()
}

// advance does what is due in both loops of the process.
func (g *gateway) advance() {
	if !g.open {
		return
	}
	g.notice()
	g.announce()
	g.follow()
	g.fanOut()
}

// login lets a client in, as the hub of the gateway does when NATS has confirmed its subscription.
func (g *gateway) login(user, room string) {
	g.w.sessions++
	login := wire.Login{
		Session: fmt.Sprintf("%s.%d-%d", g.name, g.incarnation, g.w.sessions), User: user, Room: room, Since: g.w.wall(),
	}
	c := &client{g: g, full: g.w.chance(0.2)}
	g.clients = append(g.clients, c)
	g.enter(c, login)
}

// move lets the session of a client in again, in another room.
func (g *gateway) move(c *client, room string) {
	login := c.login
	login.Room, login.Since = room, g.w.wall()
	*c = client{g: g, full: c.full}
	g.enter(c, login)
}

func (g *gateway) enter(c *client, login wire.Login) {
	g.w.notef("%s logs in to %s on %s as %s", login.User, login.Room, g.name, login.Session)
	c.login = login
	g.w.seen(g, login)
	g.join(login)
	g.lists.Join(g.w.now, login, c, c.full)
	g.after()
}

func (g *gateway) logout(c *client) {
	g.w.notef("%s logs out of %s", c.login.Session, g.name)
	g.leave(c.login.Session)
	g.lists.Leave(g.w.now, c.login.Session)
	for i, other := range g.clients {
		if other == c {
			g.clients = append(g.clients[:i:i], g.clients[i+1:]...)
		}
	}
	g.after()
}
