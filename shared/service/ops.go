package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Ops is the listener for operators: /healthz, /readyz, /metrics, /debug/pprof/.
type Ops struct {
	addr   string
	server *http.Server  // nil when there is no listener
	done   chan struct{} // closed when Serve has returned
}

// NewRegistry makes a registry that has the metrics of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// StartOps listens on addr and serves what health and metrics tell. With an empty addr it does nothing, and the result's
// methods do nothing either.
func StartOps(addr Address, health *Health, metrics prometheus.Gatherer, log *slog.Logger) (*Ops, error) {
	if addr == "" {
		return &Ops{}, nil
	}
	l, err := net.Listen("tcp", string(addr))
	if err != nil {
		return nil, fmt.Errorf("open the ops listener: %w", err)
	}
	log = log.With("component", "ops")
	o := &Ops{
		addr: l.Addr().String(),
		server: &http.Server{
			Handler:           opsHandler(health, metrics),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      2 * time.Minute, // bounds the length of a profile, too
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
		done: make(chan struct{}),
	}
	go func() {
		defer close(o.done)
		if err := o.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the ops listener ended", "err", err)
		}
	}()
	log.Info("ops listener ready", "addr", o.addr)
	return o, nil
}

// Addr is host:port of the listener, with the port that was given to us; empty without a listener.
func (o *Ops) Addr() string { return o.addr }

// Shutdown ends the listener and waits for requests under way; when ctx ends it cuts them off.
func (o *Ops) Shutdown(ctx context.Context) error {
	if o.server == nil {
		return nil
	}
	err := o.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("wait for ops requests: %w", errors.Join(err, o.server.Close()))
	}
	<-o.done // Serve returns as soon as Shutdown or Close was called
	return err
}

func opsHandler(health *Health, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		r := health.Report()
		writeReport(w, r, r.Healthy)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := health.Report()
		writeReport(w, r, r.Ready)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func writeReport(w http.ResponseWriter, r Report, good bool) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !good {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// The only error left is a prober that went away.
	_ = json.NewEncoder(w).Encode(r)
}
