// Package sim simulates the whole of presence under virtual time: gateways, replicas, clients, and a network on which all
// that can go wrong does. It runs the real state machines (bus.Ledger, the roster of a replica, the follower and the lists of
// a gateway), and mirrors the few lines around them that talk to NATS; each such function names what it mirrors.
//
//	client ─ site/gateway: announcing ─▶ network ─▶ replica ─▶ network ─▶ gateway: following ─▶ clients
//
// A schedule is a function of its seed alone: there are no goroutines, no clock but the virtual one, and everything is
// drawn from one source. A plan says how large the system is and what kind of trouble it is in for; then clients come, go,
// have no room, and ask again, while processes are killed, stopped, started and stand still, links break, stall and come
// back, NATS servers restart and part, messages are dropped where they arrive, and in some kinds are lost, repeated and mixed
// up on the way, as no NATS would. Then all faults end.
//
// # What must hold
//
// At every step: a view shows of each gateway what one incarnation had announced at one time, and neither ever goes
// back; beats and snapshots say what was published; a follower's table is what its view was at some time, and the sum of
// its changes; on each client's connection versions only grow, a delta fits what the client has, nobody stands in a list
// twice, and whoever has missed nothing has what the gateway holds. Where nothing was lost nobody needs a snapshot, and who
// dropped messages asks for one. While no gateway dies, nobody who is there leaves any list.
//
// Once the faults have ended, within the time that [world.bound] adds up from the protocol's own: every replica is complete
// and shows the truth, every gateway follows a live view of it, and every list is the truth of its room in the right order.
//
// # When one fails
//
// The error names the seed and shows the latest events. To see it again:
//
//	go test ./local/sim -run 'TestSimulation$' -seed=N
//
// That the simulation finds what it is there for is tested too: TestPlantedBugs runs it on sources with a bug in each.
package sim
