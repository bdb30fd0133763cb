package ws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// The door finds its connections under TLS, too, and ends them as well.
func TestTLS(t *testing.T) {
	f := start(t, setup{tls: true})
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: patience}
	open := func(user string) *client {
		ws, _, err := d.Dial("wss://"+f.address+"/ws?user="+user, nil)
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
	if err := f.hub.Drain(t.Context(), 0); err != nil {
		t.Error(err)
	}
	bob.endsWith(websocket.CloseServiceRestart)
}
