package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

// door is a way into a server: how its clients connect, and how they word what they say.
type door struct {
	words  wording
	enter  func(ctx context.Context, who client) (conn link, user string, err error)
	offers signature
	others signature // of answers and candidates
}

// signature is whether a message says who sends it, and whether it says so when it arrives.
type signature struct{ said, arrives bool }

// client is who wants to enter.
type client struct {
	server string // host:port
	name   string // its user id, where clients choose it
	room   string // the server's default if empty
}

// link carries the frames of one client.
type link interface {
	// send sends a frame, which is the caller's again when it returns. It is called by one goroutine at a time.
	send(frame []byte) error
	// receive passes on each frame that arrives, which is only lent, until the connection ends or take fails: there is
	// always an error.
	receive(take func(frame []byte) error) error
	// close ends both.
	close()
}

var (
	nativeWords   = wording{`{"event":"`, `,"data":{`, `}}`}
	socketIOWords = wording{`42["`, `,{`, `}]`}

	// native is the gateway's own door.
	native = &door{
		words: nativeWords, enter: enterNative, offers: signature{arrives: true}, others: signature{arrives: true},
	}
	// overWebSocket and overPolling are Socket.IO. Its clients say who makes an offer, and nothing but an offer arrives with
	// that.
	overWebSocket = &door{words: socketIOWords, enter: enterWebSocket, offers: signature{said: true, arrives: true}}
	overPolling   = &door{words: socketIOWords, enter: enterPolling, offers: signature{said: true, arrives: true}}
)

// enterNative connects and waits for the welcome.
func enterNative(ctx context.Context, who client) (link, string, error) {
	query := url.Values{"user": {who.name}}
	if who.room != "" {
		query.Set("room", who.room)
	}
	s, err := dialSocket(ctx, who.server, "/ws?"+query.Encode())
	if err != nil {
		return nil, "", err
	}
	err = talk(ctx, s, func() error {
		first, err := s.next()
		if err == nil && string(nativeWords.event(first)) != "welcome" {
			err = fmt.Errorf("the first frame is %.200q", first)
		}
		return err
	})
	return s, who.name, err
}

// enterWebSocket connects with WebSocket at once, and waits until Socket.IO's CONNECT is answered.
func enterWebSocket(ctx context.Context, who client) (link, string, error) {
	s, err := dialSocket(ctx, who.server, enginePath+"&transport=websocket")
	if err != nil {
		return nil, "", err
	}
	l := &engineSocket{socket: s}
	user := ""
	err = talk(ctx, l, func() error {
		packet, err := l.socket.next()
		if err != nil {
			return err
		}
		if _, err := readOpen(packet); err != nil {
			return err
		}
		if err := l.send(connectPacket(who.room)); err != nil {
			return err
		}
		user, err = readConnect(l.socket.next())
		return err
	})
	return l, user, err
}

// enterPolling connects with long polling, stays with it, and waits until Socket.IO's CONNECT is answered.
func enterPolling(ctx context.Context, who client) (link, string, error) {
	l := newPolling(who.server)
	user := ""
	err := talk(ctx, l, func() error {
		if err := l.open(); err != nil {
			return err
		}
		if err := l.post(connectPacket(who.room)); err != nil {
			return err
		}
		var err error
		user, err = readConnect(l.next())
		return err
	})
	return l, user, err
}

// talk is what is said before a client has entered. It ends when ctx does; after an error the link is closed.
func talk(ctx context.Context, l link, say func() error) error {
	stop := context.AfterFunc(ctx, l.close)
	err := say()
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.close()
	}
	return err
}

// connectPacket asks to be let in (Socket.IO 5, CONNECT in an Engine.IO message).
func connectPacket(room string) []byte {
	if room == "" {
		return []byte("40")
	}
	return fmt.Appendf(nil, `40{"room":"%s"}`, room)
}

// readConnect takes the user's id from the answer to that, unless there is none.
func readConnect(packet []byte, err error) (user string, _ error) {
	if err != nil {
		return "", err
	}
	var answer struct{ SID string }
	if err := readPacket(packet, "40", &answer); err != nil {
		return "", err
	}
	if answer.SID == "" {
		return "", errors.New("a CONNECT without a sid")
	}
	return answer.SID, nil
}

// readPacket reads a packet of that type.
func readPacket(packet []byte, kind string, into any) error {
	if len(packet) < len(kind) || string(packet[:len(kind)]) != kind {
		return fmt.Errorf("%.200q where a packet %s was to come", packet, kind)
	}
	if err := json.Unmarshal(packet[len(kind):], into); err != nil {
		return fmt.Errorf("packet %.200q: %w", packet, err)
	}
	return nil
}
