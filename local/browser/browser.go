// Package browser drives a headless Chromium in tests, as somebody would who sees a page by its accessible names: click the
// button "Call bob", wait for the text "Ringing". A test has one browser and as many pages in it as it has people, each
// with a storage of its own. What a page complains of on its console fails the test, unless the test expects it.
//
// No wait is longer than half a minute, and one that was in vain says what the page looks like.
package browser

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	// patience is for how long anything that a page does is waited for.
	patience = 30 * time.Second
	// closeWait is for how long the browser may take to end before it is killed, and then its files to be let go of.
	closeWait = 10 * time.Second
	// pollEvery is how often what a page does not tell by itself is looked at.
	pollEvery = 25 * time.Millisecond
)

// Options of a browser. The zero value is fine.
type Options struct {
	// Cameras is how many cameras there are; 0 stands for 1, and NoCamera for none. They and the one microphone are made
	// up: they show a moving picture and beep.
	Cameras int
	// StrictAutoplay is the browser's own rule: no sound on a page that nobody has touched. Without it sound is always
	// allowed, because in most stories somebody has clicked before there is any, and tests of the library have nobody to
	// click.
	StrictAutoplay bool
}

// NoCamera is for Options.Cameras.
const NoCamera = -1

// Browser is a running Chromium. It ends with its test.
type Browser struct {
	t        testing.TB
	profile  string          // folder
	patience time.Duration   // with pages
	ctx      context.Context // chromedp's, of the browser
	trouble  tail            // chromedp's with it
	pages    []*Page
}

// Start starts Chromium. If there is none the test is skipped, but fails where CI is set in the environment, or CHROME to what
// is none.
func Start(t testing.TB, o Options) *Browser {
	t.Helper()
	path, err := find(os.Getenv, exec.LookPath)
	switch {
	case err != nil && os.Getenv("CI")+os.Getenv("CHROME") != "":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	b := &Browser{t: t, patience: patience, profile: t.TempDir()}
	var output tail // of Chromium
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(b.profile), chromedp.CombinedOutput(&output),
	}
	for name, value := range flags(o) {
		options = append(options, chromedp.Flag(name, value))
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	b.ctx, _ = chromedp.NewContext(ctx, chromedp.WithLogf(b.trouble.Printf), chromedp.WithErrorf(b.trouble.Printf))
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Errorf("end Chromium: %v; it had said:\n%s", err, output.String())
		}
		end() // kills what has not ended
		discard(t, b.profile)
	})
	// The context of the first Run is that of the browser, so that a deadline would end it.
	slow := time.AfterFunc(patience, end)
	defer slow.Stop()
	if err := chromedp.Run(b.ctx); err != nil {
		t.Fatalf("start %s: %v\n%s", path, err, output.String())
	}
	return b
}

// find looks for Chromium, or a browser that does the same.
func find(getenv func(string) string, look func(string) (string, error)) (string, error) {
	if chrome := getenv("CHROME"); chrome != "" {
		path, err := look(chrome)
		if err != nil {
			return "", fmt.Errorf("find the browser that CHROME names: %w", err)
		}
		return path, nil
	}
	for _, name := range programs {
		if path, err := look(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Chromium: install Debian's package chromium (.ci/chromium does as root), or set CHROME to the "+
		"program; looked for %s", strings.Join(programs, ", "))
}

var programs = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
	"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
}

// flags are Chromium's command line. https://peter.sh/experiments/chromium-command-line-switches/ explains them.
func flags(o Options) map[string]any {
	all := maps.Clone(always)
	cameras := max(o.Cameras, 1)
	if o.Cameras == NoCamera {
		cameras = 0
	}
	// Ten frames a second are enough to see that a picture moves, and leave CPU for who is under test.
	all["use-fake-device-for-media-stream"] = fmt.Sprintf("device-count=%d,fps=10", cameras)
	if !o.StrictAutoplay {
		all["autoplay-policy"] = "no-user-gesture-required"
	}
	return all
}

var always = map[string]any{
	"headless": true, "hide-scrollbars": true, "mute-audio": true, "force-color-profile": "srgb",
	"no-sandbox":  true, // containers have none of what it needs; only our own pages are shown
	"disable-gpu": true, "disable-dev-shm-usage": true,
	"password-store": "basic", "use-mock-keychain": true,

	// Nobody else is talked to. Names in .test are this machine, too, but no secure origin as localhost is: a page there is
	// one that was opened over plain HTTP from afar.
	"no-first-run": true, "no-default-browser-check": true, "disable-background-networking": true,
	"disable-component-update": true, "disable-sync": true, "disable-default-apps": true, "disable-extensions": true,
	"disable-quic": true, "no-proxy-server": true,
	"host-resolver-rules": "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",

	// Every page goes on as if it were the one in front.
	"disable-background-timer-throttling": true, "disable-backgrounding-occluded-windows": true,
	"disable-renderer-backgrounding": true,

	// Pages reach each other by address. The names by which Chromium hides addresses from pages that use no camera are
	// resolved by multicast, which containers seldom have; and where there is no network at all, loopback has to do.
	"disable-features": "WebRtcHideLocalIpsWithMdns", "allow-loopback-in-peer-connection": true,
}

// close ends the pages, each after a last look at its complaints, and the browser.
func (b *Browser) close() error {
	for _, p := range b.pages {
		p.finish()
	}
	ctx, cancel := context.WithTimeout(b.ctx, closeWait)
	defer cancel()
	if trouble := b.trouble.String(); b.t.Failed() && trouble != "" {
		b.t.Logf("chromedp said:\n%s", trouble)
	}
	return chromedp.Cancel(ctx)
}

// discard removes the profile. Chromium's helpers may outlive it for a moment and still write there.
func discard(t testing.TB, dir string) {
	var err error
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for end := time.Now().Add(closeWait); time.Now().Before(end); <-tick.C {
		if err = os.RemoveAll(dir); err == nil {
			return
		}
	}
	t.Errorf("remove the browser's profile: %v", err)
}

// tail keeps the last of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 32 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// Printf writes a line.
func (t *tail) Printf(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) }

// String leaves out what Chromium says about a desktop that is not there.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept strings.Builder
	for line := range strings.Lines(string(t.buf)) {
		if !strings.Contains(line, ":dbus/") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
