package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// profiler fetches profiles from the gateways' ops listeners while load is on them.
type profiler struct{ fetches *errgroup.Group }

// profileGrace is how long a profile may take beyond the time that it covers.
const profileGrace = 30 * time.Second

// startProfiles begins to profile the gateways' processor time and allocations for d, cut to seconds, and writes them to
// dir as gateway-a.cpu.pprof and so on. Call wait.
func startProfiles(ctx context.Context, ops []string, dir string, d time.Duration) *profiler {
	fetches, ctx := errgroup.WithContext(ctx)
	for i, addr := range ops {
		for kind, path := range map[string]string{"cpu": "profile", "allocs": "allocs"} {
			file := filepath.Join(dir, fmt.Sprintf("gateway-%c.%s.pprof", 'a'+i, kind))
			url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", addr, path, int(d/time.Second))
			fetches.Go(func() error { return fetchProfile(ctx, url, file, d+profileGrace) })
		}
	}
	return &profiler{fetches}
}

// startProfile begins to profile the processor time of one service for d, cut to seconds, and writes it to file. Call wait.
func startProfile(ctx context.Context, ops, file string, d time.Duration) *profiler {
	fetches, ctx := errgroup.WithContext(ctx)
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", ops, int(d/time.Second))
	fetches.Go(func() error { return fetchProfile(ctx, url, file, d+profileGrace) })
	return &profiler{fetches}
}

func (p *profiler) wait() error { return p.fetches.Wait() }

func fetchProfile(ctx context.Context, url, file string, timeout time.Duration) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("profile: %w", err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
