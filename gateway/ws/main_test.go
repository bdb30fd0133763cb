package ws

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"beckon/gateway/roster"
	"beckon/gateway/session"
	"beckon/gateway/socket"
	"beckon/shared/bus"
	"beckon/shared/embednats"
	"beckon/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the deadline of whatever happens at once on an idle machine, and of what takes the door five seconds.
const patience = 30 * time.Second

var discard = slog.New(slog.DiscardHandler)

// link is a NATS server and the one way to it, which a test can cut.
type link struct {
	*embednats.Server

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// InProcessConn implements nats.InProcessConnProvider.
func (l *link) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.New("refused")
	}
	conn, err := l.Server.InProcessConn()
	l.conns = append(l.conns, conn)
	return conn, err
}

// setup is what a test may want otherwise.
type setup struct {
	options     func(*Options)
	door        func(*Door) // before anybody connects
	maxSessions int
	budget      socket.Budget
	tls         bool
	narrow      bool // the kernel keeps little of what clients do not read
}

// narrow is a listener for that. Its connections count their writes.
type narrow struct{ net.Listener }

type narrowConn struct {
	*net.TCPConn
	writes atomic.Int32
}

func (l narrow) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	return &narrowConn{TCPConn: tcp}, tcp.SetWriteBuffer(4 << 10)
}

func (c *narrowConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

// fixture is a door with all that is behind it, on a real socket.
type fixture struct {
	t       testing.TB
	door    *Door
	hub     *session.Hub
	conn    *bus.Conn
	link    *link
	metrics *prometheus.Registry
	address string
	changes chan bool // of the link to NATS
}

func start(t testing.TB, s setup) *fixture {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	end := func(what string, f func(context.Context) error) {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := f(ctx); err != nil {
				t.Errorf("end %s: %v", what, err)
			}
		})
	}
	const name = "gw-test"
	incarnation := wire.NewID()
	server, err := embednats.Start(t.Context(), embednats.Options{Name: "test", Log: discard})
	must(err)
	end("NATS", server.Shutdown)
	f := &fixture{
		t: t, link: &link{Server: server}, metrics: prometheus.NewPedanticRegistry(),
		changes: make(chan bool, 100), // more than any test makes
	}
	f.conn, err = bus.Connect(bus.Options{InProcess: f.link, Name: "test", Log: discard})
	must(err)
	end("connection", f.conn.Close)
	f.conn.Watch(func(up bool) { f.changes <- up })
	<-f.changes
	announcer, err := bus.NewAnnouncer(f.conn, name, incarnation, discard)
	must(err)
	end("announcer", announcer.Close)
	lists, err := roster.New(roster.Options{Gateway: name, Conn: f.conn, Log: discard})
	must(err)
	following, stop := context.WithCancel(context.Background())
	followed := make(chan error, 1)
	go func() { followed <- lists.Run(following) }()
	end("roster", func(context.Context) error {
		stop()
		return <-followed
	})
	if s.maxSessions == 0 {
		s.maxSessions = 10_000
	}
	metrics := session.NewMetrics(f.metrics)
	f.hub, err = session.NewHub(session.Options{
		Gateway: name, Incarnation: incarnation, Conn: f.conn, Roster: lists, Announcer: announcer,
		MaxSessions: s.maxSessions, Metrics: metrics, Log: discard,
	})
	must(err)
	t.Cleanup(f.hub.Close)

	o := Options{
		Hub: f.hub, Conn: f.conn, Rates: Rates{Frames: 1000, Bytes: 4 << 20}, Metrics: metrics, Log: discard,
	}
	if s.options != nil {
		s.options(&o)
	}
	f.door = New(o)
	if s.door != nil {
		s.door(f.door)
	}
	if s.budget == (socket.Budget{}) {
		s.budget = socket.Budget{Bytes: 1 << 30, Reads: 1 << 30}
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	f.address = tcp.Addr().String()
	web := &http.Server{
		Handler: f.door, ConnContext: socket.Context, ReadHeaderTimeout: patience,
		ErrorLog: slog.NewLogLogger(discard.Handler(), slog.LevelDebug),
	}
	if s.narrow {
		tcp = narrow{tcp}
	}
	listener := socket.Listen(tcp, s.budget, 10_000)
	served := make(chan error, 1)
	if s.tls {
		web.TLSConfig = selfSigned(t)
		go func() { served <- web.ServeTLS(listener, "", "") }()
	} else {
		go func() { served <- web.Serve(listener) }()
	}
	end("door", func(ctx context.Context) error {
		err := f.hub.Drain(ctx, 0)
		f.door.Wait()
		return errors.Join(err, web.Close(), ignoring(http.ErrServerClosed, <-served))
	})
	return f
}

func ignoring(fine, err error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}

// setLink cuts the link to NATS or mends it, and returns when that is known here.
func (f *fixture) setLink(up bool) {
	f.t.Helper()
	f.link.mu.Lock()
	f.link.cut = !up
	if !up {
		for _, c := range f.link.conns {
			c.Close()
		}
		f.link.conns = nil
	}
	f.link.mu.Unlock()
	select {
	case got := <-f.changes:
		if got != up {
			f.t.Fatalf("link is up: %v", got)
		}
	case <-time.After(patience):
		f.t.Fatalf("link is not up=%v", up)
	}
}

