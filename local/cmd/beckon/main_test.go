package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"beckon/local/lan"
)

// patience bounds every wait.
const patience = 60 * time.Second

// asMain makes this program beckon itself.
const asMain = "BECKON_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestMessage(t *testing.T) {
	for name, test := range map[string]struct {
		where where
		want  string
	}{
		"for this machine": {
			where{clients: "127.0.0.1:9000", nats: "nats://127.0.0.1:4222", ops: "127.0.0.1:9100"},
			`
Beckon is ready.

  page       http://127.0.0.1:9000/ (open it in two tabs)
  clients    ws://127.0.0.1:9000/ws?user=alice
  NATS       nats://127.0.0.1:4222
  operators  http://127.0.0.1:9100/readyz

`,
		},
		"on every interface, and nobody operates": {
			where{clients: "0.0.0.0:80", nats: "nats://127.0.0.1:4222"},
			`
Beckon is ready.

  page       http://127.0.0.1:80/ (open it in two tabs)
  clients    ws://127.0.0.1:80/ws?user=alice
  NATS       nats://127.0.0.1:4222

`,
		},
		"for this machine, by https": {
			where{clients: "127.0.0.1:9000", nats: "nats://127.0.0.1:4222", https: true},
			`
Beckon is ready.

  page       https://127.0.0.1:9000/ (open it in two tabs)
  clients    wss://127.0.0.1:9000/ws?user=alice
  NATS       nats://127.0.0.1:4222

`,
		},
		"for the network": {
			where{
				clients: "[::]:9000", nats: "nats://127.0.0.1:4222", ops: "127.0.0.1:9100", https: true, selfMade: true,
				lan: []netip.Addr{netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("fd00::7")},
			},
			`
Beckon is ready.

  page       https://192.168.1.7:9000/
             https://[fd00::7]:9000/
             https://localhost:9000/ on this machine

  The browser warns once that it does not know the certificate: this machine made it for itself, because
  nobody certifies private addresses, and without HTTPS a phone gives a page no camera. Go on to the page.
  An iPhone shows the page but lets it speak to a server only whose certificate it trusts: see --tls-cert.

  Whoever can reach this machine can join; nobody is asked for a password.

  clients    wss://192.168.1.7:9000/ws?user=alice
  NATS       nats://127.0.0.1:4222
  operators  http://127.0.0.1:9100/readyz

`,
		},
		"for the network, with a certificate that is known": {
			where{
				clients: "[::]:9000", nats: "nats://127.0.0.1:4222", https: true,
				lan: []netip.Addr{netip.MustParseAddr("192.168.1.7")},
			},
			`
Beckon is ready.

  page       https://192.168.1.7:9000/
             https://localhost:9000/ on this machine

  Whoever can reach this machine can join; nobody is asked for a password.

  clients    wss://192.168.1.7:9000/ws?user=alice
  NATS       nats://127.0.0.1:4222

`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.where.message(false); got != test.want {
				t.Errorf("got %s", got)
			}
			code := ""
			if len(test.where.lan) > 0 {
				var err error
				if code, err = lan.QR("https://192.168.1.7:9000/"); err != nil {
					t.Fatal(err)
				}
				code += "\n"
			}
			got := test.where.message(true)
			if !strings.Contains(got, code) || strings.Replace(got, code, "", 1) != test.want {
				t.Errorf("for a terminal: %s", got)
			}
		})
	}
}

// beckon is a process of our own.
func beckon(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMain+"=1")
	cmd.Stderr = t.Output()
	return cmd
}

// start runs beckon, with free ports, and gives what it says of itself, by the first word of each line.
func start(t *testing.T, args ...string) (*exec.Cmd, map[string]string) {
	t.Helper()
	cmd := beckon(t, append([]string{"--listen=127.0.0.1:0", "--ops=127.0.0.1:0", "--embed-nats=127.0.0.1:0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	said := make(map[string]string)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), " "); ok && said[name] == "" {
			said[name], _, _ = strings.Cut(strings.TrimSpace(value), " ")
		}
		if said["operators"] != "" {
			return cmd, said
		}
	}
	t.Fatalf("it ended, and said %v", said)
	return nil, nil
}

func stop(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func welcomed(t *testing.T, url string, trusted *x509.CertPool) {
	t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: &tls.Config{RootCAs: trusted}}
	ws, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := ws.ReadMessage(); err != nil || !bytes.Contains(text, []byte(`"welcome"`)) {
		t.Errorf("heard %s, %v", text, err)
	}
}

func TestRun(t *testing.T) {
	cmd, said := start(t)
	welcomed(t, said["clients"], nil)
	if page := strings.Replace(strings.Replace(said["clients"], "ws:", "http:", 1), "ws?user=alice", "", 1); said["page"] != page {
		t.Errorf("page %s, want %s", said["page"], page)
	}
	ops := strings.TrimSuffix(strings.TrimPrefix(said["operators"], "http://"), "/readyz")
	for deadline := time.Now().Add(patience); ; {
		err := beckon(t, "--probe", "--ops="+ops).Run()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never ready: %v", err)
		}
	}
	stop(t, cmd)
	if err := beckon(t, "--probe", "--ops="+ops).Run(); err == nil {
		t.Error("ready although it has ended")
	}
}

// With --lan clients come by TLS, with the certificate that is kept; without a network there is a word about it.
func TestRunLAN(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", home)
	addresses, err := lan.Addresses()
	if err != nil {
		var stderr bytes.Buffer
		cmd := beckon(t, "--lan", "--listen=127.0.0.1:0", "--ops=", "--embed-nats=127.0.0.1:0")
		cmd.Stderr = &stderr
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), lan.ErrNoAddress.Error()) {
			t.Errorf("%v: %s", err, &stderr)
		}
		return
	}
	cmd, said := start(t, "--lan")
	first := netip.AddrPortFrom(addresses[0], 0).String() // [a]:0 or a:0
	prefix := "https://" + strings.TrimSuffix(first, "0")
	port, ok := strings.CutPrefix(strings.TrimSuffix(said["page"], "/"), prefix)
	if !ok || !strings.HasPrefix(said["operators"], "http://127.0.0.1:") || !strings.HasPrefix(said["NATS"], "nats://127.0.0.1:") {
		t.Fatalf("said %v", said)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(cache, "beckon", "lan.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	welcomed(t, "wss://127.0.0.1:"+port+"/ws", trusted)
	welcomed(t, "wss://localhost:"+port+"/ws", trusted)
	stop(t, cmd)
}
