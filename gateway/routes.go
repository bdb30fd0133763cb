package gateway

import "net/http"

// routes is every URL of the gateway.
func routes(native http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /ws", native)
	return mux
}
