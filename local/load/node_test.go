package load

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"beckon/local/npm"
)

// testNode is the Node server; without Node.js the test is skipped.
func testNode(t *testing.T) *nodeServer {
	t.Helper()
	npm.Node(t, "node")
	node, err := findNode(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// listener is a client that hears what the Node server says.
type listener struct {
	link  link
	user  string
	heard chan []any // the events with their arguments
	ended chan struct{}
}

func listenAt(t *testing.T, d *door, server string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), handshakeTimeout)
	defer cancel()
	conn, user, err := d.enter(ctx, client{server: server})
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{link: conn, user: user, heard: make(chan []any, 100), ended: make(chan struct{})} // more than is said
	go func() {
		defer close(l.ended)
		_ = conn.receive(func(packet []byte) error {
			var event []any
			if err := readPacket(packet, "42", &event); err != nil {
				t.Error(err)
			}
			l.heard <- event
			return nil
		})
	}()
	t.Cleanup(l.leave)
	return l
}

func (l *listener) leave() {
	l.link.close()
	<-l.ended
}

func (l *listener) hears(t *testing.T, want string) {
	t.Helper()
	var event []any
	if err := json.Unmarshal([]byte(strings.NewReplacer("'", `"`).Replace(want)), &event); err != nil {
		t.Fatal(err)
	}
	if got := take(t, l.heard); !reflect.DeepEqual(got, event) {
		t.Errorf("heard %v, want %v", got, event)
	}
}

func (l *listener) says(t *testing.T, packet string) {
	t.Helper()
	if err := l.link.send([]byte(strings.ReplaceAll(packet, "'", `"`))); err != nil {
		t.Fatal(err)
	}
}

// The server for comparison does what the tutorials' does.
func TestNodeServer(t *testing.T) {
	s, err := testNode(t).start(t.Context(), slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	alice := listenAt(t, overWebSocket, s.listen[0])
	alice.hears(t, `['updateUserlist',{'userList':['`+alice.user+`']}]`)
	bob := listenAt(t, overPolling, s.listen[0])
	both := `['updateUserlist',{'userList':['` + alice.user + `','` + bob.user + `']}]`
	alice.hears(t, both)
	bob.hears(t, both)

	alice.says(t, `42['offer',{'to':'`+bob.user+`','from':'A','offerSDP':'v=0','offerType':'offer','audioOnly':false,'more':1}]`)
	bob.hears(t, `['offer',{'from':'A','offerSDP':'v=0','offerType':'offer','audioOnly':false}]`)
	bob.says(t, `42['answer',{'to':'`+alice.user+`','answerSDP':'v=0','answerType':'answer'}]`)
	alice.hears(t, `['answer',{'answerSDP':'v=0','answerType':'answer'}]`)
	bob.says(t, `42['iceCandidate',{'to':'`+alice.user+`','candidate':'candidate:1','sdpMid':'0','sdpMLineIndex':0}]`)
	alice.hears(t, `['remoteIceCandidate',{'to':'`+alice.user+`','candidate':'candidate:1','sdpMid':'0','sdpMLineIndex':0}]`)
	for _, event := range []string{"refuse", "disconnectPeer"} {
		alice.says(t, `42['`+event+`',{'to':'`+bob.user+`'}]`)
		bob.hears(t, `['`+event+`']`)
	}
	bob.says(t, `41`) // a connection that ends between two polls would not be noticed for long
	alice.hears(t, `['updateUserlist',{'userList':['`+alice.user+`']}]`)
}

func TestNodeServerSaysHowToStartIt(t *testing.T) {
	for _, args := range [][]string{{"--lists"}, {"--no-lists", "--no-lists"}} {
		_, err := testNode(t).start(t.Context(), slog.New(slog.DiscardHandler), nil, args...)
		if err == nil || !strings.Contains(err.Error(), "usage: node server.js HOST:PORT [--no-lists]") {
			t.Errorf("with %q: %v", args, err)
		}
	}
}

func TestNoNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := findNode(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "find Node.js") {
		t.Errorf("without Node.js: %v", err)
	}
}

func TestMemoryOfNodeIsReadAfterACollection(t *testing.T) {
	var answers []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/memory" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = w.Write([]byte(answers[0]))
		answers = answers[1:]
	}))
	defer server.Close()
	answers = []string{`{"resident":9e6,"live":8e6}`, `{"resident":3e6,"live":2e6}`}
	m, err := memoryOfNode(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	if err != nil || m != (memory{3e6, 2e6}) || len(answers) > 0 {
		t.Errorf("%+v, %v, %d answers left", m, err, len(answers))
	}
	for _, bad := range []string{"", "{", "{}", `{"resident":3e6}`} {
		answers = []string{bad, bad}
		if m, err := memoryOfNode(t.Context(), strings.TrimPrefix(server.URL, "http://")); err == nil {
			t.Errorf("%q became %+v", bad, m)
		}
	}
}
