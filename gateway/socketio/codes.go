package socketio

import (
	"github.com/gorilla/websocket"

	"beckon/gateway/session"
	"beckon/gateway/socketio/engineio"
)

// The codes of refused events and logins. The set is closed; docs/socketio.md has the same table.
const (
	codeBadUser     = "bad_user"      // the user of a login is not valid
	codeBadRoom     = "bad_room"      // the room of a login is not valid
	codeBadFrame    = "bad_frame"     // an event that is too long, or not strict JSON
	codeBinary      = "binary"        // an event with attachments
	codeUnknown     = "unknown_event" // no such event
	codeBadField    = "bad_field"     // a member of the payload is missing, of the wrong type or out of bounds
	codeRateLimited = "rate_limited"  // more events or bytes than allowed
)

// refusal says why something was not accepted.
type refusal struct{ code, message string }

// closings are how a WebSocket ends for a session.Reason: a close code (RFC 6455, section 7.4) and a text.
var closings = [...]struct {
	code int
	text string
}{
	session.Draining:   {websocket.CloseServiceRestart, "gateway restarting"},
	session.NotReady:   {websocket.CloseTryAgainLater, "try again later"},
	session.TooManyBad: {websocket.ClosePolicyViolation, "too many refused events"},
}

// reasons are the engine's, as the gateway counts them; 0 for ends that are nobody's fault.
var reasons = [...]session.Reason{
	engineio.ClientClosed: 0,
	engineio.Gone:         0,
	engineio.PingTimeout:  session.Silent,
	engineio.BadData:      session.BadData,
	engineio.Flood:        session.Flood,
	engineio.TooSlow:      session.TooSlow,
	engineio.Fault:        session.Fault,
	engineio.ServerClosed: 0,
}
