package ws

import (
	"github.com/gorilla/websocket"

	"beckon/gateway/session"
)

// The codes of error frames. The set is closed; docs/protocol.md has the same table.
const (
	codeBadUser     = "bad_user"      // the user id of a login is not valid
	codeBadRoom     = "bad_room"      // the room of a login is not valid
	codeUnavailable = "unavailable"   // the login could not be completed now
	codeBadFrame    = "bad_frame"     // not a strict JSON object {"event","id"?,"data"?}
	codeBadUTF8     = "bad_utf8"      // not UTF-8
	codeBinary      = "binary"        // a binary frame
	codeUnknown     = "unknown_event" // no such event
	codeBadField    = "bad_field"     // a member of data is missing, of the wrong type or out of bounds
	codeRateLimited = "rate_limited"  // more frames or bytes than the limits of the welcome allow
)

// closing is how a client of this door sees a session.Reason: a close code (RFC 6455, section 7.4) and a text.
type closing struct {
	code int
	text string
}

// The close codes of the gateway. Those from 4000 on are ours; they end in the HTTP status that says the same.
// docs/protocol.md has the same table. Connections that end for other reasons are cut.
var closings = [...]closing{
	session.Draining:   {websocket.CloseServiceRestart, "gateway restarting"},
	session.NotReady:   {websocket.CloseTryAgainLater, "try again later"},
	session.TooManyBad: {4429, "too many refused frames"},
	session.BadLogin:   {4400, "bad login"},
	session.BadData:    {websocket.CloseInvalidFramePayloadData, "not UTF-8"},
	session.Fault:      {websocket.CloseInternalServerErr, "internal error"},
}
