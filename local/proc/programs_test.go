package proc

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Programs in another place are entered by its command, and asked over its network whether they are ready.
func TestProgramsElsewhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var asked []string
	elsewhere := func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = append(asked, address)
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	here := &Programs{dir: t.TempDir()}
	there := here.In(Place{Command: []string{"enter", "there"}, Dialer: elsewhere})

	spec, err := there.NATS("192.0.2.1:4222", `server_name: "one"`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"there", filepath.Join(here.dir, "nats-server"), "--config"}; spec.Path != "enter" || !slices.Equal(spec.Args[:3], want) {
		t.Errorf("it runs %q %q, want enter %q", spec.Path, spec.Args, want)
	}
	if err := spec.Ready(ctx); err != nil || !slices.Equal(asked, []string{"192.0.2.1:4222"}) {
		t.Errorf("asked %q whether it is ready: %v", asked, err)
	}
	if spec := here.Presence("127.0.0.1:1", "127.0.0.1:2"); spec.Path != filepath.Join(here.dir, "presence") || spec.Args[0] != "--nats" {
		t.Errorf("at home it runs %q %q", spec.Path, spec.Args)
	}
}
