package library

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// crash ends the process of a page at once, as the kernel does when memory is short. The tab stays, and can be opened again.
func (p *person) crash() {
	p.h.Helper()
	const title = "to crash"
	p.Expect("the page has crashed")
	p.Eval(`void (document.title = "`+title+`")`, nil)
	if err := crash(p.h.limited(), p.h.stage.profile, title); err != nil {
		p.h.Fatalf("crash %s: %v", p.page, err)
	}
}

// crash speaks the DevTools protocol to the browser of a profile.
func crash(ctx context.Context, profile, title string) error {
	port, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(port), "\n")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+first+"/json/list", nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var targets []struct {
		Title string `json:"title"`
		URL   string `json:"webSocketDebuggerUrl"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&targets); err != nil {
		return err
	}
	for _, target := range targets {
		if target.Title != title {
			continue
		}
		ws, _, err := websocket.DefaultDialer.DialContext(ctx, target.URL, nil)
		if err != nil {
			return err
		}
		defer ws.Close()
		if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		for _, method := range []string{"Inspector.enable", "Page.crash"} {
			if err := ws.WriteJSON(map[string]any{"id": 1, "method": method}); err != nil {
				return err
			}
		}
		for {
			var event struct{ Method string }
			if err := ws.ReadJSON(&event); err != nil || event.Method == "Inspector.targetCrashed" {
				return err
			}
		}
	}
	return fmt.Errorf("no page has the title %q", title)
}
