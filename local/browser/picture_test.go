package browser

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// picture is the size of a screenshot, and its colour at the top right.
func picture(t *testing.T, path string) (image.Point, color.RGBA) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	size := img.Bounds().Size()
	return size, color.RGBAModel.Convert(img.At(size.X-1, 0)).(color.RGBA)
}

func TestScreenshot(t *testing.T) {
	p, s := open(t, Options{})
	dir := filepath.Join(t.TempDir(), "not there yet")
	t.Setenv("BECKON_ARTEFACTS", dir)
	for _, test := range []struct {
		width, height int
		dark          bool
		file          string
		grey          uint8
	}{
		{1280, 800, false, "a_page-1280-light.png", 250},
		{390, 844, true, "a_page-390-dark.png", 10},
	} {
		path := p.Screenshot("a page", test.width, test.height, test.dark)
		if path != filepath.Join(dir, test.file) {
			t.Errorf("kept as %s", path)
		}
		size, corner := picture(t, path)
		if want := image.Pt(2*test.width, 2*test.height); size != want {
			t.Errorf("%s has %v pixels, want %v", path, size, want)
		}
		if want := (color.RGBA{test.grey, test.grey, test.grey, 255}); corner != want {
			t.Errorf("%s is %v, want %v", path, corner, want)
		}
		var width int
		if p.Eval("innerWidth", &width); width != test.width {
			t.Errorf("the page is %d wide, want %d", width, test.width)
		}
	}
	// A phone takes a page for a wide one that does not say otherwise.
	p.Open(s.URL + "/other.html")
	p.WaitFor("innerWidth > 900")
}

func TestArtefacts(t *testing.T) {
	t.Setenv("BECKON_ARTEFACTS", "")
	got, err := artefacts()
	if want, _ := filepath.Abs("../../artefacts"); err != nil || got != want {
		t.Errorf("artefacts go to %s, error %v, want %s", got, err, want)
	}
	t.Chdir(t.TempDir())
	if got, err := artefacts(); err == nil {
		t.Errorf("artefacts go to %s", got)
	}
}

const captured = `(async () => {
	const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
	document.getElementById("mine").srcObject = stream;
	await document.getElementById("mine").play();
	return "captured";
})().catch((e) => e.name)`

func TestMedia(t *testing.T) {
	p, _ := open(t, Options{Cameras: 2})
	if got := p.script(sound); got != "running" {
		t.Errorf("sound is %s", got)
	}
	if got := p.script(captured); got != "captured" {
		t.Fatal(got)
	}
	p.AwaitFrames("#mine", 10)
	if got := p.VideoFrames("#mine"); got < 10 {
		t.Errorf("%d frames", got)
	}
	p.AwaitSound("#mine")
	p.Eval(`document.getElementById("mine").muted = true`, nil)
	mentions(t, p.b.failures(func() { p.AwaitSound("#mine") }), "wait for sound from #mine: it is muted")
	p.Eval(`document.getElementById("mine").pause()`, nil)
	mentions(t, p.b.failures(func() { p.AwaitSound("#mine") }), "it is paused")
	mentions(t, p.b.failures(func() { p.AwaitFrames("#mine", 1000) }), "wait until ")
	cameras := `navigator.mediaDevices.enumerateDevices().then((all) => all.filter((d) => d.kind === "videoinput").length + " cameras")`
	if got := p.script(cameras); got != "2 cameras" {
		t.Errorf("there are %s", got)
	}

	bob := p.b.Page("bob")
	bob.Open(p.script("location.href"))
	bob.Deny("camera")
	if got := bob.script(captured); got != "NotAllowedError" {
		t.Errorf("denied: %s", got)
	}
	if got := bob.script(`navigator.mediaDevices.getUserMedia({audio: true}).then(() => "captured")`); got != "captured" {
		t.Errorf("sound only: %s", got)
	}
	bob.Grant("camera")
	if got := bob.script(captured); got != "captured" {
		t.Errorf("granted: %s", got)
	}
}

// What a page meets on a machine without a camera, in a browser that has its own mind about sound.
func TestNoCamera(t *testing.T) {
	p, _ := open(t, Options{Cameras: NoCamera, StrictAutoplay: true})
	p.Expect("AudioContext was not allowed to start")
	if got := p.script(sound); got != "suspended" {
		t.Errorf("sound on a page that nobody has touched is %s", got)
	}
	p.Click("heading", "People")
	if got := p.script(sound); got != "running" {
		t.Errorf("sound on a page that was clicked is %s", got)
	}
	if got := p.script(captured); got != "NotFoundError" {
		t.Errorf("without a camera: %s", got)
	}
	if got := p.script(`navigator.mediaDevices.getUserMedia({audio: true}).then(() => "captured")`); got != "captured" {
		t.Errorf("sound only: %s", got)
	}
}

const sound = `(window.sound = new AudioContext(), sound.resume(), new Promise((next) => setTimeout(next, 200)).then(() => sound.state))`
