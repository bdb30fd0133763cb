package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// probeTimeout is how long a running service may take to say how it is.
	probeTimeout = 2 * time.Second
	// maxReport bounds what is read of an answer that may not be a report.
	maxReport = 64 << 10
)

// probe asks the service whose ops listener is at addr whether it is ready: nil if so, else an error that says what is
// missing.
func probe(ctx context.Context, addr Address) error {
	if addr == "" {
		return errors.New("without an ops listener there is nobody to ask; see --ops")
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	to := url.URL{Scheme: "http", Host: string(addr.Local()), Path: "/readyz"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	// Nothing of http.DefaultTransport: no proxy stands between a service and itself, and no connection is kept.
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", &to, err)
	}
	defer resp.Body.Close()
	var r Report
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReport)).Decode(&r); err != nil {
		return fmt.Errorf("ask %s: status %d and no report: %w", &to, resp.StatusCode, err)
	}
	if r.Ready {
		return nil
	}
	err = errors.New("not ready")
	for _, p := range append(r.Broken, r.Missing...) {
		err = errors.Join(err, fmt.Errorf("%s: %s", p.Name, p.Detail))
	}
	return err
}

// Local is where this machine itself reaches what listens on a: on loopback if that is every interface. What listens on
// [::] hears IPv4 too, and containers often have no ::1.
func (a Address) Local() Address {
	host, port, err := net.SplitHostPort(string(a))
	if err != nil {
		return a
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		return Address(net.JoinHostPort("127.0.0.1", port))
	}
	return a
}
