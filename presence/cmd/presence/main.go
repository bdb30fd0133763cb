// Presence tracks who is logged in, on every gateway. See package beckon/presence.
package main

import (
	"os"

	"beckon/presence"
	"beckon/shared/service"
)

func main() {
	os.Exit(service.Main("presence", "Tracks who is logged in, on every gateway, and publishes user lists.", presence.Run))
}
