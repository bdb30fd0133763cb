package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// memory is what a service has of it right after a garbage collection, in bytes.
type memory struct {
	resident float64 // by the kernel's account: what was garbage counts until it is given back
	live     float64 // the heap and the stacks
}

// memoryOf collects a service's garbage, and looks. ops is the service's ops listener.
func memoryOf(ctx context.Context, ops string) (memory, error) {
	for range 2 { // what a pool holds outlives one collection
		if _, err := get(ctx, "http://"+ops+"/debug/pprof/heap?gc=1"); err != nil {
			return memory{}, fmt.Errorf("measure memory: %w", err)
		}
	}
	raw, err := get(ctx, "http://"+ops+"/metrics")
	if err != nil {
		return memory{}, fmt.Errorf("measure memory: %w", err)
	}
	all := map[string]float64{
		"process_resident_memory_bytes": -1, "go_memstats_heap_alloc_bytes": -1, "go_memstats_stack_inuse_bytes": -1,
	}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if _, wanted := all[name]; wanted {
			if all[name], err = strconv.ParseFloat(value, 64); err != nil {
				return memory{}, fmt.Errorf("measure memory: %s: %w", name, err)
			}
		}
	}
	for name, value := range all {
		if value < 0 {
			return memory{}, fmt.Errorf("measure memory: no %s at %s", name, ops)
		}
	}
	return memory{
		resident: all["process_resident_memory_bytes"],
		live:     all["go_memstats_heap_alloc_bytes"] + all["go_memstats_stack_inuse_bytes"],
	}, nil
}

func (m memory) less(before memory) memory {
	return memory{m.resident - before.resident, m.live - before.live}
}

// Memory is what one user, or one client, takes, in bytes.
type Memory struct {
	Resident float64 `json:"resident_bytes"` // by the kernel's account
	Live     float64 `json:"live_bytes"`     // the heap and the stacks after a garbage collection
}

func (m memory) each(n int) Memory { return Memory{m.resident / float64(n), m.live / float64(n)} }

func (m Memory) String() string {
	return fmt.Sprintf("%.2f KB resident, %.2f KB live", m.Resident/1e3, m.Live/1e3)
}

// mostAnswer is more than an ops listener says to one question.
const mostAnswer = 16 << 20

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
}
