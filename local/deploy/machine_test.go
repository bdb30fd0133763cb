package deploy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"beckon/local/proc"
)

// unit is what a systemd unit says: every value of a key, over all sections.
func unit(t *testing.T, service string) map[string][]string {
	t.Helper()
	u := map[string][]string{}
	for line := range strings.Lines(read(t, unitFile(service))) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && key[0] != '#' {
			u[key] = append(u[key], value)
		}
	}
	return u
}

func unitFile(service string) string {
	return filepath.Join(docs, "systemd", "beckon-"+service+".service")
}

func TestUnits(t *testing.T) {
	for _, service := range []string{"gateway", "presence"} {
		u := unit(t, service)
		if !slices.Equal(u["ExecStart"], []string{"/usr/local/bin/beckon-" + service}) ||
			!slices.Equal(u["EnvironmentFile"], []string{"-/etc/beckon/" + service + ".env"}) ||
			!slices.Equal(u["User"], []string{"beckon"}) || !slices.Equal(u["Restart"], []string{"always"}) ||
			!slices.Equal(u["StartLimitIntervalSec"], []string{"0"}) {
			t.Errorf("%s: %v", service, u)
		}
		// presence has 5 s for its steps at most, a gateway --drain and ten seconds more.
		grace, err := strconv.Atoi(u["TimeoutStopSec"][0])
		if least := map[string]int{"gateway": 15, "presence": 5}[service]; err != nil || grace < least {
			t.Errorf("%s is killed after %d s (%v), want %d at least", service, grace, err, least)
		}
		if service == "gateway" && !slices.Equal(u["LimitNOFILE"], []string{"65536"}) {
			t.Errorf("%s: LimitNOFILE %q", service, u["LimitNOFILE"])
		}

		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Log("systemd-analyze is not installed, so that systemd itself has not seen the unit")
			continue
		}
		// It looks for the program, too.
		here := strings.Replace(read(t, unitFile(service)), u["ExecStart"][0], image(t, service).binary, 1)
		file := write(t, filepath.Join(t.TempDir(), "beckon-"+service+".service"), here)
		if out, err := exec.CommandContext(limited(t), analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify %s: %v\n%s", service, err, out)
		}
	}
}

