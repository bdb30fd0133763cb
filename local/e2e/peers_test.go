package e2e

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"beckon/local"
	"beckon/local/client"
)

// Two WebRTC peers that know nothing of each other but what the gateways relay open a data channel and talk over it.
func TestPeersConnect(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]local.Options{
		"two gateways":          {Gateways: 2},
		"two leaves of one hub": {Gateways: 2, Edge: true},
		"one gateway for both":  {Gateways: 1},
		"one leaf for both":     {Gateways: 1, Edge: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack := start(t, options)
			caller := newPeer(t, dial(t, stack, 0, client.Options{User: "alice"}))
			callee := newPeer(t, dial(t, stack, options.Gateways-1, client.Options{User: "bob ☎"}))
			shows(t, caller.signaling, "alice", "bob ☎")

			callee.finished.Go(func() { callee.serve(t) })
			said := caller.call(t, "bob ☎")
			select {
			case got := <-said:
				if got != "hello alice" {
					t.Errorf("the callee said %q", got)
				}
			case <-limited(t).Done():
				t.Fatal("no data channel")
			}
		})
	}
}

// peer is a pion peer with its signaling.
type peer struct {
	signaling *client.Client
	conn      *webrtc.PeerConnection
	finished  sync.WaitGroup // of its candidate reader
}

func newPeer(t *testing.T, c *client.Client) *peer {
	t.Helper()
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	conn, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{signaling: c, conn: conn}
	t.Cleanup(func() {
		if err := conn.GracefulClose(); err != nil {
			t.Errorf("close a peer: %v", err)
		}
		c.Close()
		p.finished.Wait()
	})
	return p
}

// trickle sends each candidate as it is found, and takes those that arrive.
func (p *peer) trickle(t *testing.T, to, toSession string) {
	p.conn.OnICECandidate(func(found *webrtc.ICECandidate) {
		data := object{"to": to, "candidate": nil}
		if toSession != "" {
			data["toSession"] = toSession
		}
		if found != nil {
			init := found.ToJSON()
			data["candidate"], data["sdpMid"], data["sdpMLineIndex"] = init.Candidate, init.SDPMid, init.SDPMLineIndex
			data["usernameFragment"] = init.UsernameFragment
		}
		if err := p.signaling.Send("iceCandidate", "", data); err != nil {
			t.Logf("a candidate was not sent: %v", err)
		}
	})
}

// receive adds the remote candidates until the connection ends. Call it once there is a remote description.
func (p *peer) receive(t *testing.T) {
	p.finished.Go(func() {
		for {
			f, err := p.signaling.Event(t.Context(), "remoteIceCandidate")
			if err != nil {
				return
			}
			var init webrtc.ICECandidateInit
			if err := json.Unmarshal(f.Data, &init); err != nil || init.Candidate == "" {
				continue // the end of candidates
			}
			if err := p.conn.AddICECandidate(init); err != nil {
				t.Errorf("add a candidate: %v", err)
			}
		}
	})
}

// call offers a data channel and gives what the other side says first.
func (p *peer) call(t *testing.T, to string) <-chan string {
	t.Helper()
	said := make(chan string, 1) // one word is waited for, and sent
	channel, err := p.conn.CreateDataChannel("talk", nil)
	if err != nil {
		t.Fatal(err)
	}
	channel.OnOpen(func() {
		if err := channel.SendText("this is alice"); err != nil {
			t.Errorf("speak: %v", err)
		}
	})
	channel.OnMessage(func(m webrtc.DataChannelMessage) { said <- string(m.Data) })
	p.trickle(t, to, "")
	offer, err := p.conn.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.conn.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	outcome(t, p.signaling, "offer", object{
		"to": to, "callId": "c1", "offerSDP": offer.SDP, "offerType": "offer", "audioOnly": false,
	}, "delivered")
	answer := event(t, p.signaling, "answer")
	if answer.Text("from") != to || answer.Text("callId") != "c1" {
		t.Errorf("the answer is from %q in call %q", answer.Text("from"), answer.Text("callId"))
	}
	err = p.conn.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.Text("answerSDP")})
	if err != nil {
		t.Fatal(err)
	}
	p.receive(t)
	return said
}

// serve answers one offer and replies to the first word.
func (p *peer) serve(t *testing.T) {
	if err := p.answer(t); err != nil && t.Context().Err() == nil {
		t.Errorf("the callee: %v", err)
	}
}

func (p *peer) answer(t *testing.T) error {
	p.conn.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnMessage(func(m webrtc.DataChannelMessage) {
			if string(m.Data) == "this is alice" {
				_ = channel.SendText("hello alice")
			}
		})
	})
	offer, err := p.signaling.Event(t.Context(), "offer")
	if err != nil {
		return err
	}
	p.trickle(t, offer.Text("from"), offer.Text("fromSession"))
	err = p.conn.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.Text("offerSDP")})
	if err != nil {
		return fmt.Errorf("set the offer: %w", err)
	}
	p.receive(t)
	answer, err := p.conn.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("make an answer: %w", err)
	}
	if err := p.conn.SetLocalDescription(answer); err != nil {
		return fmt.Errorf("set the answer: %w", err)
	}
	return p.signaling.Send("answer", "", object{
		"to": offer.Text("from"), "toSession": offer.Text("fromSession"), "callId": offer.Text("callId"),
		"answerSDP": answer.SDP, "answerType": "answer",
	})
}
