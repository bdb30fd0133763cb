package tamper

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// goodbye is for how long one side may take to answer the other's close frame.
const goodbye = 5 * time.Second

// relay is a WebSocket that goes through the proxy.
type relay struct{ page, gateway *lane }

// lane is where the frames for one side go.
type lane struct {
	*websocket.Conn
	writing sync.Mutex
}

func (l *lane) write(m message) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return l.WriteMessage(m.format, m.text)
}

func (l *lane) control(format int, data []byte) {
	_ = l.WriteControl(format, data, time.Now().Add(patience)) // if it cannot be said, the reader finds out why
}

// message is a WebSocket's: text or binary.
type message struct {
	format int
	text   []byte
}

// own are the headers of a handshake that are not passed on, because each side's handshake has its own.
var own = []string{
	"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol",
}

// relay connects to the gateway as the page would, and passes on what they say.
func (p *Proxy) relay(w http.ResponseWriter, r *http.Request) {
	header := r.Header.Clone()
	for _, name := range own {
		header.Del(name)
	}
	header.Set("Host", r.Host)
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: websocket.Subprotocols(r)}
	far, answer, err := dialer.DialContext(r.Context(), "ws://"+p.target()+r.URL.RequestURI(), header)
	if err != nil {
		if answer == nil {
			vanish(w)
			return
		}
		answer.Header.Del("Content-Length")
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
		return
	}
	upgrader := websocket.Upgrader{
		CheckOrigin: func(*http.Request) bool { return true }, // the gateway has
	}
	chosen := make(http.Header)
	if protocol := far.Subprotocol(); protocol != "" {
		chosen.Set("Sec-Websocket-Protocol", protocol)
	}
	near, err := upgrader.Upgrade(w, r, chosen)
	if err != nil {
		abort(far.NetConn())
		return
	}
	rl := &relay{page: &lane{Conn: near}, gateway: &lane{Conn: far}}
	p.mu.Lock()
	p.relays[rl] = true
	ended := p.ended
	p.mu.Unlock()
	if ended {
		rl.cut() // by ourselves, for nobody does any more
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		p.pump(ToPage, rl.gateway, rl.page)
	}()
	p.pump(FromPage, rl.page, rl.gateway)
	<-back
	p.mu.Lock()
	delete(p.relays, rl)
	p.mu.Unlock()
	_, _ = near.Close(), far.Close()
}

func (r *relay) cut() {
	abort(r.page.NetConn())
	abort(r.gateway.NetConn())
}

// pump passes on what one side says, pings and the end included.
func (p *Proxy) pump(d Direction, from, to *lane) {
	from.SetPingHandler(func(data string) error {
		to.control(websocket.PingMessage, []byte(data))
		return nil
	})
	from.SetPongHandler(func(data string) error {
		to.control(websocket.PongMessage, []byte(data))
		return nil
	})
	for {
		format, text, err := from.ReadMessage()
		if err == nil {
			err = p.passOn(d, to, message{format, text})
		}
		var closing *websocket.CloseError
		switch {
		case err == nil:
		case errors.As(err, &closing) && closing.Code != websocket.CloseAbnormalClosure:
			to.control(websocket.CloseMessage, websocket.FormatCloseMessage(closing.Code, closing.Text))
			_ = to.SetReadDeadline(time.Now().Add(goodbye))
			return
		default:
			abort(to.NetConn())
			return
		}
	}
}
