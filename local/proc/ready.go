package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// probeTimeout bounds one question whether a process is ready.
const probeTimeout = 2 * time.Second

var errEnded = errors.New("ended")

// Await asks again and again until ready returns nil, or ctx ends: then the error has its cause and ready's last words.
func Await(ctx context.Context, ready func(context.Context) error) error {
	return poll(ctx, ready, nil)
}

// poll is Await, but for errEnded when ended is closed.
func poll(ctx context.Context, ready func(context.Context) error, ended <-chan struct{}) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	reason := errors.New("it was not asked")
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // or the error says no more than that
			reason = err
		}
		select {
		case <-tick.C:
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (%w)", reason, context.Cause(ctx))
		}
	}
}

// DialContext makes connections as that of a net.Dialer does, perhaps over another network than this process' own.
type DialContext = func(ctx context.Context, network, address string) (net.Conn, error)

// Listening is a [Spec]'s Ready: a connection to addr, host:port, succeeds.
func Listening(addr string) func(context.Context) error { return ListeningOver(nil, addr) }

// ListeningOver is Listening over the network of that dialer; nil for this process' own.
func ListeningOver(dial DialContext, addr string) func(context.Context) error {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		conn, err := dial(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// OK is a [Spec]'s Ready: a GET of url is answered with status 200. The error repeats what another answer says.
func OK(url string) func(context.Context) error { return OKOver(nil, url) }

// OKOver is OK over the network of that dialer; nil for this process' own.
func OKOver(dial DialContext, url string) func(context.Context) error {
	client := &http.Client{
		Timeout:   probeTimeout,
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, // or connections and their goroutines would stay
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if err != nil {
			return fmt.Errorf("GET %s: %w", url, err)
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s: %s", url, resp.Status, bytes.TrimSpace(body))
		}
		return nil
	}
}

// Ports that FreeAddress gives. They lie below those that systems give to outgoing connections (RFC 6056, section 3.2;
// Linux begins at 32768): a port among those could be taken by some connection while its server is down.
const firstPort, lastPort = 20000, 32000

var ports struct {
	mu   sync.Mutex
	next int
}

// FreeAddress is an address of this machine only that nobody listens on, for a server that is to have it at every start.
// No two calls in this process give the same one.
func FreeAddress() (string, error) {
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.next == 0 { // begin elsewhere than other processes that do the same
		ports.next = firstPort + int(time.Now().UnixNano()/1000%(lastPort-firstPort))
	}
	for range lastPort - firstPort {
		addr := fmt.Sprintf("127.0.0.1:%d", ports.next)
		if ports.next++; ports.next == lastPort {
			ports.next = firstPort
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", fmt.Errorf("no port from %d to %d is free", firstPort, lastPort-1)
}
