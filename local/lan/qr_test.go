package lan

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// What is drawn is the code, in its margin, in colours of its own on every line.
func TestQR(t *testing.T) {
	for _, url := range []string{"https://192.168.178.123:9000/", "https://[fd12:3456:789a:bcde:f012:3456:789a:bcde]:65535/"} {
		text, err := QR(url)
		if err != nil {
			t.Fatal(err)
		}
		want, err := qr.Encode(url, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) != (want.Size+2*quiet+1)/2 {
			t.Errorf("%d lines for %d modules", len(lines), want.Size)
		}
		for i, line := range lines {
			drawn, begins := strings.CutPrefix(line, paper)
			drawn, ends := strings.CutSuffix(drawn, plain)
			if !begins || !ends {
				t.Errorf("line %d: %q", i, line)
			}
			modules := []rune(drawn)
			if len(modules) != want.Size+2*quiet {
				t.Fatalf("line %d: %d columns", i, len(modules))
			}
			for j, r := range modules {
				x, y := j-quiet, 2*i-quiet
				if upper := r == '▀' || r == '█'; upper != want.Black(x, y) {
					t.Errorf("%d,%d: %v", x, y, upper)
				}
				if lower := r == '▄' || r == '█'; lower != want.Black(x, y+1) {
					t.Errorf("%d,%d: %v", x, y+1, lower)
				}
			}
		}
	}
}

func TestQRTooLong(t *testing.T) {
	if text, err := QR(strings.Repeat("x", 5000)); err == nil || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}
