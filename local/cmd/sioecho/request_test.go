package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
)

// answer is an HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %q", a.status, a.body) }

// refusal is the answer to a request that is refused.
func (a answer) refusal(t testing.TB, code int, message string) {
	t.Helper()
	var got struct {
		Code    *int
		Message string
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	if a.status != http.StatusBadRequest || got.Code == nil || *got.Code != code || got.Message != message {
		t.Fatalf("%v, want 400 with code %d, %q", a, code, message)
	}
}

// is checks status and body.
func (a answer) is(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Fatalf("%v, want %d %q", a, status, body)
	}
}

// badRequest checks the status alone.
func (a answer) badRequest(t testing.TB) {
	t.Helper()
	if a.status != http.StatusBadRequest {
		t.Fatalf("%v, want 400", a)
	}
}

// ask makes a request. header are names and values by turns.
func ask(ctx context.Context, method, url, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(said)}, err
}

func request(t testing.TB, method, url, body string, header ...string) answer {
	t.Helper()
	a, err := ask(limited(t), method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(t testing.TB, url string) answer {
	t.Helper()
	return request(t, http.MethodGet, url, "")
}

func post(t testing.TB, url, body string) answer {
	t.Helper()
	return request(t, http.MethodPost, url, body, "Content-Type", "text/plain;charset=UTF-8")
}

// pending is a GET that waits for its answer.
type pending struct {
	ended chan struct{}
	got   answer // read these after ended is closed
	err   error
}

// waiting is a GET that is on its way. The server may not have read it yet.
func waiting(t testing.TB, url string) *pending {
	t.Helper()
	ctx, abort := context.WithCancel(limited(t))
	p := &pending{ended: make(chan struct{})}
	written := make(chan struct{}, 1) // filled once a connection, and it is tried on few
	go func() {
		defer close(p.ended)
		p.got, p.err = ask(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
			select {
			case written <- struct{}{}:
			default:
			}
		}}), http.MethodGet, url, "")
	}()
	t.Cleanup(func() {
		abort()
		<-p.ended
	})
	select {
	case <-written:
	case <-p.ended:
	}
	return p
}

func (p *pending) answer(t testing.TB) answer {
	t.Helper()
	<-p.ended // ask is bounded
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.got
}
