package load

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWebConn(t *testing.T) {
	long := bytes.Repeat([]byte("long "), 10_000)
	waiting := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/who": // tells connections apart
			fmt.Fprint(w, r.RemoteAddr)
		case "/echo":
			payload, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(payload)
		case "/chunks":
			_, _ = w.Write(long)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(long)
		case "/last":
			w.Header().Set("Connection", "close")
		case "/bad":
			http.Error(w, "no such session", http.StatusBadRequest)
		case "/wait":
			close(waiting)
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	c := newWebConn(strings.TrimPrefix(server.URL, "http://"))
	defer c.close()
	ask := func(method, path string, payload []byte) string {
		t.Helper()
		body, err := c.do(method, path, payload)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	first := ask("GET", "/who", nil)
	for _, payload := range [][]byte{{}, []byte("ok"), long} {
		if got := ask("POST", "/echo", payload); got != string(payload) {
			t.Errorf("%d bytes came back as %d", len(payload), len(got))
		}
	}
	if got := ask("GET", "/chunks", nil); len(got) != 2*len(long) {
		t.Errorf("%d bytes in chunks", len(got))
	}
	if _, err := c.do("POST", "/bad", nil); err == nil || !strings.Contains(err.Error(), `POST: 400 Bad Request: "no such session`) {
		t.Errorf("a refusal: %v", err)
	}
	if got := ask("GET", "/who", nil); got != first {
		t.Error("the connection was not kept")
	}
	ask("GET", "/last", nil)
	second := ask("GET", "/who", nil)
	if second == first {
		t.Error("no new connection after the server's last answer")
	}
	c.used = time.Now().Add(-restTimeout - time.Millisecond)
	if got := ask("GET", "/who", nil); got == second {
		t.Error("a connection was used although the server may be closing it")
	}
	ended := make(chan error)
	go func() {
		_, err := c.do("GET", "/wait", nil)
		ended <- err
	}()
	take(t, waiting)
	c.close()
	if take(t, ended) == nil {
		t.Error("close did not end what was under way")
	}
	if _, err := c.do("GET", "/who", nil); err == nil {
		t.Error("a request after close")
	}
}
