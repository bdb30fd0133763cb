package gateway

import (
	"net/http"

	"beckon/gateway/web"
)

// routes is every URL of the gateway.
func routes(native http.Handler, page bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /ws", native)
	mux.Handle("GET /beckon/", web.Library())
	if page {
		mux.Handle("GET /", web.Page())
	}
	return mux
}
