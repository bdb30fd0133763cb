package proc

import (
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 25178 25178 19776 0 -1 4194304 116 7 8 9 1234 5678 11 12 20 0 1 0 268311 3133440 413"
	for name, comm := range map[string]string{
		"plain": "gateway", "spaces": "tmux: server", "parentheses": "a) S 1 (b", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte("25182 (" + comm + ")" + rest))
			if want := (1234 + 5678) * 10 * time.Millisecond; got != want || err != nil {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		})
	}
	for _, bad := range []string{
		"", "25182 (x", "25182 (x)", "25182 (x) S 1 2 3",
		strings.Replace("25182 (x)"+rest, "1234", "-1", 1), strings.Replace("25182 (x)"+rest, "5678", "many", 1),
	} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestParseMachineStat(t *testing.T) {
	const line = "cpu  100 20 3000 999999 888888 40000 500000 6000000 77 66"
	got, err := parseMachineStat([]byte(line + "\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n"))
	if want := 6543120 * 10 * time.Millisecond; got != want || err != nil {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu", "cpu 1 2 3 4 5 6 7", "cpu0 1 2 3 4 5 6 7 8", strings.Replace(line, "100", "x", 1)} {
		if got, err := parseMachineStat([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}
