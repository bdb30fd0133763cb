package chaos

import (
	"fmt"
	"testing"
	"time"

	"beckon/local/proc"
)

// Presence dies and comes back, at once or after clients have been told: nobody leaves anybody's list, and whoever came
// or went meanwhile is right afterwards.
func TestPresenceKilled(t *testing.T) {
	presenceKilled.try(t)
	s := here(t)
	presence := s.presence()
	gateways := s.gateways(2)
	c := crowded(t, sized(300, 100), gateways...)
	worst := make(map[bool]time.Duration)
	rounds := sized(10, 2)
	for round := range rounds {
		atOnce := round%2 == 0
		c.mark()
		presence.Kill()

		// Signals do not depend on presence, and each gateway's own sessions still come and go in its list.
		c.calls(c.members[:4])
		gone := c.at(gateways[1])[0]
		c.leave(gone)
		if !atOnce {
			c.told(c.members, "degraded")
		}
		late := c.login(gateways[0], fmt.Sprintf("late-%d", round))
		if !atOnce {
			c.told(late, "degraded")
		}
		inside := c.users.Clone()
		inside.Add(gone.user) // as only his own gateway knows
		c.show(c.at(gateways[0]), inside)

		began := time.Now()
		s.again(presence)
		c.right(c.members)
		took := time.Since(began)
		t.Logf("right %s after its start", seconds(took))
		worst[atOnce] = max(worst[atOnce], took)
		if atOnce {
			c.nothingTold(c.members)
		} else {
			c.told(c.members, "ok")
		}
		c.nobodyLeft(c.members, gone.user)
		c.atMost(c.members, 1)
		c.connected()
	}
	c.ordered()
	presenceKilled.measured("%d rounds, %d users, times from its start", rounds, c.users.Len())
	presenceKilled.within(2*time.Second, worst[true], "started at once: the worst")
	presenceKilled.within(2*time.Second, worst[false], "started after users had been told: the worst")
}

// The replica that a gateway follows dies: its users move to the other one's view and see nothing but what is new.
func TestFollowedReplicaKilled(t *testing.T) {
	followedKilled.try(t)
	s := here(t)
	replicas := []*proc.Process{s.presence(), s.presence()}
	gateways := s.gateways(3)
	c := crowded(t, sized(300, 90), gateways...)
	pass(t, linked)
	var worst time.Duration
	rounds := sized(6, 3)
	for round := range rounds {
		follower, elsewhere := gateways[round%3], gateways[(round+1)%3]
		followed := view(t, follower.Process, otherView)
		victim := replicas[0]
		if view(t, replicas[1], ownView) == followed {
			victim = replicas[1]
		}
		if view(t, victim, ownView) != followed {
			t.Fatalf("%s follows %s, which is no replica's view", follower.name, followed)
		}
		c.mark()
		victim.Kill()
		began := time.Now()
		c.login(elsewhere, fmt.Sprintf("late-%d", round))
		c.right(c.members)
		took := time.Since(began)
		t.Logf("%s followed it; right after %s", follower.name, seconds(took))
		worst = max(worst, took)
		c.nobodyLeft(c.members)
		c.atMost(c.members, 1)
		c.connected()
		s.again(victim)
	}
	c.nothingTold(c.members)
	c.ordered()
	followedKilled.within(3*time.Second, worst, fmt.Sprintf("%d rounds, %d users: the worst", rounds, c.users.Len()))
}
