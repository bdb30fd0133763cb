package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
)

const (
	// phone is the width below which a window is that of a phone, with a finger and a <meta name="viewport"> that counts.
	phone = 600
	// sharpness is how many pixels of a screenshot are one of CSS.
	sharpness = 2
)

// Resize gives the page a window of this size, a phone's if it is narrow, and a user who likes it dark or light.
func (p *Page) Resize(width, height int, dark bool) {
	p.b.t.Helper()
	err := p.try(func(ctx context.Context) error {
		err := emulation.SetDeviceMetricsOverride(int64(width), int64(height), sharpness, width < phone).Do(ctx)
		if err != nil {
			return err
		}
		if err := emulation.SetTouchEmulationEnabled(width < phone).Do(ctx); err != nil {
			return err
		}
		return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme(dark)},
		}).Do(ctx)
	})
	if err != nil {
		p.fail(fmt.Sprintf("resize to %d by %d", width, height), err)
	}
}

func scheme(dark bool) string {
	if dark {
		return "dark"
	}
	return "light"
}

// Screenshot resizes the page, lets it come to rest, and keeps a picture as <artefacts>/<name>-<width>-<light or dark>.png,
// whose path it returns.
func (p *Page) Screenshot(name string, width, height int, dark bool) string {
	p.b.t.Helper()
	p.Resize(width, height, dark)
	var path string
	err := p.try(func(ctx context.Context) (err error) {
		if err := evaluate(ctx, rest, nil); err != nil {
			return err
		}
		path, err = capture(ctx, fmt.Sprintf("%s-%d-%s", name, width, scheme(dark)))
		return err
	})
	if err != nil {
		p.fail("screenshot "+name, err)
	}
	return path
}

// rest waits for fonts, for animations that have an end, and for two drawings.
const rest = `(async () => {
	await document.fonts.ready;
	const ending = (a) => a.playState === "running" && a.effect.getComputedTiming().endTime < Infinity;
	await Promise.allSettled(document.getAnimations().filter(ending).map((a) => a.finished));
	for (let i = 0; i < 2; i++) await new Promise((next) => requestAnimationFrame(next));
})()`

// capture keeps a picture of what the page shows now.
func capture(ctx context.Context, name string) (string, error) {
	png, err := page.CaptureScreenshot().Do(ctx)
	if err != nil {
		return "", err
	}
	dir, err := artefacts()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep a screenshot: %w", err)
	}
	path := filepath.Join(dir, unfit.ReplaceAllString(name, "_")+".png")
	if err := os.WriteFile(path, png, 0o644); err != nil {
		return "", fmt.Errorf("keep a screenshot: %w", err)
	}
	return path, nil
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9_.-]+`) // for the name of a file

// artefacts is the folder of what tests leave for people to look at: $BECKON_ARTEFACTS, or artefacts in the repository.
func artefacts() (string, error) {
	if dir := os.Getenv("BECKON_ARTEFACTS"); dir != "" {
		return dir, nil
	}
	at, err := os.Getwd() // a test's is its package's folder
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := at; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return filepath.Join(dir, "artefacts"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: no go.work above %s; set BECKON_ARTEFACTS", at)
		}
	}
}

// VideoFrames is how many frames a <video> has shown.
func (p *Page) VideoFrames(selector string) int {
	p.b.t.Helper()
	var n int
	p.Eval(fmt.Sprintf(`document.querySelector(%q).getVideoPlaybackQuality().totalVideoFrames`, selector), &n)
	return n
}

// AwaitFrames waits until a <video> has shown so many frames more.
func (p *Page) AwaitFrames(selector string, more int) {
	p.b.t.Helper()
	p.WaitFor(fmt.Sprintf(`document.querySelector(%q).getVideoPlaybackQuality().totalVideoFrames`, selector))
	p.WaitFor(fmt.Sprintf(`document.querySelector(%q).getVideoPlaybackQuality().totalVideoFrames >= %d`, selector,
		p.VideoFrames(selector)+more))
}

// AwaitSound waits until a <video> or <audio> plays aloud a stream in which there is something to hear.
func (p *Page) AwaitSound(selector string) {
	p.b.t.Helper()
	err := p.await(func(ctx context.Context) error {
		var missing string
		err := evaluate(ctx, fmt.Sprintf(listen, selector), &missing)
		if err == nil && missing != "" {
			err = errors.New("it is " + missing)
		}
		return err
	})
	if err != nil {
		p.fail("wait for sound from "+selector, err)
	}
}

// listen listens for two seconds and says what is missing. A fake microphone beeps once a second.
const listen = `(async () => {
	const player = document.querySelector(%q);
	if (!player) return "not there";
	if (!player.srcObject?.getAudioTracks().length) return "without a sound track";
	if (player.paused) return "paused";
	if (player.muted || player.volume === 0) return "muted";
	const context = new AudioContext();
	try {
		await context.resume();
		const meter = context.createAnalyser();
		context.createMediaStreamSource(player.srcObject).connect(meter);
		const wave = new Float32Array(meter.fftSize);
		for (const end = performance.now() + 2000; performance.now() < end;) {
			meter.getFloatTimeDomainData(wave);
			if (wave.some((x) => Math.abs(x) > 0.01)) return "";
			await new Promise((next) => setTimeout(next, 20));
		}
		return "silent";
	} finally {
		await context.close();
	}
})()`
