package doortest

import (
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"testing"
)

// What a fixture promises to every door's tests.
func TestFixture(t *testing.T) {
	for name, s := range map[string]Setup{"plain": {}, "TLS": {TLS: true}, "narrow": {Narrow: true}} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var written []byte
			s.Writing = func(p []byte) {
				mu.Lock()
				defer mu.Unlock()
				written = append(written, p...)
			}
			opened, ended := false, false
			t.Cleanup(func() {
				if !ended {
					t.Error("the door has not been ended")
				}
			})
			f := Start(t, s, func(f *Fixture) (http.Handler, func()) {
				opened = f.Hub != nil && f.HubMetrics != nil && f.Conn.Up()
				hello := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
				return http.HandlerFunc(hello), func() { ended = true }
			})
			if !opened {
				t.Error("the door was opened before there was anything behind it")
			}
			client := http.Client{Timeout: Patience, Transport: &http.Transport{
				DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			}}
			scheme := "http://"
			if s.TLS {
				scheme = "https://"
			}
			resp, err := client.Get(scheme + f.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
				t.Errorf("heard %q, %v", body, err)
			}
			mu.Lock()
			if len(written) == 0 {
				t.Error("nobody saw that being written")
			}
			mu.Unlock()
			f.AwaitSessions(0)
			f.HubMetrics.TurnedAway("one")
			f.HubMetrics.TurnedAway("another")
			for value, want := range map[string]float64{"": 2, "one": 1, "none": 0} {
				if got := f.Metric("beckon_handshakes_refused_total", value); got != want {
					t.Errorf("%q was counted %v times, want %v", value, got, want)
				}
			}
			for _, up := range []bool{false, true} {
				f.SetLink(up)
				if f.Conn.Up() != up {
					t.Errorf("the connection is up: %v", !up)
				}
			}
		})
	}
}
