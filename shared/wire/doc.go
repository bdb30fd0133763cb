// Package wire is the contract between Beckon's services, as pure data: subjects, kinds, outcomes and messages, with
// the rules for building and reading them. It does no I/O, knows no clock and imports no NATS. Nothing outside this
// package builds or takes apart a subject.
//
// # Flow 1: a signal
//
//	alice's socket ─ frame ─▶ gateway A ── PUB signal.bob ──▶ NATS ──▶ gateway B ─ frame ─▶ bob's socket
//	                              ▲          reply: outcome.A.<inc>.17              │
//	                              └────────── outcome.A.<inc>.gathered ◀────────────┘ delivered [16,17,18]
//	                              └────────── outcome.A.<inc>.17 ◀──────────────────┘ slow, refused, offline: at once
//	                              └────────── outcome.A.<inc>.17 ◀── NATS: no responders: nobody holds bob
//
// The payload is one JSON object, header first, the body last (see [Signal]). Gateway A has read the body strictly
// when it entered; gateway B reads the header and splices the body on, unread. A message whose reply subject is not a
// gateway's (a backend's `nats req signal.bob '{...}'`) is read strictly by the gateway that receives it, and is
// answered on its own reply subject. Every signal has exactly one [Outcome]. Order is kept for each sender and
// receiver.
//
// # Flow 2: a login
//
//	bob's socket opens ─▶ gateway B: SUB signal.bob, flushed ─▶ welcome ─▶ PUB presence.announce.B {joined:[bob]}
//	   ─▶ every presence replica: merge ─▶ PUB presence.view.<view> {version, joined} ─▶ gateways that follow that view
//	   ─▶ their clients' lists
//
// Presence is soft state: a gateway alone knows which sessions it holds, says so in announcements counted by seq, and
// beats so that losses are noticed; whoever missed something asks for a snapshot. A replica's view is carried the same
// way to the gateways that follow it. Neither a snapshot nor a beat is ever more than a repetition of the truth, so any
// of them may be lost, repeated or late.
//
// # Subjects
//
//	subject                               from → to                      message
//	signal.<user>                         gateway, backend → gateways    [Signal]; reply: one [Receipt]
//	outcome.<gateway>.<incarnation>.<n>   gateway, NATS → gateway        [Receipt] of the sender's nth signal
//	outcome.<gateway>.<incarnation>.gathered  gateway → gateway          [Gathered]: many that were delivered
//	presence.announce.<gateway>           gateway → replicas             [Announcement]: who came, who left
//	presence.beat.<gateway>               gateway → replicas             [Beat]: seq, count, digest
//	presence.gateway.<gateway>            replica → gateway              [GatewayRequest]: answered by [GatewaySnapshot]s or a [Beat]
//	presence.view.<view>                  replica → following gateways   [Delta] of that replica's view
//	presence.replica.<view>               replica → gateways             [ViewBeat]: version, complete, count, digest
//	presence.snapshot.<view>              gateway → replica              request: answered by [ViewSnapshot] chunks
//	presence.list, .count, .where         anybody → any replica          the micro service "presence"
//
// <user> is [Token] of the user id. <gateway>, <incarnation> and <view> are names in [A-Za-z0-9_-]{1,64}.
//
// # Versions
//
// Every message carries the contract's version as "v". A reader takes any message whose v is at most its own
// [Version] and ignores members it does not know; a newer message it refuses whole, with [ErrVersion]. So: what an
// older reader may ignore is added freely, what it must not ignore raises the version, and during such an upgrade the
// readers (receiving gateways, then replicas) go first.
package wire

// Version is the contract's version, which every message carries as "v".
const Version = 1