// One machine as docs/deploy.md has it: two processes, and clients by TLS. What the page says to watch is there.
func TestOneMachine(t *testing.T) {
	p := deployPage(t)
	dir := t.TempDir()
	certificate(t, dir)
	nats := freeAddress(t)
	local := strings.NewReplacer("127.0.0.1:4222", nats, "/etc/beckon/tls", dir)
	presence := run(t, "presence", locally(p.variables(t, "One machine", "/etc/beckon/presence.env"), local))
	vars := locally(p.variables(t, "One machine", "/etc/beckon/gateway.env"), local)
	if help := flagsOf(t, "gateway").help; !strings.Contains(strings.Join(strings.Fields(help), " "), "nats://127.0.0.1:4222 unless told otherwise") {
		t.Errorf("the gateway does not look for NATS where presence has it:\n%s", help)
	}
	vars["BECKON_NATS"] = "nats://" + nats // the default, at the address that it has here
	for name, value := range p.variables(t, "STUN and TURN", "/etc/beckon/gateway.env") {
		vars[name] = value
	}
	gateway := run(t, "gateway", vars)

	secure := tls.Config{RootCAs: x509.NewCertPool()}
	secure.RootCAs.AppendCertsFromPEM([]byte(read(t, filepath.Join(dir, "hub-ca.pem"))))
	dialer := websocket.Dialer{TLSClientConfig: &secure, HandshakeTimeout: patience}
	dial := func(user, origin string) (*websocket.Conn, error) {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		ws, resp, err := dialer.DialContext(limited(t), "wss://"+gateway.listen+"/ws?user="+url.QueryEscape(user), header)
		if resp != nil {
			resp.Body.Close()
		}
		return ws, err
	}
	frame := func(ws *websocket.Conn, want ...string) {
		t.Helper()
		if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, msg, err := ws.ReadMessage()
		for _, part := range want {
			if !strings.Contains(string(msg), part) {
				t.Errorf("got %s (%v), want %s", msg, err, part)
			}
		}
	}
	ws, err := dial("alice", "https://"+gateway.listen)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	frame(ws, `"event":"welcome"`, `"turns:turn.example.org:5349"`, `"credential":"TURN-PASSWORD"`)
	frame(ws, `"userList":["alice"]`)

	// Some metrics are there only once they count something.
	if _, err := dial("mallory", "https://elsewhere.example.org"); !errors.Is(err, websocket.ErrBadHandshake) {
		t.Errorf("a stranger's page: %v", err)
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	frame(ws, `"bad_frame"`)
	bad, err := dial(strings.Repeat("x", 129), "")
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	frame(bad, `"bad_user"`)
	frame(bad)

	metrics := map[string]string{}
	for name, r := range map[string]*running{"gateway": gateway, "presence": presence} {
		if metrics[name], err = get(limited(t), "http://"+r.ops+"/metrics"); err != nil {
			t.Fatal(err)
		}
	}
	rows := 0
	for line := range strings.Lines(p.prose) {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !metricName.MatchString(cells[0]) || strings.Contains(cells[1], "--leaf") {
			continue // the tests of package gateway hold what only gateways at the edge have
		}
		rows++
		for _, m := range metricName.FindAllStringSubmatch(cells[0], -1) {
			for service, all := range metrics {
				has := regexp.MustCompile(`(?m)^` + m[1] + `(_count)?[ {]`).MatchString(all)
				if want := strings.HasPrefix(cells[1], service) || cells[1] == "both"; has != want {
					t.Errorf("%s: %s has it: %v, and docs/deploy.md says %v", m[1], service, has, want)
				}
			}
		}
	}
	if rows < 10 {
		t.Errorf("only %d rows of metrics in docs/deploy.md", rows)
	}
	for _, m := range metricName.FindAllStringSubmatch(p.prose, -1) {
		if m[1] != "beckon_hub_linked" && !strings.Contains(metrics["gateway"]+metrics["presence"], "\n"+m[1]) {
			t.Errorf("docs/deploy.md speaks of %s, which is no metric", m[1])
		}
	}
}

var metricName = regexp.MustCompile("`((?:beckon|process)_[a-z_]+)`")

// The balancer of docs/deploy.md: its clients come to a gateway that is ready, and one that stops lets them go to the other.
func TestBalancer(t *testing.T) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		t.Log("haproxy is not installed, so that haproxy.cfg is as it was when it last was")
		return
	}
	dir := t.TempDir()
	certificate(t, dir)
	pem := write(t, filepath.Join(dir, "meet.pem"), read(t, filepath.Join(dir, "fullchain.pem"))+read(t, filepath.Join(dir, "privkey.pem")))
	// One port for clients and one for operators, at two addresses of this machine.
	port := func() string { return freeAddress(t)[len("127.0.0.1:"):] }
	nats, front, listen, ops := freeAddress(t), freeAddress(t), port(), port()
	run(t, "presence", map[string]string{"BECKON_EMBED_NATS": nats})
	var gateways []*running
	for _, host := range []string{"127.0.0.11", "127.0.0.12"} {
		gateways = append(gateways, runAt(t, "gateway", host+":"+listen, host+":"+ops, map[string]string{
			"BECKON_NATS": "nats://" + nats, "BECKON_DRAIN": "3s",
		}))
	}
	config := strings.NewReplacer("bind :443", "bind "+front, "/etc/haproxy/meet.pem", pem, "maxconn 120000", "maxconn 1000",
		"gw-1.internal:9000", "127.0.0.11:"+listen, "gw-2.internal:9000", "127.0.0.12:"+listen, "port 9100", "port "+ops,
	).Replace(read(t, filepath.Join(docs, "haproxy.cfg")))
	file := write(t, filepath.Join(dir, "haproxy.cfg"), config)
	balancer := proc.New(proc.Spec{Name: "haproxy", Path: path, Args: []string{"-db", "-f", file}, Ready: proc.Listening(front)})
	t.Cleanup(balancer.Kill)
	if err := balancer.Start(limited(t)); err != nil {
		t.Fatal(err)
	}

	secure := tls.Config{RootCAs: x509.NewCertPool()}
	secure.RootCAs.AppendCertsFromPEM([]byte(read(t, filepath.Join(dir, "hub-ca.pem"))))
	dialer := websocket.Dialer{TLSClientConfig: &secure, HandshakeTimeout: patience}
	dial := func(ctx context.Context) *websocket.Conn {
		t.Helper()
		ws, _, err := dialer.DialContext(ctx, "wss://"+front+"/ws", http.Header{"Origin": {"https://" + front}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.Close() })
		return ws
	}
	var clients []*websocket.Conn
	for range 20 {
		clients = append(clients, dial(limited(t)))
	}
	for _, g := range gateways {
		if text, err := get(limited(t), "http://"+g.ops+"/metrics"); err != nil || !strings.Contains(text, "\nbeckon_sessions 10\n") {
			t.Errorf("a gateway has not half of the clients (%v)", err)
		}
	}

	stopped := make(chan error, 1)
	go func() { stopped <- gateways[0].Stop(context.WithoutCancel(t.Context())) }()
	newcomers := 0
	for done := false; !done; {
		select {
		case err := <-stopped:
			if err != nil {
				t.Error(err)
			}
			done = true
		default:
			dial(limited(t))
			newcomers++
		}
	}
	if newcomers < 20 {
		t.Errorf("only %d newcomers while a gateway stopped", newcomers)
	}
	// 1012 for half of the first, and nothing for the others.
	ends := make(chan error, len(clients))
	for _, ws := range clients {
		if err := ws.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					ends <- err
					return
				}
			}
		}()
	}
	gone := 0
	for range clients {
		var late net.Error
		if err := <-ends; websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			gone++
		} else if !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("a client: %v", err)
		}
	}
	if gone != 10 {
		t.Errorf("%d clients were told that their gateway restarts, want 10", gone)
	}

	if err := gateways[1].Stop(limited(t)); err != nil {
		t.Fatal(err)
	}
	_, resp, err := dialer.DialContext(limited(t), "wss://"+front+"/ws", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" {
		t.Errorf("without any gateway: %v, %+v", err, resp)
	}
}
