package gateway

import (
	"net/http"

	"beckon/gateway/socketio"
	"beckon/gateway/web"
)

// routes is every URL of the gateway. tutorial is nil if that door is closed.
func routes(native http.Handler, tutorial *socketio.Door, page bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /ws", native)
	mux.Handle("GET /beckon/", web.Library())
	if page {
		mux.Handle("GET /", web.Page())
	}
	if tutorial == nil {
		return mux
	}
	all := http.NewServeMux()
	all.Handle(socketio.Path, tutorial) // all methods: its protocol answers them itself
	all.Handle("/", mux)
	return all
}
