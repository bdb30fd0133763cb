package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestReadyzSaysWhatIsMissing(t *testing.T) {
	var h Health
	var broken, missing, degraded atomic.Bool
	when := func(b *atomic.Bool, text string) func() error {
		return Unless(func() bool { return !b.Load() }, text)
	}
	h.Vital("bus", when(&broken, "closed for ever"))
	h.Required("nats", when(&missing, "away for 3s"))
	h.Required("room", func() error { return nil })
	h.Optional("hub", when(&degraded, "no link"))
	o := startOps(t, &h)

	check := func(name string, health, ready int, want Report) {
		t.Helper()
		for path, status := range map[string]int{"/healthz": health, "/readyz": ready} {
			got, body := get(t, o, path)
			var r Report
			if err := json.Unmarshal(body, &r); err != nil {
				t.Fatalf("%s: %s: %v in %s", name, path, err, body)
			}
			if got != status || !reflect.DeepEqual(r, want) {
				t.Errorf("%s: %s: %d %s, want %d %+v", name, path, got, body, status, want)
			}
		}
	}
	check("all is well", 200, 200, Report{Healthy: true, Ready: true})

	degraded.Store(true)
	hub := []Problem{{"hub", "no link"}}
	check("degraded", 200, 200, Report{Healthy: true, Ready: true, Degraded: hub})

	missing.Store(true)
	nats := []Problem{{"nats", "away for 3s"}}
	check("not ready", 200, 503, Report{Healthy: true, Missing: nats, Degraded: hub})

	broken.Store(true)
	check("broken", 503, 503, Report{Broken: []Problem{{"bus", "closed for ever"}}, Missing: nats, Degraded: hub})

	broken.Store(false)
	missing.Store(false)
	degraded.Store(false)
	check("well again", 200, 200, Report{Healthy: true, Ready: true})

	h.Drain()
	check("draining", 200, 503, Report{Healthy: true, Missing: []Problem{{"draining", "the service is about to end"}}})
}

func TestMetricsAndProfiles(t *testing.T) {
	reg := NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "beckon_test_total", Help: "Counts."})
	reg.MustRegister(counter)
	counter.Inc()
	o, err := StartOps("127.0.0.1:0", &Health{}, reg, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer endOps(t, o)
	status, body := get(t, o, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	for _, want := range []string{"beckon_test_total 1", "go_goroutines ", "process_cpu_seconds_total "} {
		if !strings.Contains(string(body), "\n"+want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if status, body := get(t, o, "/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(string(body), "goroutine profile") {
		t.Errorf("profile: %d %.100s", status, body)
	}
	if status, _ := get(t, o, "/"); status != http.StatusNotFound {
		t.Errorf("anything else: %d, want 404", status)
	}
}

func TestNoOpsListener(t *testing.T) {
	o, err := StartOps("", &Health{}, NewRegistry(), discard())
	if err != nil {
		t.Fatal(err)
	}
	if o.Addr() != "" {
		t.Errorf("listens on %s", o.Addr())
	}
	if err := o.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpsAddressTaken(t *testing.T) {
	first := startOps(t, &Health{})
	_, err := StartOps(Address(first.Addr()), &Health{}, NewRegistry(), discard())
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want the reason", err)
	}
}

// A prober that hangs does not keep the process.
func TestOpsShutdownIsBounded(t *testing.T) {
	var h Health
	asked, release := make(chan struct{}), make(chan struct{})
	h.Required("slow", func() error {
		close(asked)
		<-release
		return nil
	})
	o, err := StartOps("127.0.0.1:0", &h, NewRegistry(), discard())
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + o.Addr() + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	select {
	case err := <-answered:
		if err == nil {
			t.Error("the request was answered")
		}
	case <-time.After(patience):
		t.Error("the request was not cut off")
	}
	close(release)
}

func startOps(t *testing.T, h *Health) *Ops {
	t.Helper()
	o, err := StartOps("127.0.0.1:0", h, NewRegistry(), discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endOps(t, o) })
	return o
}

func endOps(t *testing.T, o *Ops) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := o.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, o *Ops, path string) (status int, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
