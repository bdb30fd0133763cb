package ws

import (
	"crypto/tls"
	"testing"

	"github.com/gorilla/websocket"
)

// The door finds its connections under TLS, too, and ends them as well.
func TestTLS(t *testing.T) {
	f := start(t, setup{tls: true})
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: patience}
	open := func(user string) *client {
		ws, _, err := d.Dial("wss://"+f.Address+"/ws?user="+user, nil)
		if err != nil {
			t.Fatal(err)
		}
		return newClient(t, ws)
	}
	alice, bob := open("alice"), open("bob")
	if h := alice.event(); h.Event != "welcome" {
		t.Errorf("heard %s", h)
	}
	if h := bob.event(); h.Event != "welcome" {
		t.Errorf("heard %s", h)
	}
	if h := alice.ask(`{"event":"refuse","id":"1","data":{"to":"bob"}}`); h.text("status") != `"delivered"` {
		t.Errorf("heard %s", h)
	}
	if h := bob.event(); h.Event != "refuse" {
		t.Errorf("heard %s", h)
	}
	if err := f.Hub.Drain(t.Context(), 0); err != nil {
		t.Error(err)
	}
	bob.endsWith(websocket.CloseServiceRestart)
}
