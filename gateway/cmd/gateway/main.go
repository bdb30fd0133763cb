// The gateway carries WebRTC signaling between WebSocket clients and NATS. See package beckon/gateway.
package main

import (
	"os"

	"beckon/gateway"
	"beckon/shared/service"
)

func main() {
	os.Exit(service.Main("gateway", "Carries WebRTC signaling between WebSocket clients and NATS.", gateway.Run))
}
