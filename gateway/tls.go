package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/gateway/certs"
)

// overTLS has server speak TLS, and gives the function by which it serves.
func overTLS(server *http.Server, cfg Config, metrics *prometheus.Registry, log *slog.Logger) (serve func(net.Listener) error, err error) {
	pair, err := certs.Load(cfg.TLSCert, cfg.TLSKey, log)
	if err != nil {
		return nil, err
	}
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "beckon_tls_certificate_expiry_timestamp_seconds",
		Help: "When the certificate that clients are shown ends, in Unix time.",
	}, func() float64 { return float64(pair.Expiry().Unix()) }))
	server.TLSConfig = &tls.Config{GetCertificate: pair.GetCertificate, MinVersion: tls.VersionTLS12}
	server.Protocols = &http.Protocols{}
	server.Protocols.SetHTTP1(true) // and no HTTP/2, in which the doors could not upgrade a connection
	return func(l net.Listener) error { return server.ServeTLS(l, "", "") }, nil
}

// serverLog is for what net/http has to say. Handshakes fail all the time, those of scanners and of browsers whose user
// does not trust the certificate, and nobody here can help it: only who looks for them shall see them.
func serverLog(log *slog.Logger) *stdlog.Logger {
	return stdlog.New(logWriter(func(line []byte) {
		level := slog.LevelWarn
		if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
			level = slog.LevelDebug
		}
		log.Log(context.Background(), level, string(bytes.TrimRight(line, "\n")))
	}), "", 0)
}

// logWriter is called with one line at a time.
type logWriter func(line []byte)

func (w logWriter) Write(line []byte) (int, error) {
	w(line)
	return len(line), nil
}