// metric is the sum over a metric's label values that contain value.
func (f *fixture) metric(name, value string) (sum float64) {
	f.t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			if value == "" || slices.Contains(labels, value) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// connOf is the door's end of a user's connection.
func (f *fixture) connOf(user string) *conn {
	f.t.Helper()
	sessions, err := f.door.melody.Sessions()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range sessions {
		if c := connOf(s); c.login.user == user {
			return c
		}
	}
	f.t.Fatalf("%s has no connection", user)
	return nil
}

// awaitSessions waits until so many sessions are here.
func (f *fixture) awaitSessions(n int) {
	f.t.Helper()
	f.await("so many sessions", func() bool { return f.hub.Sessions() == n })
}

// await waits for what nobody tells.
func (f *fixture) await(what string, good func() bool) {
	f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !good(); {
		select {
		case <-tick.C:
		case <-deadline:
			f.t.Fatalf("not %s", what)
		}
	}
}

// client is the other end of a connection. Nothing reads from it but its methods.
type client struct {
	t  testing.TB
	ws *websocket.Conn
}

// heard is a frame as a client hears it.
type heard struct {
	Event string          `json:"event"`
	ID    *string         `json:"id"`
	Data  json.RawMessage `json:"data"`
}

func (h heard) String() string {
	b, _ := json.Marshal(h)
	return string(b)
}

// text is a member of the data as it was written.
func (h heard) text(member string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(h.Data, &members); err != nil {
		return err.Error()
	}
	return string(members[member])
}

// dial connects: a client, or the answer of a gateway that does not upgrade.
func (f *fixture) dial(query string, header http.Header) (*client, *http.Response) {
	f.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience}
	ws, resp, err := d.Dial("ws://"+f.address+"/ws?"+query, header)
	if err != nil {
		if !errors.Is(err, websocket.ErrBadHandshake) {
			f.t.Fatal(err)
		}
		return nil, resp
	}
	return newClient(f.t, ws), resp
}

func newClient(t testing.TB, ws *websocket.Conn) *client {
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, ws: ws}
}

// open connects and waits for nothing.
func (f *fixture) open(query string) *client {
	f.t.Helper()
	c, resp := f.dial(query, nil)
	if c == nil {
		f.t.Fatalf("refused with %s", resp.Status)
	}
	return c
}

// login connects and waits for the welcome and the list.
func (f *fixture) login(user string) *client {
	f.t.Helper()
	c := f.open("user=" + user)
	for _, want := range []string{"welcome", "updateUserlist"} {
		if h := c.next(); h.Event != want {
			f.t.Fatalf("heard %s, want %s", h, want)
		}
	}
	return c
}

func (c *client) send(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// next is the next frame, whatever it is.
func (c *client) next() heard {
	c.t.Helper()
	h, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	return h
}

func (c *client) read() (heard, error) {
	kind, msg, err := c.ws.ReadMessage()
	if err != nil {
		return heard{}, err
	}
	var h heard
	d := json.NewDecoder(strings.NewReader(string(msg)))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil || kind != websocket.TextMessage || h.Event == "" {
		c.t.Errorf("heard %q: %v", msg, err)
	}
	return h, nil
}

// event is the next frame that is no list.
func (c *client) event() heard {
	c.t.Helper()
	for {
		if h := c.next(); !h.isList() {
			return h
		}
	}
}

func (h heard) isList() bool { return h.Event == "updateUserlist" || h.Event == "userlistDelta" }

// hears checks the next frame that is no list.
func (c *client) hears(want string) {
	c.t.Helper()
	if got := c.event().String(); got != want {
		c.t.Errorf("heard %s, want %s", got, want)
	}
}

// ask sends a frame with an id and waits for what is said with that id.
func (c *client) ask(text string) heard {
	c.t.Helper()
	c.send(text)
	return c.answer()
}

func (c *client) answer() heard {
	c.t.Helper()
	for {
		if h := c.next(); h.ID != nil {
			return h
		}
	}
}

// serves checks that a connection still does.
func (c *client) serves() {
	c.t.Helper()
	if h := c.ask(`{"event":"sync","id":"still here"}`); h.Event != "ack" || *h.ID != "still here" {
		c.t.Errorf("heard %s", h)
	}
}

// ends reads to the end of the connection and closes it, and gives what is heard until then and how it ends.
func (c *client) ends() ([]heard, error) {
	c.t.Helper()
	var all []heard
	for {
		h, err := c.read()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				c.t.Fatal("the connection does not end")
			}
			c.ws.Close()
			return all, err
		}
		all = append(all, h)
	}
}

// endsWith checks the close code.
func (c *client) endsWith(code int) []heard {
	c.t.Helper()
	all, err := c.ends()
	if !websocket.IsCloseError(err, code) {
		c.t.Errorf("ended by %v, want code %d", err, code)
	}
	return all
}

// isCut checks that the connection ends without a word.
func (c *client) isCut() {
	c.t.Helper()
	_, err := c.ends()
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		c.t.Errorf("ended by %v", err)
	}
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
