package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMemoryIsReadAfterACollection(t *testing.T) {
	collected := false
	metrics := "# HELP x\ngo_memstats_heap_alloc_bytes 1.5e+06\ngo_memstats_stack_inuse_bytes 500000\nprocess_resident_memory_bytes 3e+06\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.String() {
		case "/debug/pprof/heap?gc=1":
			collected = true
		case "/metrics":
			if !collected {
				t.Error("nothing was collected before")
			}
			_, _ = w.Write([]byte(metrics))
		}
	}))
	defer server.Close()
	ops := strings.TrimPrefix(server.URL, "http://")
	m, err := memoryOf(t.Context(), ops)
	if err != nil || m != (memory{resident: 3e6, live: 2e6}) {
		t.Errorf("%+v, %v", m, err)
	}
	if each := m.less(memory{resident: 1e6, live: 1e6}).each(1000); each != (Memory{2000, 1000}) {
		t.Errorf("each %+v", each)
	}
	metrics = strings.Replace(metrics, "process_resident", "other", 1)
	if _, err := memoryOf(t.Context(), ops); err == nil || !strings.Contains(err.Error(), "process_resident_memory_bytes") {
		t.Errorf("a metric is missing: %v", err)
	}
}
